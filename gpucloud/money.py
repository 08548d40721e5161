"""What machines cost, as far as it is known. USD; None means that no source states it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from gpucloud.catalog.types import Price, every, price
from gpucloud.machine import Machine, State

HOURS_PER_MONTH = 730
"""The clouds bill disks by the month, and count 730 hours for one."""


@dataclass(frozen=True)
class DiskPrice:
    """USD per GB and month of the disk that we make, with where and when the price was seen."""

    usd: float
    as_of: str
    source: str


_DISK = {("aws", "us-east-1"): DiskPrice(0.08, "2026-11", "https://aws.amazon.com/ebs/pricing/ (gp3)")}

_BILLED = {State.PENDING, State.RUNNING, State.STOPPING}


def machine_price(machine: Machine) -> Price | None:
    """USD per hour while the machine runs, without its disk."""
    found = every().get(machine.type.lower())
    return price(found, machine.region, machine.spot) if found else None


def disk_price(machine: Machine) -> DiskPrice | None:
    """The price of its disk in its region."""
    return _DISK.get((machine.cloud, machine.region))


def cost_so_far(machine: Machine, now: datetime) -> float | None:
    """USD for compute since the machine was last started; both times must be aware. Earlier runs are not known here.

    None for a machine that does not run: the clouds do not tell for how long it did.
    """
    hourly = machine_price(machine)
    if hourly is None or machine.launched_at is None or machine.state not in _BILLED:
        return None
    hours = max((now - machine.launched_at).total_seconds(), 0) / 3600
    return hourly.usd * hours


def stopped_usd_per_hour(machine: Machine) -> float | None:
    """USD per hour that the machine costs even while it is stopped: its disk."""
    monthly = disk_price(machine)
    if monthly is None or machine.disk_gb is None:
        return None
    return monthly.usd * machine.disk_gb / HOURS_PER_MONTH


def per_hour(known: Price) -> str:
    """`0.526 USD/h (list price of 2026-07-20)`."""
    kind = "spot" if known.spot else "list"
    return f"{known.usd:.4g} USD/h ({kind} price of {known.as_of})"


def format_usd(amount: float | None) -> str:
    """`1.23 USD`; small amounts keep two digits that count, and an unknown one is a dash."""
    if amount is None:
        return "–"
    return f"{amount:.2f} USD" if amount >= 0.1 or amount == 0 else f"{amount:.2g} USD"
