"""Every request body that a launch on Azure sends is one that the API takes, and says what was promised."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import replace
from datetime import UTC, datetime
from itertools import product
from typing import Any

import pytest

from gpucloud.errors import UsageError
from gpucloud.machine import TAG_NAME, TAG_RUN, Spec
from gpucloud.providers.azure import bodies
from gpucloud.providers.azure.launch_plan import Plan
from tests.providers.arm_types import findings

UBUNTU = {"publisher": "Canonical", "offer": "ubuntu-24_04-lts", "sku": "server", "version": "24.04.202601010"}
HPC = {"publisher": "microsoft-dsvm", "offer": "ubuntu-hpc", "sku": "2204", "version": "22.04.2025"}
OWN = {"id": "/subscriptions/s/resourceGroups/g/providers/Microsoft.Compute/galleries/g/images/i/versions/1.0.0"}
PLAN = Plan(UBUNTU, 30, ("", "1"), "203.0.113.7/32", "TrustedLaunch", True, True, "Premium_LRS", True)
SPEC = Spec(
    "one",
    "eastus",
    "Standard_NC4as_T4_v3",
    authorized_key="ssh-ed25519 AAAAC3Nza one\n",
    user_data="#cloud-config\n",
    tags={"gpucloud-owner": "me"},
)
PARTS = {"subnet": "/s/subnets/default", "security_group": "/s/nsg", "public_ip": "/s/ip"}
NIC = "/subscriptions/s/resourceGroups/g/providers/Microsoft.Network/networkInterfaces/n"


def vm(spec: Spec = SPEC, plan: Plan = PLAN, zone: str = "") -> Any:
    return bodies.virtual_machine(spec, "run1", plan, zone, NIC)["properties"]


def specs() -> Iterator[Spec]:
    for spot, ttl in product((False, True), (None, 60)):
        yield replace(SPEC, spot=spot, ttl_minutes=ttl)
    yield replace(SPEC, tags={"q'\"`$(rm -rf )": "ü\n\x00😀 & <b>", TAG_RUN: "somebody-else"})


def plans() -> Iterator[Plan]:
    for image, kind, at_host in product((UBUNTU, HPC, OWN), ("TrustedLaunch", "Standard"), (False, True)):
        yield replace(PLAN, image_reference=image, security_type=kind, secure_boot=at_host, encryption_at_host=at_host)
    yield replace(PLAN, disk_sku="StandardSSD_LRS", accelerated_networking=False, disk_controller="NVMe")


@pytest.mark.parametrize(("spec", "plan", "zone"), [*product(specs(), plans(), ("", "2"))])
def test_every_machine_is_one_that_the_api_takes(spec: Spec, plan: Plan, zone: str) -> None:
    body = bodies.virtual_machine(spec, "run1", plan, zone, NIC)
    assert findings(body, "VirtualMachine", "compute") == []


@pytest.mark.parametrize("spec", [*specs()])
@pytest.mark.parametrize("source", ["203.0.113.7/32", "2001:db8::1/128", "10.0.0.0/8"])
def test_every_part_is_one_that_the_api_takes(spec: Spec, source: str) -> None:
    end = datetime(2026, 11, 22, 23, 59, 30, tzinfo=UTC)
    tags = bodies.resource_group(spec, "run1")["tags"]
    assert findings(bodies.resource_group(spec, "run1"), "ResourceGroup") == []
    assert findings(bodies.virtual_network(spec, "run1"), "VirtualNetwork", "network") == []
    assert findings(bodies.security_group(spec, "run1", source), "NetworkSecurityGroup", "network") == []
    assert findings(bodies.public_ip(spec, "run1"), "PublicIPAddress", "network") == []
    assert findings(bodies.network_interface(spec, "run1", PLAN, PARTS), "NetworkInterface", "network") == []
    assert findings(bodies.schedule("eastus", tags, "/vm", end), "Schedule") == []


def test_the_controller_is_said_only_where_it_is_not_the_usual_one() -> None:
    assert "diskControllerType" not in vm()["storageProfile"]
    assert vm(plan=replace(PLAN, disk_controller="NVMe"))["storageProfile"]["diskControllerType"] == "NVMe"


def spoilt(path: str, value: Any) -> Any:
    """A good machine with one thing changed; `...` takes it away."""
    body = deepcopy(bodies.virtual_machine(SPEC, "run1", PLAN, "1", NIC))
    *parents, last = path.split("/")
    at: Any = body
    for key in parents:
        at = at[int(key)] if isinstance(at, list) else at[key]
    if value is ...:
        del at[last]
    else:
        at[last] = value
    return body


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("properties/storageProfile/osDisk/deleteOption", "Remove"),
        ("properties/securityProfile/securityType", "trustedlaunch"),
        ("properties/storageProfile/osDisk/createOption", ...),
        ("location", ...),
        ("properties/os_profile", {}),
        ("properties/hardwareProfil", {}),
        ("properties/storageProfile/osDisk/diskSizeGB", "64"),
        ("properties/storageProfile/osDisk/diskSizeGB", True),
        ("properties/osProfile/linuxConfiguration/disablePasswordAuthentication", "true"),
        ("properties/networkProfile/networkInterfaces", {}),
        ("properties/networkProfile/networkInterfaces/0/properties/primary", 1),
        ("properties", []),
        ("tags", {"a": 1}),
        ("zones", "1"),
    ],
)
def test_what_the_api_would_refuse_is_found(path: str, value: Any) -> None:
    (finding,) = findings(spoilt(path, value), "VirtualMachine", "compute")
    assert finding[0] == "/" + path or finding[0].startswith(f"/{path}/")


def test_a_wrong_rule_or_schedule_is_found_too() -> None:
    group = bodies.security_group(SPEC, "run1", "203.0.113.7/32")
    group["properties"]["securityRules"][0]["properties"]["protocol"] = "TCP"
    assert [where for where, _ in findings(group, "NetworkSecurityGroup", "network")] == [
        "/properties/securityRules/0/properties/protocol"
    ]
    clock = bodies.schedule("eastus", {}, "/vm", datetime.now(UTC))
    del clock["properties"]["dailyRecurrence"]["time"]
    assert findings(clock, "Schedule") == [("/properties/dailyRecurrence/time", "is missing")]


def test_everything_carries_the_tags() -> None:
    for body in (
        bodies.resource_group(SPEC, "run1"),
        bodies.virtual_network(SPEC, "run1"),
        bodies.security_group(SPEC, "run1", "203.0.113.7/32"),
        bodies.public_ip(SPEC, "run1"),
        bodies.network_interface(SPEC, "run1", PLAN, PARTS),
        bodies.virtual_machine(SPEC, "run1", PLAN, "", NIC),
    ):
        assert (body["tags"][TAG_RUN], body["tags"][TAG_NAME], body["location"]) == ("run1", "one", "eastus")
        assert body["tags"]["gpucloud-owner"] == "me"


def test_nothing_outlives_the_machine() -> None:
    interface = bodies.network_interface(SPEC, "run1", PLAN, PARTS)["properties"]
    address = interface["ipConfigurations"][0]["properties"]["publicIPAddress"]["properties"]
    for part in (
        vm()["storageProfile"]["osDisk"],
        vm()["networkProfile"]["networkInterfaces"][0]["properties"],
        address,
    ):
        assert part["deleteOption"] == "Delete"


def test_port_22_is_open_to_one_source_and_nothing_else_is() -> None:
    (rule,) = bodies.security_group(SPEC, "run1", "2001:db8::1/128")["properties"]["securityRules"]
    assert rule["properties"]["sourceAddressPrefix"] == "2001:db8::1/128"
    assert (rule["properties"]["destinationPortRange"], rule["properties"]["protocol"]) == ("22", "Tcp")


def test_the_machine_lets_in_its_key_and_no_password() -> None:
    profile = vm()["osProfile"]
    linux = profile["linuxConfiguration"]
    assert linux["disablePasswordAuthentication"] is True
    assert linux["ssh"]["publicKeys"] == [
        {"path": "/home/ubuntu/.ssh/authorized_keys", "keyData": "ssh-ed25519 AAAAC3Nza one"}
    ]
    assert base64.b64decode(profile["customData"]).decode() == SPEC.user_data
    assert (profile["computerName"], profile["adminUsername"]) == ("one", "ubuntu")
    assert vm(replace(SPEC, name="one-"))["osProfile"]["computerName"] == "one"


def test_trusted_launch_is_explicit_and_standard_is_left_to_azure() -> None:
    assert vm()["securityProfile"] == {
        "encryptionAtHost": True,
        "securityType": "TrustedLaunch",
        "uefiSettings": {"secureBootEnabled": True, "vTpmEnabled": True},
    }
    unsigned = vm(plan=replace(PLAN, secure_boot=False))["securityProfile"]
    assert unsigned["uefiSettings"]["secureBootEnabled"] is False
    standard = replace(PLAN, security_type="Standard", secure_boot=False, encryption_at_host=False)
    assert vm(plan=standard)["securityProfile"] == {}


def test_spot_is_deallocated_when_evicted_and_never_capped() -> None:
    spot = vm(replace(SPEC, spot=True))
    assert (spot["priority"], spot["evictionPolicy"], spot["billingProfile"]) == (
        "Spot",
        "Deallocate",
        {"maxPrice": -1},
    )
    assert not {"priority", "evictionPolicy", "billingProfile"} & set(vm())


def test_a_zone_is_named_only_if_one_is_wanted() -> None:
    assert bodies.virtual_machine(SPEC, "run1", PLAN, "2", NIC)["zones"] == ["2"]
    assert "zones" not in bodies.virtual_machine(SPEC, "run1", PLAN, "", NIC)


def test_the_clock_is_set_in_utc_whatever_the_zone_of_the_end() -> None:
    end = datetime.fromisoformat("2026-11-22T23:59:30+05:30")
    assert bodies.schedule("eastus", {}, "/vm", end)["properties"]["dailyRecurrence"] == {"time": "1829"}


@pytest.mark.parametrize(
    "tags", [{"a/b": "x"}, {"k" * 513: "x"}, {"k": "v" * 257}, {f"k{n}": "v" for n in range(47)}, {"<": ""}]
)
def test_tags_that_azure_refuses_are_refused_before_anything_is_made(tags: dict[str, str]) -> None:
    with pytest.raises(UsageError):
        bodies.resource_group(replace(SPEC, tags=tags), "run1")


def test_our_tags_win_over_the_callers() -> None:
    assert bodies.resource_group(replace(SPEC, tags={TAG_RUN: "other"}), "run1")["tags"][TAG_RUN] == "run1"
