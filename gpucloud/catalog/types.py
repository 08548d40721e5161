"""The GPU instance types of AWS and Azure, and their list prices.

What no source states is None or empty, never guessed; every price has the day or quarter that it was seen.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache
from math import ceil

from gpucloud.catalog.tables import number, rows, whole
from gpucloud.errors import Problem, UsageError

REFERENCE_REGION = {"aws": "us-east-1", "azure": "eastus"}
"""Where a price is from when no region is given: the clouds' oldest and mostly cheapest regions."""


@dataclass(frozen=True)
class Gpu:
    """An accelerator. `name` is what clouds sell it as (`T4`); the driver says `Tesla T4` or `NVIDIA L4`."""

    name: str
    vendor: str
    architecture: str
    compute_capability: str


@dataclass(frozen=True)
class InstanceType:
    """One thing to rent. `count` may be a fraction (a vGPU); memory is that of one GPU or of the share.

    `memory_mib` is MiB as the cloud's API or size page states it, `memory_gb` the GB it is sold as; `ram_gib` is GiB.
    `quota` and `quota_spot` are an AWS quota code or an Azure quota family. `status` is `current`, `retired` or
    `unclear`; `successor` the family that we would take instead of a retired or refused one.
    """

    name: str
    cloud: str
    family: str
    gpu: Gpu
    count: float | None
    memory_mib: int | None
    memory_gb: float | None
    cpu_arch: str
    vcpus: int | None
    ram_gib: float | None
    quota: str
    quota_spot: str
    status: str
    successor: str
    note: str

    @property
    def devices(self) -> int | None:
        """How many GPUs the operating system sees: a share of one counts as one."""
        return None if self.count is None else ceil(self.count)


@dataclass(frozen=True)
class Price:
    """USD per hour for the whole machine, Linux, without disk, traffic and tax.

    `as_of` is as exact as its source: `2026-07-20`, `2026-Q1` or `about 2024`.
    """

    usd: float
    as_of: str
    region: str
    spot: bool = False


@dataclass(frozen=True)
class _Offer:
    """A type in a region. `offered` is `yes`, `no`, or empty where it is not known."""

    offered: str
    usd: float | None
    as_of: str
    spot_usd: float | None
    spot_as_of: str


@cache
def every() -> Mapping[str, InstanceType]:
    """All types by lower-case name, retired and refused ones included, in the order of clouds and families."""
    gpus = {line[0]: Gpu(*line) for line in rows("gpus.csv")}
    found = (_instance_type(line, gpus) for line in rows("types.csv"))
    return {each.name.lower(): each for each in found}


def _instance_type(line: list[str], gpus: Mapping[str, Gpu]) -> InstanceType:
    name, cloud, family, gpu, count, memory_mib, memory_gb, cpu_arch, vcpus, ram_gib, *texts = line
    quota, quota_spot, status, successor, note = texts
    return InstanceType(
        name=name,
        cloud=cloud,
        family=family,
        gpu=gpus[gpu],
        count=number(count),
        memory_mib=whole(memory_mib),
        memory_gb=number(memory_gb),
        cpu_arch=cpu_arch,
        vcpus=whole(vcpus),
        ram_gib=number(ram_gib),
        quota=quota,
        quota_spot=quota_spot,
        status=status,
        successor=successor,
        note=note,
    )


def find(name: str) -> InstanceType:
    """The type of that name, in any case. Raises UsageError with near matches."""
    known = every()
    if found := known.get(name.lower()):
        return found
    near = [known[match].name for match in get_close_matches(name.lower(), known, 3)]
    hint = f"did you mean {' or '.join(near)}?" if near else "`gpucloud types` lists what there is"
    raise UsageError(f"unknown instance type {name}", "", hint)


def cloud_of(name: str) -> str:
    """`azure` or `aws`, by the way the two name their types; also for types that are not in the catalogue."""
    return "azure" if name.lower().startswith("standard_") else "aws"


GRID_FAMILIES = frozenset({"g6f", "gr6f", "NVadsA10_v5", "NCads_A10_v4", "NC_RTXPRO6000BSE_v6"})
"""Families whose GPUs are virtual (vGPU): they reject the CUDA drivers, and the clouds hand out GRID ones."""
_NOT_MADE = {
    **dict.fromkeys(
        GRID_FAMILIES, "its GPU is a virtual one, which needs NVIDIA's GRID driver; gpucloud does not install that yet"
    ),
    # Its images have kernels of their own (azure-fde), and its GPU works only once the guest has declared it ready.
    "NCCads_H100_v5": "it is a confidential machine, which needs an image of its own; gpucloud does not make those yet",
}


def refusal(wanted: InstanceType) -> Problem | None:
    """Why gpucloud does not make a machine of this type; None if it does."""
    if wanted.gpu.vendor != "nvidia":
        amd = f"its {wanted.gpu.name} is an AMD GPU: no CUDA"
        return Problem(f"{wanted.name} is not supported", amd, _instead(wanted))
    if wanted.status == "retired":
        return Problem(f"{wanted.name} is retired", wanted.note, _instead(wanted))
    if why := _NOT_MADE.get(wanted.family):
        return Problem(f"{wanted.name} is not supported", why, _instead(wanted))
    return None


def _instead(wanted: InstanceType) -> str:
    if not wanted.successor:
        return "`gpucloud types` lists what can be had"
    first = next(each for each in every().values() if each.family == wanted.successor and each.status == "current")
    return f"take {wanted.successor}, for instance {first.name}"


@cache
def _offers() -> Mapping[tuple[str, str], _Offer]:
    return {
        (name, region): _Offer(offered, number(usd), as_of, number(spot_usd), spot_as_of)
        for name, region, offered, usd, as_of, spot_usd, spot_as_of in rows("regions.csv")
    }


def price(wanted: InstanceType, region: str = "", spot: bool = False) -> Price | None:
    """The price in `region`, or in the cloud's reference region if none is given; None if no source states it."""
    where = region or REFERENCE_REGION[wanted.cloud]
    offer = _offers().get((wanted.name, where))
    if offer is None:
        return None
    usd, as_of = (offer.spot_usd, offer.spot_as_of) if spot else (offer.usd, offer.as_of)
    return None if usd is None else Price(usd, as_of, where, spot)


def is_known_in(wanted: InstanceType, region: str) -> bool:
    """Does the catalogue know the type in that region? The cloud itself decides when a machine is made."""
    offer = _offers().get((wanted.name, region))
    return offer is not None and offer.offered != "no"


def regions_of(wanted: InstanceType) -> list[str]:
    """The regions in which the type is known to be had, in the order of the table."""
    return [region for name, region in _offers() if name == wanted.name and is_known_in(wanted, region)]


@cache
def _clouds() -> Mapping[str, str]:
    known = every()
    return {region: known[name.lower()].cloud for name, region in _offers()}


def cloud_of_region(name: str) -> str:
    """`aws` or `azure`: whose region that is, in any case; empty for one where the catalogue knows no type."""
    return _clouds().get(name.lower(), "")


def search(
    *,
    gpu: str = "",
    count: float | None = None,
    memory_gb: float | None = None,
    max_price: float | None = None,
    region: str = "",
    cloud: str = "",
    spot: bool = False,
) -> list[InstanceType]:
    """The types that gpucloud makes and that fit, cheapest first, those without a known price last.

    `gpu` is a name or whole words of one (`T4`, `H100`, `RTX PRO 6000`), in any case; `count` is exact; `memory_gb` is
    the least memory of one GPU in GB; `max_price` is USD per hour and leaves out what has no known price. With a
    `region`, types that the catalogue does not know there are left out; prices are of it, else of the reference region.
    """
    fits = [
        each
        for each in every().values()
        if refusal(each) is None
        and cloud in ("", each.cloud)
        and _is_called(each.gpu, gpu)
        and count in (None, each.count)
        and (memory_gb is None or (each.memory_gb or 0) >= memory_gb)
        and (not region or is_known_in(each, region))
    ]
    costs = {each.name: _cost(each, region, spot) for each in fits}
    affordable = [each for each in fits if max_price is None or costs[each.name] <= max_price]
    return sorted(affordable, key=lambda each: (costs[each.name], each.vcpus or 0, each.cloud, each.name))


def _cost(each: InstanceType, region: str, spot: bool) -> float:
    """For sorting and limits: an unknown price is above every limit."""
    found = price(each, region, spot)
    return found.usd if found else float("inf")


def _is_called(gpu: Gpu, wanted: str) -> bool:
    words = gpu.name.lower().split()
    return all(word in words for word in wanted.lower().split())
