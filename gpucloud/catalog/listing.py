"""What `gpucloud types` shows of a type."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from gpucloud.catalog.types import InstanceType, price


@dataclass(frozen=True)
class Row:
    """One line of `gpucloud types`; the names are the keys of its JSON. USD per hour; None is unknown."""

    type: str
    cloud: str
    gpu: str
    count: float | None
    memory_gb: float | None
    vcpus: int | None
    ram_gib: float | None
    cpu_arch: str
    usd_per_hour: float | None
    usd_as_of: str
    spot_usd_per_hour: float | None
    spot_usd_as_of: str
    region: str
    status: str
    note: str


def rows(types: Iterable[InstanceType], region: str = "") -> list[Row]:
    """What to show of each type: prices of `region`, or of each cloud's reference region."""
    return [_row(each, region) for each in types]


def _row(each: InstanceType, region: str) -> Row:
    now, spot = price(each, region), price(each, region, spot=True)
    known = now or spot
    return Row(
        type=each.name,
        cloud=each.cloud,
        gpu=each.gpu.name,
        count=each.count,
        memory_gb=each.memory_gb,
        vcpus=each.vcpus,
        ram_gib=each.ram_gib,
        cpu_arch=each.cpu_arch,
        usd_per_hour=now.usd if now else None,
        usd_as_of=now.as_of if now else "",
        spot_usd_per_hour=spot.usd if spot else None,
        spot_usd_as_of=spot.as_of if spot else "",
        region=known.region if known else region,
        status=each.status,
        note=each.note,
    )
