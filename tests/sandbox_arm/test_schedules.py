"""Auto-shutdown: a daily clock that deallocates its VM."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from gpucloud.sandbox.azure import schedules
from gpucloud.sandbox.azure.ids import ResourceId
from gpucloud.sandbox.azure.routes import Router
from gpucloud.sandbox.azure.store import Resource
from gpucloud.sandbox.azure.world import SUBSCRIPTION, AzureWorld
from gpucloud.sandbox.guests import NullGuests
from gpucloud.sandbox.scenario import Scenario
from gpucloud.sandbox.shared import Shared
from tests.sandbox_arm.machines import machine, statuses
from tests.sandbox_arm.support import GROUP, LOCATION, Answer, Arm

pytestmark = pytest.mark.slow

VERSION = "2018-09-15"
NOON = datetime(2026, 11, 22, 12, 0, tzinfo=UTC).timestamp()


def path(arm: Arm, name: str = "shutdown-computevm-vm") -> str:
    return f"{arm.scope}/resourceGroups/{GROUP}/providers/Microsoft.DevTestLab/schedules/{name}"


def body(arm: Arm, moment: str = "1900", vm: str = "vm", **changes: Any) -> dict[str, Any]:
    target = f"{arm.scope}/resourceGroups/{GROUP}/providers/Microsoft.Compute/virtualMachines/{vm}"
    properties = {
        "status": "Enabled",
        "taskType": "ComputeVmShutdownTask",
        "dailyRecurrence": {"time": moment},
        "timeZoneId": "UTC",
        "targetResourceId": target,
        "notificationSettings": {"status": "Disabled"},
    }
    return {"location": LOCATION, "tags": {"gpucloud-run": "r1"}, "properties": {**properties, **changes}}


def put(arm: Arm, document: dict[str, Any], name: str = "shutdown-computevm-vm") -> Answer:
    return arm.send("PUT", f"{path(arm, name)}?api-version={VERSION}", document)


def clock(offset: float) -> str:
    """HHmm, UTC, so many seconds from now."""
    return datetime.fromtimestamp(time.time() + offset, UTC).strftime("%H%M")


def test_a_schedule_is_made_shown_listed_and_deleted(arm: Arm) -> None:
    machine(arm)
    made = put(arm, body(arm))
    assert (made.status, made.body["properties"]["provisioningState"]) == (201, "Succeeded")
    assert made.body["properties"]["uniqueIdentifier"] and made.body["properties"]["createdDate"]
    again = put(arm, body(arm, "2000"))
    assert again.status == 200
    assert again.body["properties"]["uniqueIdentifier"] == made.body["properties"]["uniqueIdentifier"]
    shown = arm.get(path(arm), VERSION)
    assert shown["properties"]["dailyRecurrence"] == {"time": "2000"} and shown["tags"] == {"gpucloud-run": "r1"}
    for scope in (arm.scope, f"{arm.scope}/resourceGroups/{GROUP}"):
        assert len(arm.get(f"{scope}/providers/Microsoft.DevTestLab/schedules", VERSION)["value"]) == 1
    changed = arm.send("PATCH", f"{path(arm)}?api-version={VERSION}", {"tags": {"a": "b"}})
    assert changed.body["tags"] == {"a": "b"}
    assert arm.send("DELETE", f"{path(arm)}?api-version={VERSION}").status == 200
    assert "azure-schedule" not in arm.inventory()


@pytest.mark.parametrize(
    "changes",
    [
        {"taskType": "LabVmsShutdownTask"},
        {"timeZoneId": "Middle-earth"},
        {"dailyRecurrence": {"time": "2460"}},
        {"dailyRecurrence": {"time": "7 pm"}},
        {"targetResourceId": "/subscriptions/x"},
        {"status": "On"},
        {"nightly": True},
    ],
)
def test_a_wrong_schedule_is_refused(arm: Arm, changes: dict[str, Any]) -> None:
    machine(arm)
    answer = put(arm, body(arm, **changes))
    assert (answer.status, answer.body["error"]["code"]) == (400, "BadRequest")


def test_its_name_must_be_that_of_the_vm(arm: Arm) -> None:
    machine(arm)
    assert put(arm, body(arm), "nightly").status == 400
    assert put(arm, body(arm, vm="nobody"), "shutdown-computevm-nobody").status == 400


def test_it_goes_with_the_group_and_not_with_the_vm(arm: Arm) -> None:
    machine(arm)
    put(arm, body(arm))
    arm.compute.virtual_machines.begin_delete(GROUP, "vm").result()
    assert "azure-schedule" in arm.inventory()
    arm.groups.resource_groups.begin_delete(GROUP).result()
    assert arm.inventory() == {}


def test_its_task_deallocates_the_vm(arm: Arm) -> None:
    machine(arm)
    put(arm, body(arm))
    assert arm.send("POST", f"{path(arm)}/execute?api-version={VERSION}").status == 202
    assert arm.reaches(lambda: statuses(arm) == ["ProvisioningState/succeeded", "PowerState/deallocated"])


@pytest.fixture
def world(tmp_path: Path) -> Iterator[AzureWorld]:
    """A world of our own, whose clock we are."""
    shared = Shared(Scenario(guests="none"), NullGuests(tmp_path / "guests"), 22, "")
    made = AzureWorld(shared, tmp_path / "azure.pickle")
    made.router = Router()
    yield made
    shared.close()


def scheduled(world: AzureWorld, moment: str, due: float = float("inf")) -> Resource:
    """A schedule for a running VM, as the store keeps it."""
    group = ResourceId(SUBSCRIPTION, GROUP)
    vm = Resource(group.beside("Microsoft.Compute/virtualMachines", "vm"), LOCATION)
    vm.private.update(power="running", guest="az-1", turn="put")
    schedule = Resource(group.beside(schedules.TYPE, "shutdown-computevm-vm"), LOCATION)
    schedule.properties.update(
        status="Enabled", dailyRecurrence={"time": moment}, timeZoneId="UTC", targetResourceId=str(vm.id)
    )
    schedule.private["due"] = due
    for resource in (vm, schedule):
        world.store.add(resource)
    return schedule


def test_the_clock_strikes_once_a_day(world: AzureWorld) -> None:
    schedule = scheduled(world, "1230", due=NOON + 1800)
    assert schedules.run_due(world, NOON + 1799) == []
    assert len(schedules.run_due(world, NOON + 1800)) == 1
    vm = world.store.find(schedule.properties["targetResourceId"])
    assert vm is not None and vm.private["power"] == "deallocating"
    assert schedules.run_due(world, NOON + 1801) == []
    assert schedule.private["due"] == NOON + 1800 + 86400


@pytest.mark.parametrize(
    ("moment", "zone", "hours"),
    [("1300", "UTC", 1), ("12:00", "UTC", 24), ("1159", "UTC", 24 - 1 / 60), ("0800", "Eastern Standard Time", 1)],
)
def test_the_next_time_is_in_the_schedules_zone(moment: str, zone: str, hours: float, world: AzureWorld) -> None:
    schedule = scheduled(world, moment)
    schedule.properties["timeZoneId"] = zone
    assert schedules.next_time(schedule, NOON) == pytest.approx(NOON + hours * 3600)


def test_a_disabled_schedule_never_strikes(arm: Arm) -> None:
    machine(arm)
    assert put(arm, body(arm, clock(60), status="Disabled")).status == 201


def test_a_change_in_the_last_half_hour_is_for_tomorrow(world: AzureWorld) -> None:
    soon = time.time() + 600
    schedule = scheduled(world, clock(7200), due=soon)
    schedules.settled(world, schedule, None)
    assert schedule.private["due"] == soon


def test_a_change_before_the_last_half_hour_is_for_today(world: AzureWorld) -> None:
    schedule = scheduled(world, clock(7200), due=time.time() + 3000)
    schedules.settled(world, schedule, None)
    assert schedule.private["due"] > time.time() + 7000
