"""What a preflight finds on Azure, without changing anything, and what it learns for the launch."""

from __future__ import annotations

from typing import Any

import pytest

from gpucloud.errors import CapacityError, CredentialsError, ExitStatus, Problem, QuotaError, Unreachable
from gpucloud.machine import Spec
from gpucloud.providers.azure import preflight
from gpucloud.providers.azure.clients import Clients
from gpucloud.providers.azure.launch_plan import REGIONAL, Plan
from gpucloud.providers.azure.preflight import MOST_USER_DATA
from gpucloud.providers.azure.skus import Sku, places, problems
from tests.providers.azure_support import arm_calls, clients_for
from tests.providers.support import Cloud

T4 = "Standard NCASv3_T4 Family"
V100 = "Standard_ND40rs_v2"
GRACE = "Standard_ND128isr_NDR_GB200_v6"
IMAGES_API, GALLERY_API = "2024-07-01", "2023-07-03"


def found(azure: Cloud, **fields: Any) -> tuple[Problem, ...]:
    return preflight.examine(clients_for(azure), azure.spec(**fields)).problems


def plan(azure: Cloud, **fields: Any) -> Plan:
    findings = preflight.examine(clients_for(azure), azure.spec(**fields))
    assert findings.problems == ()
    assert findings.plan
    return findings.plan


def only(azure: Cloud, **fields: Any) -> Problem:
    (problem,) = found(azure, **fields)
    return problem


def test_a_good_plan_has_no_problem_and_changes_nothing(azure: Cloud) -> None:
    learnt = plan(azure, ttl_minutes=60)
    assert learnt.zones == (REGIONAL, "1", "2", "3")
    assert learnt.ssh_from == "127.0.0.1/32"
    assert (learnt.disk_sku, learnt.accelerated_networking) == ("Premium_LRS", True)
    assert not any(call["mutating"] for call in arm_calls(azure))


def test_everything_is_reported_at_once(azure: Cloud) -> None:
    azure.use(f"azure: {{quota: {{{T4}: 2}}, unregistered: [Microsoft.DevTestLab]}}")
    problems = found(azure, image="nope", disk_gb=10, ttl_minutes=5000, zone="9", subnet="x", ssh_from="nowhere")
    assert len(problems) == 7
    assert all(problem.what and (problem.why or problem.remedy) for problem in problems)


# Where the size can be had


def test_a_size_that_the_region_does_not_have(azure: Cloud) -> None:
    problem = only(azure, region="westcentralus")
    assert problem.what == "Standard_NC4as_T4_v3 is not offered in westcentralus"
    assert "`--region eastus`" in problem.remedy


def test_a_region_that_does_not_exist(azure: Cloud) -> None:
    whats = [problem.what for problem in found(azure, region="atlantis")]
    assert "Standard_NC4as_T4_v3 is not offered in atlantis" in whats


@pytest.mark.parametrize("zone", ["", "1"])
def test_a_size_that_the_subscription_may_not_have(azure: Cloud, zone: str) -> None:
    azure.use("azure: {restricted: [{type: '*T4*'}]}")
    problem = only(azure, zone=zone)
    assert "NotAvailableForSubscription" in problem.why
    assert "support request" in problem.remedy
    assert problem.status is CapacityError.status


def test_zones_that_are_closed_to_the_subscription_are_not_tried(azure: Cloud) -> None:
    azure.use("azure: {restricted: [{type: '*T4*', zone: '2'}]}")
    assert plan(azure).zones == (REGIONAL, "1", "3")
    assert plan(azure, zone="3").zones == ("3",)
    assert "it is offered in 1, 3" in only(azure, zone="2").why


def test_a_zone_where_there_are_none(azure: Cloud) -> None:
    assert plan(azure, region="westus").zones == (REGIONAL,)
    assert "in no zone" in only(azure, region="westus", zone="1").why


def test_a_restriction_by_kind_of_offer_and_a_size_that_is_not_sold_as_spot() -> None:
    """Neither is in the sandbox: the former is for free trials, the latter for sizes without a GPU."""
    trial = {"type": "Location", "reasonCode": "QuotaId", "restrictionInfo": {"locations": ["eastus"]}}
    size = Sku("Standard_NC4as_T4_v3", T4, ("1",), (trial,), {"vCPUs": "4"})
    spec = Spec("one", "eastus", size.name, spot=True)
    first, second = problems(size, spec)
    assert (first.status, "pay-as-you-go" in first.remedy) == (QuotaError.status, True)
    assert second.what == "Standard_NC4as_T4_v3 is not sold as spot"
    assert places(size, spec) == ()


# Quotas


@pytest.mark.parametrize("name", ["standardNCASv3_T4Family", "STANDARD NCASv3_T4 FAMILY"])
def test_the_quota_of_the_family_however_it_is_written(azure: Cloud, name: str) -> None:
    azure.use(f"azure: {{quota: {{{name}: 2}}}}")
    problem = only(azure)
    assert problem.why == "Standard_NC4as_T4_v3 needs 4, and 0 of 2 are in use"
    assert "--limit-object value=4" in problem.remedy
    assert problem.status is QuotaError.status


def test_the_quota_of_the_region(azure: Cloud) -> None:
    azure.use("azure: {quota: {cores: 3}}")
    assert "Total Regional vCPUs" in only(azure).what


def test_spot_machines_have_a_quota_of_their_own(azure: Cloud) -> None:
    azure.use(f"azure: {{quota: {{{T4}: 0, cores: 0}}}}")
    assert found(azure, spot=True) == ()
    azure.use("azure: {quota: {lowPriorityCores: 3}}")
    assert "Low-priority" in only(azure, spot=True).what


def test_several_machines_need_their_sum(azure: Cloud) -> None:
    azure.use(f"azure: {{quota: {{{T4}: 8}}}}")
    assert found(azure, count=2) == ()
    assert only(azure, count=3).why == "3 × Standard_NC4as_T4_v3 need 12, and 0 of 8 are in use"


def test_what_runs_already_counts(azure: Cloud) -> None:
    azure.launch(azure.provider())
    azure.use(f"azure: {{quota: {{{T4}: 7}}}}")
    assert "4 of 7 are in use" in only(azure, name="two").why


# The subscription


def test_namespaces_that_are_not_registered(azure: Cloud) -> None:
    azure.use("azure: {unregistered: [Microsoft.Network, Microsoft.DevTestLab]}")
    assert "registered Microsoft.Network" in only(azure).what
    problem = only(azure, ttl_minutes=60)
    assert "Microsoft.Network and Microsoft.DevTestLab" in problem.what
    assert "`az provider register --namespace Microsoft.DevTestLab --wait`" in problem.remedy


def test_a_subscription_without_compute_is_one_problem(azure: Cloud) -> None:
    azure.use("azure: {unregistered: [Microsoft.Compute]}")
    assert "Microsoft.Compute" in only(azure).what


def test_encryption_at_host_is_used_where_the_subscription_has_it(azure: Cloud) -> None:
    assert not plan(azure).encryption_at_host
    azure.use("azure: {features: [Microsoft.Compute/EncryptionAtHost]}")
    assert plan(azure).encryption_at_host


def test_another_subscription_than_the_credentials_see(azure: Cloud) -> None:
    (problem,) = preflight.examine(clients_for(azure, subscription="other"), azure.spec()).problems
    assert problem.what == "the credentials see no such Azure subscription"
    assert problem.status is CredentialsError.status


def test_what_may_not_be_asked_is_a_problem_that_names_the_action(azure: Cloud) -> None:
    azure.use("denied: ['Microsoft.Compute/skus/read']")
    problem = only(azure)
    assert "Microsoft.Compute/skus/read" in problem.why
    assert "doctor --policy azure" in problem.remedy


def test_throttling_is_not_slept_out(azure: Cloud) -> None:
    azure.use("throttling: [{action: '*', every: 1, retry_after: 1200}]")
    problem = only(azure)
    assert "20 minutes" in problem.why
    assert problem.status is Unreachable.status


# Images


@pytest.mark.parametrize(
    ("name", "offer", "sku"),
    [
        ("ubuntu-22.04", "0001-com-ubuntu-server-jammy", "22_04-lts-gen2"),
        ("ubuntu-24.04", "ubuntu-24_04-lts", "server"),
        ("hpc", "ubuntu-hpc", "2204"),
        ("microsoft-dsvm:ubuntu-hpc:2404:latest", "ubuntu-hpc", "2404"),
    ],
)
def test_names_of_images_become_exact_versions(azure: Cloud, name: str, offer: str, sku: str) -> None:
    reference = plan(azure, image=name).image_reference
    assert (reference["offer"], reference["sku"]) == (offer, sku)
    assert reference["version"][0].isdigit()


def test_a_v100_gets_the_last_image_that_drives_it(azure: Cloud) -> None:
    findings = preflight.examine(clients_for(azure), azure.spec(type=V100, image="hpc"))
    assert findings.plan
    assert findings.plan.image_reference["sku"] == "2204-v100"


@pytest.mark.parametrize(
    ("name", "what"),
    [
        ("dlami", "no image called 'dlami' for x86_64"),
        ("Canonical:nope:nope:latest", "no image Canonical:nope:nope:latest in eastus"),
        ("Canonical:ubuntu-24_04-lts:server:1.2.3", "no image Canonical:ubuntu-24_04-lts:server:1.2.3 in eastus"),
    ],
)
def test_images_that_do_not_exist(azure: Cloud, name: str, what: str) -> None:
    problem = only(azure, image=name)
    assert problem.what == what
    assert problem.status is ExitStatus.PREFLIGHT


@pytest.mark.parametrize(
    ("image", "type", "word"),
    [
        ("Canonical:ubuntu-24_04-lts:server-arm64:latest", "Standard_NC4as_T4_v3", "Arm64"),
        ("Canonical:ubuntu-24_04-lts:server-gen1:latest", "Standard_NC24ads_A100_v4", "generation V1"),
    ],
)
def test_images_that_do_not_fit_the_size(azure: Cloud, image: str, type: str, word: str) -> None:
    problem = only(azure, image=image, type=type)
    assert (problem.what, word in problem.why) == ("the image does not fit the machine", True)


def test_trusted_launch_where_size_and_image_know_it_and_secure_boot_where_drivers_are_signed(azure: Cloud) -> None:
    ubuntu = plan(azure)
    assert (ubuntu.security_type, ubuntu.secure_boot) == ("TrustedLaunch", True)
    urn = plan(azure, image="Canonical:ubuntu-24_04-lts:server:latest")
    assert (urn.security_type, urn.secure_boot) == ("TrustedLaunch", False)
    hpc = plan(azure, image="hpc")
    assert (hpc.security_type, hpc.secure_boot) == ("Standard", False)


def test_own_images_are_taken_by_id(azure: Cloud) -> None:
    clients, place = clients_for(azure), {"location": "eastus"}
    group = f"{azure.settings['subscription']}/resourceGroups/images"
    clients.groups.resource_groups.create_or_update("images", place)
    gallery = f"/subscriptions/{group}/providers/Microsoft.Compute/galleries/ours"
    features = [{"name": "SecurityType", "value": "TrustedLaunchSupported"}]
    definition = {
        "osType": "Linux",
        "osState": "Generalized",
        "hyperVGeneration": "V2",
        "identifier": {"publisher": "p", "offer": "o", "sku": "s"},
        "features": features,
    }
    disk = {"osDisk": {"osType": "Linux", "osState": "Generalized", "diskSizeGB": 90}}
    managed = f"/subscriptions/{group}/providers/Microsoft.Compute/images/plain"
    for id, api, properties in (
        (gallery, GALLERY_API, {}),
        (f"{gallery}/images/ubuntu", GALLERY_API, definition),
        (f"{gallery}/images/ubuntu/versions/1.0.0", GALLERY_API, {}),
        (managed, IMAGES_API, {"storageProfile": disk, "hyperVGeneration": "V2"}),
    ):
        body = {**place, "properties": properties}
        clients.groups.resources.begin_create_or_update_by_id(id, body, api_version=api).result()
    for id in (f"{gallery}/images/ubuntu", f"{gallery}/images/ubuntu/versions/1.0.0"):
        learnt = plan(azure, image=id)
        assert (learnt.image_reference, learnt.security_type) == ({"id": id}, "TrustedLaunch")
    learnt = plan(azure, image=managed)
    assert (learnt.image_reference, learnt.security_type, learnt.least_disk_gb) == ({"id": managed}, "Standard", 90)
    assert only(azure, image=managed, disk_gb=80).remedy == "`--disk 90`"
    assert only(azure, image=f"{managed}-not").what.startswith("cannot find the image")


# The rest of the spec


def test_a_name_that_is_taken(azure: Cloud) -> None:
    azure.launch(azure.provider())
    problem = only(azure)
    assert problem.what == "the name one is taken in eastus"
    assert "gpucloud-run1" in problem.why
    assert found(azure, name="two") == ()
    assert found(azure, region="westeurope") == ()


@pytest.mark.parametrize(
    ("minutes", "what"), [(39, "the lifetime is too short"), (24 * 60, "the lifetime is too long")]
)
def test_lifetimes_that_a_daily_clock_cannot_keep(azure: Cloud, minutes: int, what: str) -> None:
    assert only(azure, ttl_minutes=minutes).what == what


def test_a_region_without_the_clock_is_told_only_to_who_wants_it(azure: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    ask = preflight._service

    def elsewhere(clients: Clients, namespace: str) -> dict[str, Any]:
        kinds = [{"resourceType": "schedules", "locations": ["West Europe", "East US 2"]}]
        return {**ask(clients, namespace), "resourceTypes": kinds}

    monkeypatch.setattr(preflight, "_service", elsewhere)
    assert only(azure, ttl_minutes=60).what == "eastus has no clock to end a machine's lifetime"
    assert found(azure) == ()
    assert found(azure, ttl_minutes=60, region="westeurope") == ()


def test_a_lifetime_that_is_too_long_can_be_extended_instead(azure: Cloud) -> None:
    assert "`gpucloud extend one`" in only(azure, ttl_minutes=3000).remedy


@pytest.mark.parametrize(
    ("fields", "what"),
    [
        ({"disk_gb": 63}, "the disk is too small"),
        ({"disk_gb": 4096}, "the disk is too large"),
        ({"tags": {"a?b": "c"}}, "Azure takes no tag called 'a?b'"),
        ({"tags": {"team": "x" * 257}}, "the tag team is too long"),
        ({"tags": {str(number): "" for number in range(50)}}, "too many tags"),
        ({"user_data": "x" * (MOST_USER_DATA + 1)}, "the user-data is too long"),
        ({"subnet": "mine"}, "--subnet cannot be used on Azure"),
        ({"ssh_from": "nowhere"}, "'nowhere' is no address range"),
    ],
)
def test_what_azure_does_not_take(azure: Cloud, fields: dict[str, Any], what: str) -> None:
    assert only(azure, **fields).what == what


def test_an_own_address_that_cannot_be_learnt(azure: Cloud) -> None:
    clients = clients_for(azure, checkip_url="http://127.0.0.1:9")
    (problem,) = preflight.examine(clients, azure.spec()).problems
    assert problem.status is Unreachable.status
    assert "--allow-ssh-from" in problem.remedy


def test_a_type_that_nobody_knows(azure: Cloud) -> None:
    (problem,) = found(azure, type="Standard_NC5as_T4_v3")
    assert problem.status is ExitStatus.USAGE
