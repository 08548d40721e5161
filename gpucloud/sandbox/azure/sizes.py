"""The VM sizes: the catalogue's GPU types of Azure, retired ones too, and a few ordinary sizes for other tools."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache

from gpucloud.catalog import types as catalog
from gpucloud.sandbox.azure import places

# By the catalogue's families; from the "VM generation support", "Trusted Launch" and "Accelerated networking" pages of
# the Azure docs and from recorded answers of the SKU API. What stands in no set has the newer value.
GENERATION_1 = frozenset({"NC", "NV"})
BOTH_GENERATIONS = frozenset(
    {"NCv2", "NCv3", "ND", "NVv2", "NVv3", "NVv4", "NCasT4_v3", "NDv2", "NCads_A10_v4", "NVadsA10_v5", "NGads_V620_v1"}
)
NO_TRUSTED_LAUNCH = GENERATION_1 | {"NDasrA100_v4", "NDm_A100_v4"}
NO_FAST_NETWORK = frozenset({"NC", "NCv2", "ND", "NV", "NVv2", "NCCads_H100_v5"})
# MiB of the temporary disk, where a recorded answer of the SKU API states it.
LOCAL_MIB = {
    "Standard_NC4as_T4_v3": 180224,
    "Standard_NC8as_T4_v3": 360448,
    "Standard_NC16as_T4_v3": 360448,
    "Standard_NC64as_T4_v3": 2883584,
    "Standard_NC6s_v3": 753664,
    "Standard_NC24ads_A100_v4": 65536,
    "Standard_NC48ads_A100_v4": 131072,
    "Standard_NC96ads_A100_v4": 262144,
}


@dataclass(frozen=True)
class Size:
    """One VM size. `generations` are Hyper-V generations, `V1,V2`; `regions` is empty for a size that is everywhere.

    `family` is the quota family as the SKU API writes it, with its spaces.
    """

    name: str
    family: str
    vcpus: int
    memory_gib: float
    gpus: int = 0
    arch: str = "x64"
    generations: str = "V1,V2"
    premium: bool = True
    spot: bool = True
    host_encryption: bool = True
    trusted_launch: bool = True
    fast_network: bool = True
    local_mib: int | None = 0
    retired: bool = False
    regions: tuple[str, ...] = field(default=())

    def is_offered(self, location: str) -> bool:
        """Whether the size is sold in a region at all, to whomever."""
        return location in places.LOCATIONS and (not self.regions or location in self.regions)

    def zones(self, location: str) -> list[str]:
        """The zones of a region that have the size."""
        return places.zones(location) if self.is_offered(location) else []


ORDINARY = [
    Size("Standard_B1s", "standardBSFamily", 1, 1, spot=False, fast_network=False, local_mib=4096),
    Size("Standard_B2s", "standardBSFamily", 2, 4, spot=False, fast_network=False, local_mib=8192),
    Size("Standard_B2ms", "standardBSFamily", 2, 8, spot=False, fast_network=False, local_mib=16384),
    Size("Standard_DS1_v2", "standardDSv2Family", 1, 3.5, local_mib=7168),
    Size("Standard_D2s_v3", "standardDSv3Family", 2, 8, local_mib=16384),
    Size("Standard_D2s_v5", "standardDSv5Family", 2, 8),
    Size("Standard_D4s_v5", "standardDSv5Family", 4, 16),
    Size("Standard_D8s_v5", "standardDSv5Family", 8, 32),
    Size("Standard_D2ps_v5", "standardDPSv5Family", 2, 8, arch="Arm64", generations="V2", trusted_launch=False),
    Size("Standard_E4s_v5", "standardESv5Family", 4, 32),
    Size("Standard_F2s_v2", "standardFSv2Family", 2, 4, local_mib=16384),
]


@cache
def every() -> Mapping[str, Size]:
    """All sizes by lower-case name."""
    gpu = [_of_catalog(each) for each in catalog.every().values() if each.cloud == "azure" and _is_complete(each)]
    return {size.name.lower(): size for size in (*gpu, *ORDINARY)}


def find(name: str) -> Size | None:
    """The size of a name, in any case."""
    return every().get(name.lower())


def _is_complete(each: catalog.InstanceType) -> bool:
    """Sizes of which no source states quota family, vCPUs or memory cannot be shown as the API shows them."""
    return bool(each.quota and each.vcpus and each.ram_gib)


def _of_catalog(each: catalog.InstanceType) -> Size:
    first_generation = each.family in GENERATION_1
    return Size(
        name=each.name,
        family=each.quota,
        vcpus=each.vcpus or 0,
        memory_gib=each.ram_gib or 0.0,
        # The SKU API states no GPUs for the Grace sizes (seen 2026-07).
        gpus=0 if each.cpu_arch == "arm64" else each.devices or 0,
        arch="Arm64" if each.cpu_arch == "arm64" else "x64",
        generations="V1" if first_generation else "V1,V2" if each.family in BOTH_GENERATIONS else "V2",
        premium=not first_generation,
        host_encryption=not first_generation,
        trusted_launch=each.family not in NO_TRUSTED_LAUNCH,
        fast_network=each.family not in NO_FAST_NETWORK,
        local_mib=LOCAL_MIB.get(each.name),
        retired=each.status == "retired",
        regions=tuple(catalog.regions_of(each)) or ("nowhere",),
    )
