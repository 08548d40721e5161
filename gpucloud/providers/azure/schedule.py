"""The kill switch that needs no credentials on the machine: Azure's own daily clock, which deallocates it.

It is one resource, `Microsoft.DevTestLab/schedules` named `shutdown-computevm-<machine>`. It knows a time of day and no
date, so it can keep one end within the next day only. It deallocates: disk and address go on costing.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from gpucloud.errors import UsageError
from gpucloud.providers.azure import bodies
from gpucloud.providers.azure.clients import Clients
from gpucloud.providers.azure.describe import part_of
from gpucloud.providers.azure.operations import finished
from gpucloud.providers.azure.resources import SCHEDULES_API

LONGEST = timedelta(hours=23, minutes=30)
"""An end further away than a day would come a day early; the half hour is for the launch, and for late clocks."""
SHORTEST = timedelta(minutes=30)
"""Azure's documentation: a time that is changed within 30 minutes of the shutdown counts from the next day on."""

SOONEST = timedelta(minutes=31)
"""A new clock that is to ring sooner than that may ring tomorrow. Source: Microsoft's support blog on the time of an
automatic shutdown, for clocks that notify somebody; fewer minutes are said to do for others."""

TIMEOUT = 120.0
"""Seconds for Azure to take a schedule; measured in practice: under 5."""


def arm(clients: Clients, machine_id: str, region: str, tags: Mapping[str, str], end: datetime) -> str:
    """Set the machine's clock, or move it; the id of the schedule."""
    group, name = part_of(machine_id, "resourceGroups"), part_of(machine_id, "virtualMachines")
    where = f"/subscriptions/{part_of(machine_id, 'subscriptions')}/resourceGroups/{group}"
    id = f"{where}/providers/Microsoft.DevTestLab/schedules/shutdown-computevm-{name}"
    begin = clients.groups.resources.begin_create_or_update_by_id
    body = bodies.schedule(region, tags, machine_id, end)
    finished(f"set the shutdown time of {name}", lambda: begin(id, body, api_version=SCHEDULES_API), TIMEOUT)
    return id


def check_move(now: datetime, end: datetime, current: datetime | None) -> None:
    """Raises UsageError if the clock cannot be moved from its current end to the new one."""
    if end - now > LONGEST:
        raise UsageError(
            "Azure's clock cannot keep that end",
            f"it knows a time of day only, so at most {_minutes(LONGEST) / 60:g} hours from now",
            "choose a nearer end, and move it again with `gpucloud extend` before it comes",
        )
    if end - now < SHORTEST:
        raise UsageError(
            "Azure's clock cannot keep that end",
            f"less than {_minutes(SHORTEST)} minutes from now it might count from tomorrow on",
            "choose a later end, or `gpucloud stop` it then",
        )
    if current and timedelta() < current - now < SHORTEST:
        raise UsageError(
            "it is too late to move the end",
            f"within {_minutes(SHORTEST)} minutes of it, {current.astimezone(UTC):%H:%M} UTC, it comes all the same",
            "`gpucloud start` it again after that: what is on its disk stays",
        )


def _minutes(span: timedelta) -> int:
    return span // timedelta(minutes=1)
