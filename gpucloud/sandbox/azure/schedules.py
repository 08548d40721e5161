"""Auto-shutdown of VMs: Microsoft.DevTestLab/schedules, a daily clock that deallocates its VM."""

from __future__ import annotations

import re
import time
from datetime import UTC, datetime, timedelta, tzinfo
from functools import partial
from typing import Any
from uuid import uuid4
from zoneinfo import ZoneInfo

from gpucloud.sandbox.azure import operations, power
from gpucloud.sandbox.azure.ids import ResourceId
from gpucloud.sandbox.azure.lifecycle import TYPE as MACHINE
from gpucloud.sandbox.azure.operations import Operation
from gpucloud.sandbox.azure.resources import ResourceType, Routes
from gpucloud.sandbox.azure.store import Resource
from gpucloud.sandbox.azure.wire import ArmError, Call, Reply
from gpucloud.sandbox.azure.world import AzureWorld

TYPE = "Microsoft.DevTestLab/schedules"
PREFIX = "shutdown-computevm-"
TASK = "ComputeVmShutdownTask"
# "If you update the auto shutdown schedule for your lab or a VM within 30 minutes of the previously scheduled shutdown
# time, the new shutdown time takes effect the next day" (Azure docs, "Configure auto shutdown").
TOO_LATE = timedelta(minutes=30)
TIME = re.compile(r"([01]\d|2[0-3]):?([0-5]\d)")
# Windows names, which the service asks for, of the zones that people ask for most (Unicode CLDR, windowsZones).
ZONES = {
    "UTC": "UTC",
    "GMT Standard Time": "Europe/London",
    "W. Europe Standard Time": "Europe/Berlin",
    "Romance Standard Time": "Europe/Paris",
    "Central European Standard Time": "Europe/Warsaw",
    "Eastern Standard Time": "America/New_York",
    "Central Standard Time": "America/Chicago",
    "Mountain Standard Time": "America/Denver",
    "Pacific Standard Time": "America/Los_Angeles",
    "Hawaiian Standard Time": "Pacific/Honolulu",
    "India Standard Time": "Asia/Kolkata",
    "China Standard Time": "Asia/Shanghai",
    "Tokyo Standard Time": "Asia/Tokyo",
    "AUS Eastern Standard Time": "Australia/Sydney",
}


def next_time(schedule: Resource, after: float) -> float:
    """The first unix time after `after` at which the schedule's clock strikes, whatever its status."""
    hour, minute = _time(schedule.properties)
    moment = datetime.fromtimestamp(after, _zone(schedule.properties))
    struck = moment.replace(hour=hour, minute=minute, second=0, microsecond=0)
    return (struck if struck > moment else struck + timedelta(days=1)).timestamp()


def run_due(world: AzureWorld, now: float) -> list[str]:
    """Deallocate the VMs whose schedules have struck by the unix time `now`, and wind those up again. Their ids."""
    fired = []
    with world.shared.lock:
        for schedule in world.store.of_kind(TYPE):
            if schedule.private["due"] <= now:
                fired.append(str(schedule.properties["targetResourceId"]))
                _wind(world, schedule, now)
                _strike(world, schedule)
        if fired:
            world.save()
    return fired


def _wind(world: AzureWorld, schedule: Resource, now: float) -> None:
    """Set when the schedule strikes next; a disabled one does not."""
    enabled = schedule.properties["status"] == "Enabled"
    schedule.private["due"] = next_time(schedule, now) if enabled else float("inf")
    _arm(world, schedule)


def _arm(world: AzureWorld, schedule: Resource) -> None:
    if schedule.private["due"] < float("inf"):
        world.shared.timers.at(schedule.private["due"], partial(_timed, world))


def _timed(world: AzureWorld) -> None:
    run_due(world, time.time())


def _strike(world: AzureWorld, schedule: Resource) -> None:
    """What the task does. A VM that is gone or deallocated is left alone; the schedule itself stays."""
    vm = world.store.find(schedule.properties["targetResourceId"])
    if vm is not None and vm.state != "Deleting" and vm.private["power"] not in ("", "deallocated"):
        power.deallocate_by_service(world, vm)


def prepare(world: AzureWorld, call: Call, new: Resource, old: Resource | None) -> None:
    properties = new.properties
    if properties.get("taskType") != TASK:
        raise _bad(f"The task type '{properties.get('taskType', '')}' is not supported here; only {TASK} is.")
    target = ResourceId.parse(str(properties.get("targetResourceId", "")))
    vm = world.store.find(target)
    if vm is None or vm.id.kind != MACHINE.lower():
        raise _bad(f"The target resource '{properties.get('targetResourceId', '')}' of the schedule does not exist.")
    if new.id.name.lower() != f"{PREFIX}{target.name}".lower() or new.location != vm.location:
        raise _bad(
            f"A schedule for {TASK} must be named '{PREFIX}{target.name}', and be in the VM's location '{vm.location}'."
        )
    _time(properties)
    _zone(properties)
    properties.setdefault("status", "Disabled")
    properties.setdefault("notificationSettings", {"status": "Disabled", "timeInMinutes": 0})
    properties["createdDate"] = operations.iso(new.created)
    properties["uniqueIdentifier"] = old.properties["uniqueIdentifier"] if old else str(uuid4())


def settled(world: AzureWorld, schedule: Resource, error: ArmError | None) -> None:
    """A schedule was made or changed: it strikes at its new time, unless the change came too late for today."""
    now = time.time()
    before = schedule.private.get("due", float("inf"))
    if now < before < now + TOO_LATE.total_seconds():
        return
    _wind(world, schedule, now)


def restored(world: AzureWorld, schedule: Resource, guest_kept: bool) -> None:
    """After a restart of the daemon: what it missed happens now."""
    _arm(world, schedule)


def execute(world: AzureWorld, call: Call) -> Reply:
    """Run the schedule's task now."""
    _strike(world, world.store.get(call.id))
    return Reply(202, None, operations.begin(world, call, _done, style="location"))


def _done(world: AzureWorld, operation: Operation) -> None:
    """Executing a schedule has no result of its own."""


def _time(properties: dict[str, Any]) -> tuple[int, int]:
    text = str(properties.get("dailyRecurrence", {}).get("time", ""))
    match = TIME.fullmatch(text)
    if match is None:
        raise _bad(f"The time '{text}' of the daily recurrence is invalid. It must be in the format HHmm.")
    return int(match[1]), int(match[2])


def _zone(properties: dict[str, Any]) -> tzinfo:
    name = str(properties.get("timeZoneId", ""))
    if name not in ZONES:
        raise _bad(f"The time zone '{name}' is invalid. [simulated] The sandbox knows: {', '.join(ZONES)}.")
    return UTC if name == "UTC" else ZoneInfo(ZONES[name])


def _bad(message: str) -> ArmError:
    return ArmError("BadRequest", message)


TYPES = [ResourceType(TYPE, prepare, settled=settled, restored=restored, operation=False)]
ROUTES: Routes = {("POST", TYPE, "execute"): execute}
