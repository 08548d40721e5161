"""What Azure says about a VM, read into a Machine."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from gpucloud.machine import TAG_EXPIRES, TAG_NAME, TAG_RUN, State
from gpucloud.providers.azure.describe import TAG_DISK, TAG_STARTED, machine_from, machine_id, part_of, state_of

ID = "/subscriptions/s/resourceGroups/gpucloud-run1/providers/Microsoft.Compute/virtualMachines/gpucloud-run1-instance"
TAGS = {TAG_RUN: "run1", TAG_NAME: "one", TAG_DISK: "80"}


def described(**properties: Any) -> dict[str, Any]:
    """A VM as a listing shows it."""
    return {
        "id": ID,
        "location": "eastus",
        "tags": dict(TAGS),
        "properties": {
            "hardwareProfile": {"vmSize": "Standard_NC4as_T4_v3"},
            "provisioningState": "Succeeded",
            "timeCreated": "2026-11-22T03:04:05.1234567+00:00",
            **properties,
        },
    }


def power(code: str) -> list[dict[str, Any]]:
    return [
        {"code": "ProvisioningState/succeeded", "level": "Info", "time": "2026-11-22T03:05:00.7654321+00:00"},
        {"code": f"PowerState/{code}", "level": "Info", "displayStatus": f"VM {code}"},
    ]


@pytest.mark.parametrize(
    ("provisioning", "code", "state"),
    [
        ("Creating", None, State.PENDING),
        ("Creating", "running", State.PENDING),
        ("Updating", "starting", State.PENDING),
        ("Succeeded", "running", State.RUNNING),
        ("Updating", "running", State.RUNNING),
        ("Failed", "running", State.RUNNING),
        ("Updating", "stopping", State.STOPPING),
        ("Updating", "deallocating", State.STOPPING),
        ("Succeeded", "deallocated", State.STOPPED),
        ("Failed", "deallocated", State.STOPPED),
        ("Succeeded", "stopped", State.HALTED),
        ("Failed", None, State.HALTED),
        ("Failed", "unknown", State.HALTED),
        ("Succeeded", None, State.PENDING),
        ("Deleting", "running", State.TERMINATING),
        ("Deleting", None, State.TERMINATING),
    ],
)
def test_provisioning_and_power_make_one_state(provisioning: str, code: str | None, state: State) -> None:
    assert state_of(provisioning, power(code) if code else []) is state


def test_a_machine_reads_as_it_was_tagged() -> None:
    machine = machine_from(described(), power("running"), "203.0.113.9", 22)
    assert (machine.id, machine.name, machine.run, machine.cloud) == (ID, "one", "run1", "azure")
    assert (machine.region, machine.zone, machine.type) == ("eastus", "", "Standard_NC4as_T4_v3")
    assert (machine.state, machine.address, machine.disk_gb, machine.spot) == (State.RUNNING, "203.0.113.9", 80, False)
    assert machine.launched_at == datetime(2026, 11, 22, 3, 4, 5, 123456, UTC)


def test_the_time_of_the_last_start_goes_before_that_of_the_creation() -> None:
    vm = described()
    vm["tags"] |= {TAG_STARTED: "2026-11-23T00:00:00+00:00", TAG_EXPIRES: "2026-11-23T05:30:00+05:30"}
    machine = machine_from(vm, power("running"), None, 22)
    assert machine.launched_at == machine.expires_at == datetime(2026, 11, 23, tzinfo=UTC)


def test_zone_spot_and_the_reason_of_a_failure_are_shown() -> None:
    failed = [{"code": "ProvisioningState/failed/AllocationFailed", "level": "Error", "message": "We do not have …"}]
    vm = described(priority="Spot", provisioningState="Failed") | {"zones": ["2"]}
    machine = machine_from(vm, failed, None, 22)
    assert (machine.zone, machine.spot, machine.state, machine.reason) == ("2", True, State.HALTED, "We do not have …")


def test_a_machine_whose_tags_were_spoilt_is_shown_all_the_same() -> None:
    vm = described()
    vm["tags"] = {TAG_RUN: "run1", TAG_DISK: "huge", TAG_EXPIRES: "never", TAG_STARTED: "once"}
    machine = machine_from(vm, [], None, 2222)
    assert (machine.name, machine.disk_gb, machine.expires_at, machine.ssh_port) == ("", None, None, 2222)
    assert machine.launched_at is not None


def test_ids_are_read_whatever_their_case() -> None:
    assert part_of(ID.upper(), "resourceGroups") == "GPUCLOUD-RUN1"
    assert part_of(ID, "virtualmachines") == "gpucloud-run1-instance"
    assert part_of("i-0123456789abcdef0", "virtualMachines") == ""


def test_a_machine_has_one_id_whatever_the_case_that_azure_answers_in() -> None:
    assert machine_id(ID) == ID
    assert machine_id(ID.replace("gpucloud-run1/", "GPUCLOUD-RUN1/").replace("resourceGroups", "resourcegroups")) == ID
    assert machine_from(described(), [], None, 22).id == ID
