"""What machines cost, as far as it is known. USD; None means that no source states it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from gpucloud.catalog.types import Price, every, price
from gpucloud.machine import Machine, State

HOURS_PER_MONTH = 730
"""The clouds bill disks by the month, and count 730 hours for one."""


@dataclass(frozen=True)
class KeepingPrice:
    """What a stopped machine of ours goes on costing in a region, with where and when the prices were seen.

    `usd_per_gb` is USD per GB and month of its disk; a cloud that sells disks in sizes has `usd_by_size` instead, USD
    per month by the largest GB of each size. `usd_per_address` is USD per hour of the public address that it keeps.
    """

    as_of: str
    source: str
    usd_per_gb: float = 0.0
    usd_by_size: tuple[tuple[int, float], ...] = ()
    usd_per_address: float = 0.0

    def per_hour(self, disk_gb: int) -> float | None:
        """USD per hour with a disk of that size; None for one that is larger than every size whose price we know."""
        if not self.usd_by_size:
            return self.usd_per_gb * disk_gb / HOURS_PER_MONTH + self.usd_per_address
        monthly = next((usd for largest, usd in self.usd_by_size if disk_gb <= largest), None)
        return None if monthly is None else monthly / HOURS_PER_MONTH + self.usd_per_address


_KEEPING = {
    ("aws", "us-east-1"): KeepingPrice("2026-11", "https://aws.amazon.com/ebs/pricing/ (gp3)", usd_per_gb=0.08),
    ("azure", "eastus"): KeepingPrice(
        "about 2025",
        "https://prices.azure.com/api/retail/prices (Premium SSD LRS P6 to P30, Standard IPv4 Static Public IP)",
        usd_by_size=((64, 10.21), (128, 19.71), (256, 38.01), (512, 73.22), (1024, 135.17)),
        usd_per_address=0.005,
    ),
}

_BILLED = {State.PENDING, State.RUNNING, State.STOPPING, State.HALTED}

_KEEPS_ADDRESS = {"azure"}
"""Clouds in which a machine keeps its public address while it is stopped. Their clocks only stop it, too."""


def machine_price(machine: Machine) -> Price | None:
    """USD per hour while the machine runs, without its disk; None if it is not ours: nobody knows who pays what."""
    found = every().get(machine.type.lower()) if machine.is_ours else None
    return price(found, machine.region, machine.spot) if found else None


def keeping_price(machine: Machine) -> KeepingPrice | None:
    """What it costs to keep a stopped machine in its region."""
    return _KEEPING.get((machine.cloud, machine.region))


def end_of_life(cloud: str) -> str:
    """What becomes of a machine at the end of its lifetime: `terminated`, or `deallocated`, which is not free."""
    return "deallocated" if cloud in _KEEPS_ADDRESS else "terminated"


def what_stays(cloud: str) -> str:
    """What a stopped machine goes on costing, in words."""
    return "disk and address still cost" if cloud in _KEEPS_ADDRESS else "the disk still costs"


def cost_so_far(machine: Machine, now: datetime) -> float | None:
    """USD for compute since the machine was last started; both times must be aware. Earlier runs are not known here.

    A halted machine is billed like one that runs.

    None for a machine that does not run: the clouds do not tell for how long it did.
    """
    hourly = machine_price(machine)
    if hourly is None or machine.launched_at is None or machine.state not in _BILLED:
        return None
    hours = max((now - machine.launched_at).total_seconds(), 0) / 3600
    return hourly.usd * hours


def stopped_usd_per_hour(machine: Machine) -> float | None:
    """USD per hour that the machine costs even while it is stopped: its disk, and the address if it keeps one."""
    known = keeping_price(machine)
    return None if known is None or machine.disk_gb is None else known.per_hour(machine.disk_gb)


def per_hour(known: Price) -> str:
    """`0.526 USD/h (list price of 2026-07-20)`."""
    kind = "spot" if known.spot else "list"
    return f"{known.usd:.4g} USD/h ({kind} price of {known.as_of})"


def format_usd(amount: float | None) -> str:
    """`1.23 USD`; small amounts keep two digits that count, and an unknown one is a dash."""
    if amount is None:
        return "–"
    return f"{amount:.2f} USD" if amount >= 0.1 or amount == 0 else f"{amount:.2g} USD"
