"""What runs, where, since when, and what it costs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from gpucloud import money
from gpucloud.catalog import listing as catalog
from gpucloud.catalog import types
from gpucloud.config import Config
from gpucloud.machine import Machine, State
from gpucloud.ops import clouds, undo
from gpucloud.ops.clouds import Answers
from gpucloud.ops.context import Context, chosen_clouds, configured_regions, may_be_meant
from gpucloud.ops.request import Request
from gpucloud.providers import registry
from gpucloud.state import State as LocalState
from gpucloud.state import state_home

WATCH_PAUSE = 5.0
"""Seconds between two listings: one describe call a region, far below EC2's limits."""


@dataclass(frozen=True)
class Row:
    """One machine for people and programs. USD; None is unknown.

    `usd_per_hour` is what the cloud asks now: for compute while it runs (or is halted), for what it keeps while it is
    stopped.
    `usd_so_far` is compute since the last start.
    """

    machine: Machine
    gpu: str
    usd_per_hour: float | None
    usd_so_far: float | None

    def to_dict(self) -> dict[str, Any]:
        """The keys are an interface. Times are ISO 8601 with offset."""
        machine = self.machine
        return {
            "name": machine.name,
            "id": machine.id,
            "run": machine.run,
            "cloud": machine.cloud,
            "region": machine.region,
            "zone": machine.zone,
            "type": machine.type,
            "gpu": self.gpu,
            "state": machine.state.value,
            "address": machine.address,
            "ssh_user": machine.ssh_user,
            "ssh_port": machine.ssh_port,
            "spot": machine.spot,
            "disk_gb": machine.disk_gb,
            "launched_at": _iso(machine.launched_at),
            "expires_at": _iso(machine.expires_at),
            "ends_by": money.end_of_life(machine.cloud) if machine.expires_at else None,
            "usd_per_hour": self.usd_per_hour,
            "usd_so_far": self.usd_so_far,
        }


def machines(context: Context, *, all_regions: bool = False) -> Answers[list[Machine]]:
    """Our machines in every cloud, in every region that we know of, or in every region of the account."""
    if all_regions:
        return clouds.ask(context, lambda provider: provider.everywhere().list())
    return clouds.machines(context)


def watch(context: Context, *, all_regions: bool = False, again: bool = True) -> Iterator[Answers[list[Machine]]]:
    """Our machines, now and, with `again`, every WATCH_PAUSE seconds until the caller has had enough."""
    yield machines(context, all_regions=all_regions)
    while again:
        context.waiter.sleep(WATCH_PAUSE)
        yield machines(context, all_regions=all_regions)


def row(machine: Machine) -> Row:
    """The machine with its prices."""
    kind = types.every().get(machine.type.lower())
    count = kind.count if kind else None
    gpu = f"{count:g}×{kind.gpu.name}" if kind and count else ""
    price = money.machine_price(machine)
    now = price.usd if price and machine.state is not State.STOPPED else None
    hourly = money.stopped_usd_per_hour(machine) if machine.state is State.STOPPED else now
    return Row(machine, gpu, hourly, money.cost_so_far(machine, datetime.now(UTC)))


def prices(config: Config, request: Request) -> list[catalog.Row]:
    """The types of every cloud that fit, with the prices of the region configured for it, the cheapest first."""
    found: list[catalog.Row] = []
    for cloud in chosen_clouds(config, registry.CLOUDS):
        region = next(configured_regions(config, cloud), "")
        if may_be_meant(config, cloud):
            found += catalog.rows(request.fitting(cloud, region), region)
    return sorted(found, key=lambda row: (row.usd_per_hour is None, row.usd_per_hour, row.vcpus or 0, row.cloud))


def local_names() -> list[str]:
    """Names of machines that this computer made, in any world: for shell completion, which must not ask a cloud."""
    homes = (state_home(), state_home() / "sandbox" / "client")
    return [name for home in homes for name in undo.known_names(LocalState(home))]


def _iso(moment: datetime | None) -> str | None:
    return moment.astimezone().isoformat() if moment else None
