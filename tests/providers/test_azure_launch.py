"""What a launch on Azure makes, what it tries, and what is left of one that fails: nothing."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from gpucloud import parallel
from gpucloud.errors import (
    CapacityError,
    CloudError,
    GpucloudError,
    MayStillCost,
    PreflightFailed,
    QuotaError,
    Unreachable,
)
from gpucloud.machine import TAG_NAME, TAG_RUN, State
from gpucloud.parallel import together
from gpucloud.providers.azure import launch, resources
from gpucloud.providers.azure.provider import AzureProvider
from gpucloud.providers.azure.settings import AzureSettings
from gpucloud.saga import Step
from gpucloud.waiting import Waiter
from tests.providers.support import Cloud

pytestmark = pytest.mark.slow

VM = "PUT .*/virtualMachines/"


def azure_provider(azure: Cloud, waiter: Waiter | None = None) -> AzureProvider:
    return AzureProvider(AzureSettings(**azure.settings), azure.region, (), waiter)


def raw(azure: Cloud, path: str) -> Any:
    """A document of ARM within the run's group."""
    return azure_provider(azure)._clients.get(f"resourceGroups/gpucloud-run1/{path}", "2024-07-01")


def actions(azure: Cloud, action: str) -> list[dict[str, Any]]:
    return [call for call in azure.calls() if call["action"] == action]


def fault(**fields: Any) -> str:
    """A scenario with one fault."""
    return "azure: " + json.dumps({"faults": [fields]})


def undo(steps: list[Step]) -> list[bool]:
    """What another process would do, that knows nothing but the journal's spec."""
    return [step.undo({}) for step in reversed(steps)]


def left(azure: Cloud) -> dict[str, list[str]]:
    return {kind: found for kind, found in azure.ask("inventory").items() if kind.startswith("azure-") and found}


def prepared(azure: Cloud, **fields: Any) -> tuple[AzureProvider, list[Step]]:
    """A provider whose preflight has been done, and the steps of a launch."""
    provider, spec = azure_provider(azure), azure.spec(**fields)
    assert provider.preflight(spec) == []
    return provider, provider.launch_steps(spec, "run1")


def do(steps: list[Step]) -> dict[str, str]:
    facts: dict[str, str] = {}
    for step in steps:
        facts.update(step.do(facts))
    return facts


def test_everything_lies_in_one_group_and_carries_the_tags(azure: Cloud) -> None:
    provider = azure_provider(azure)
    azure.launch(provider, azure.spec(ttl_minutes=60))
    found = provider.resources("run1")
    assert [each.kind for each in found] == [
        "resource-group",
        "instance",
        "schedule",
        "network-interface",
        "disk",
        "public-ip",
        "security-group",
        "virtual-network",
    ]
    for each in found:
        assert "/resourcegroups/gpucloud-run1" in each.id.lower()
    tags = provider._clients.get("resourcegroups/gpucloud-run1", "2021-04-01")["tags"]
    assert (tags[TAG_RUN], tags[TAG_NAME]) == ("run1", "one")
    assert {each.kind for each in found if each.costs} == {"instance", "disk", "public-ip"}


def test_the_parts_of_the_network_are_made_side_by_side(azure: Cloud) -> None:
    azure.use("azure: {operation_seconds: {'PUT *': 0.5}}")
    _, steps = prepared(azure)
    facts = dict(steps[0].do({}))
    facts.update(steps[1].do(facts))
    parts = ("virtualNetworks", "networkSecurityGroups", "publicIPAddresses")
    begun = [call["started"] for part in parts for call in actions(azure, f"PUT {part}")]
    assert len(begun) == 3
    assert max(begun) - min(begun) < 0.4


def test_the_machine_is_as_safe_as_promised(azure: Cloud) -> None:
    azure.launch(azure.provider(), azure.spec(disk_gb=70, ssh_from="203.0.113.7/32"))
    vm = raw(azure, "providers/Microsoft.Compute/virtualMachines/gpucloud-run1-instance")["properties"]
    assert vm["securityProfile"]["securityType"] == "TrustedLaunch"
    assert vm["osProfile"]["linuxConfiguration"]["disablePasswordAuthentication"] is True
    assert "customData" not in vm["osProfile"], "Azure never shows it again"
    assert vm["storageProfile"]["osDisk"]["diskSizeGB"] == 70
    assert vm["storageProfile"]["osDisk"]["deleteOption"] == "Delete"
    group = raw(azure, "providers/Microsoft.Network/networkSecurityGroups/gpucloud-run1-security-group")["properties"]
    (rule,) = group["securityRules"]
    assert rule["properties"]["sourceAddressPrefix"] == "203.0.113.7/32"


@pytest.mark.parametrize("how", ["sync", "async"])
def test_a_full_place_is_followed_by_the_next_and_recorded(azure: Cloud, how: str) -> None:
    azure.use(f"azure: {{capacity: [{{zone: '', machines: 0, how: {how}}}, {{zone: '1', machines: 0, how: {how}}}]}}")
    provider, steps = prepared(azure)
    facts = do(steps)
    attempts = json.loads(facts["attempts"])
    assert [where for where, _ in attempts] == ["any zone", "zone 1", "zone 2"]
    assert [bool(why) for _, why in attempts] == [True, True, False]
    assert facts["zone"] == "2"
    machine = azure.until(provider, facts["id"], State.RUNNING)
    assert (machine.zone, bool(machine.address)) == ("2", True)
    assert len(left(azure)["azure-instance"]) == 1


@pytest.mark.parametrize("how", ["sync", "async"])
def test_no_capacity_anywhere_names_every_place(azure: Cloud, how: str) -> None:
    azure.use(f"azure: {{capacity: [{{machines: 0, how: {how}}}]}}")
    _, steps = prepared(azure)
    with pytest.raises(CapacityError, match="no Standard_NC4as_T4_v3 to be had in eastus") as caught:
        do(steps)
    places = [where for where, _ in caught.value.attempts]
    assert places[0] == "any zone"
    assert len(set(places)) == len(places) == len(actions(azure, "PUT virtualMachines")) > 1
    assert undo(steps)[0]
    assert left(azure) == {}


def test_a_zone_that_was_asked_for_is_the_only_one_tried(azure: Cloud) -> None:
    azure.use("azure: {capacity: [{machines: 0}]}")
    _, steps = prepared(azure, zone="2")
    with pytest.raises(CapacityError) as caught:
        do(steps)
    assert [where for where, _ in caught.value.attempts] == ["zone 2"]


def test_spot_never_falls_back_to_on_demand(azure: Cloud) -> None:
    azure.use("azure: {capacity: [{machines: 0}]}")
    _, steps = prepared(azure, spot=True)
    with pytest.raises(CapacityError, match="no spot Standard_NC4as_T4_v3"):
        do(steps)


LATER = {"async": True}
REFUSALS: list[tuple[dict[str, Any], type[GpucloudError]]] = [
    (
        {"match": VM, "code": "OperationNotAllowed", "message": "exceeding approved Total Regional Cores quota"},
        QuotaError,
    ),
    ({"match": VM, "code": "SkuNotAvailable"}, CapacityError),
    ({"match": VM, "code": "ZonalAllocationFailed", **LATER}, CapacityError),
    ({"match": VM, "code": "ResourceOperationFailure", "nested": "AllocationFailed", **LATER}, CapacityError),
    ({"match": VM, "code": "SpotPriceGreaterThanProvidedMaxPrice"}, CapacityError),
    ({"match": VM, "code": "OSProvisioningTimedOut", **LATER}, CloudError),
    ({"match": VM, "code": "InternalServerError", "status": 500}, Unreachable),
    ({"match": VM, "code": "TooManyRequests", "status": 429, "retry_after": 1200}, Unreachable),
    ({"match": "PUT .*/networkInterfaces/", "code": "NetworkingInternalOperationError", **LATER}, Unreachable),
    ({"match": "PUT .*/publicIPAddresses/", "code": "PublicIPCountLimitReached", "status": 400}, QuotaError),
    ({"match": "PUT .*/schedules/", "code": "Conflict"}, CloudError),
]


@pytest.mark.parametrize(("fields", "error"), REFUSALS, ids=[str(fields["code"]) for fields, _ in REFUSALS])
def test_a_refusal_is_told_with_a_remedy_and_undone_without_a_trace(
    azure: Cloud, fields: dict[str, Any], error: type[GpucloudError]
) -> None:
    _, steps = prepared(azure, ttl_minutes=60)
    azure.use(fault(**fields))
    with pytest.raises(error) as caught:
        do(steps)
    assert caught.value.remedy
    azure.use("")
    assert undo(steps)[0]
    assert left(azure) == {}


@pytest.mark.parametrize(
    "fields",
    [{"code": "InternalServerError", "status": 500}, {"code": "TooManyRequests", "status": 429, "retry_after": 1}],
)
def test_what_passes_is_tried_again(azure: Cloud, fields: dict[str, Any]) -> None:
    provider, steps = prepared(azure)
    azure.use(fault(match=VM, times=1, **fields))
    facts = do(steps)
    assert [machine.id for machine in provider.list()] == [facts["id"]]
    assert len(actions(azure, "PUT virtualMachines")) == 2


def test_a_part_of_the_network_takes_its_turn(azure: Cloud) -> None:
    _, steps = prepared(azure)
    azure.use(fault(match="PUT .*/networkInterfaces/", code="AnotherOperationInProgress", status=429, times=2))
    assert do(steps)["id"]


def test_a_machine_waits_for_an_interface_that_azure_still_keeps_for_the_one_that_failed(azure: Cloud) -> None:
    _, steps = prepared(azure)
    azure.use(fault(match=VM, code="NicReservedForAnotherVm", status=400, times=2))
    assert do(steps)["id"]
    assert len(actions(azure, "PUT virtualMachines")) == 3


def test_one_failing_part_of_the_network_leaves_no_unknown_one_behind(azure: Cloud) -> None:
    """The others are waited for, so that nothing comes to life after the rollback."""
    _, steps = prepared(azure)
    azure.use(
        "azure: {operation_seconds: {'PUT virtualNetworks': 1}, "
        "faults: [{match: 'PUT .*/publicIPAddresses/', code: PublicIPCountLimitReached, status: 400}]}"
    )
    facts = dict(steps[0].do({}))
    with pytest.raises(QuotaError):
        steps[1].do(facts)
    network = raw(azure, "providers/Microsoft.Network/virtualNetworks/gpucloud-run1-virtual-network")
    assert network["properties"]["provisioningState"] == "Succeeded"


def test_an_operation_that_hangs_is_given_up_and_undone(azure: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(launch, "MACHINE_TIMEOUT", 0.5)
    _, steps = prepared(azure)
    azure.use("azure: {operation_seconds: {'PUT virtualMachines': 600}}")
    with pytest.raises(CloudError, match=r"not finished it after 0\.5 s"):
        do(steps)
    azure.use("")
    assert undo(steps)[0]
    assert left(azure) == {}


def test_a_group_that_does_not_go_is_named(azure: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    _, steps = prepared(azure)
    do(steps)
    azure.use("azure: {operation_seconds: {'DELETE *': 600}}")
    monkeypatch.setattr(resources, "GONE_TIMEOUT", 0.5)
    with pytest.raises(MayStillCost, match="the resource group gpucloud-run1 does not go away"):
        undo(steps)


@pytest.mark.parametrize("code", ["ResourceGroupBeingDeleted", "AnotherOperationInProgress", "Conflict"])
def test_an_undo_waits_for_what_is_under_way(azure: Cloud, code: str) -> None:
    _, steps = prepared(azure)
    do(steps)
    azure.use(fault(match="DELETE .*/resourcegroups/[^/]*$", code=code, times=2))
    assert undo(steps)[0]
    assert left(azure) == {}


def test_a_deletion_that_fails_later_is_asked_for_again(azure: Cloud) -> None:
    _, steps = prepared(azure)
    do(steps)
    group = "DELETE .*/resourcegroups/[^/]*$"
    azure.use(fault(match=group, code="ResourceGroupDeletionBlocked", times=1, **{"async": True}))
    assert undo(steps)[0]
    assert left(azure) == {}


def test_two_processes_may_undo_at_the_same_time(azure: Cloud) -> None:
    _, steps = prepared(azure)
    do(steps)
    azure.use("azure: {operation_seconds: {'DELETE *': 0.5}}")
    _, others = azure_provider(azure), azure_provider(azure).launch_steps(azure.spec(), "run1")
    first, second = together(lambda: undo(steps), lambda: undo(others))
    assert first[0] or second[0]
    assert left(azure) == {}


@pytest.fixture
def foreign(azure: Cloud) -> Iterator[Cloud]:
    """A group that has the name of our run's, and is somebody else's."""
    groups = azure_provider(azure)._clients.groups.resource_groups
    groups.create_or_update("gpucloud-run1", {"location": "eastus", "tags": {TAG_RUN: "another"}})
    yield azure


def test_somebody_elses_group_of_that_name_is_not_touched(foreign: Cloud) -> None:
    _, steps = prepared(foreign)
    with pytest.raises(CloudError, match="already"):
        do(steps)
    with pytest.raises(CloudError, match="not ours"):
        undo(steps)
    assert azure_provider(foreign).resources("run1") == []
    group = azure_provider(foreign)._clients.get("resourcegroups/gpucloud-run1", "2021-04-01")
    assert group["tags"] == {TAG_RUN: "another"}


def test_a_launch_without_a_preflight_does_it_first(azure: Cloud) -> None:
    steps = azure.provider().launch_steps(azure.spec(disk_gb=10), "run1")
    with pytest.raises(PreflightFailed, match="disk"):
        steps[0].do({})
    assert azure.changes() == []


def test_every_step_can_be_done_again_after_its_answer_was_lost(azure: Cloud) -> None:
    _, steps = prepared(azure, ttl_minutes=60)
    facts: dict[str, str] = {}
    for step in steps:
        facts.update(step.do(facts))
        assert facts == {**facts, **step.do(facts)}
    assert len(left(azure)["azure-instance"]) == 1


class Interruption(BaseException):
    """What a signal becomes in the main thread."""


@pytest.mark.parametrize("step", ["network", "network-interface", "instance"])
def test_an_interruption_in_the_midst_of_a_step_is_undone_for_good(
    azure: Cloud, step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What goes on in threads finds no group to make anything in, keeps nobody waiting, and ends by itself."""
    _, steps = prepared(azure)
    azure.use("azure: {operation_seconds: {'PUT *': 0.7}}")
    at = [each.id for each in steps].index(step)
    facts = do(steps[:at])
    before = set(threading.enumerate())

    def interrupted(*args: object, **options: object) -> None:
        raise Interruption

    with monkeypatch.context() as patched, pytest.raises(Interruption):
        if step == "network":
            patched.setattr(parallel, "wait", interrupted)
        else:
            patched.setattr("azure.core.polling.LROPoller.wait", interrupted)
        steps[at].do(facts)
    azure.use("")
    assert undo(steps)[0]
    assert left(azure) == {}
    begun = set(threading.enumerate()) - before
    assert all(thread.daemon for thread in begun)
    for thread in begun:
        thread.join(20)
    assert not any(thread.is_alive() for thread in begun)
    assert left(azure) == {}
