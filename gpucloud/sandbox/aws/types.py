"""What the cloud knows about instance types: vCPUs, quota bucket, where they are offered, and the GPU on board."""

from __future__ import annotations

from collections.abc import Iterable
from fnmatch import fnmatchcase
from functools import cache
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from moto.ec2.models.instance_types import INSTANCE_TYPE_OFFERINGS, INSTANCE_TYPES

from gpucloud.sandbox.scenario import Scenario

STANDARD, STANDARD_SPOT = "L-1216C47A", "L-34B43A08"
QUOTAS = {
    "L-DB2E81BA": "Running On-Demand G and VT instances",
    "L-3819A6DF": "All G and VT Spot Instance Requests",
    "L-417A185B": "Running On-Demand P instances",
    "L-7212CCBC": "All P4, P3 and P2 Spot Instance Requests",
    "L-C4BD4855": "All P5 Spot Instance Requests",
    STANDARD: "Running On-Demand Standard (A, C, D, H, I, M, R, T, Z) instances",
    STANDARD_SPOT: "All Standard (A, C, D, H, I, M, R, T, Z) Spot Instance Requests",
}
DEFAULT_VCPUS = 1000  # generous where the scenario says nothing; a real account starts with 0 for GPUs

# The name in moto's GpuInfo -> name of nvidia-smi, PCI device id, memory in MiB as the driver reports it, compute
# capability. Ids from the PCI ID repository (vendor 10de); names and memory as nvidia-smi prints them.
GPUS = {
    "K80": ("Tesla K80", "0x102d", 11441, "3.7"),
    "M60": ("Tesla M60", "0x13f2", 7618, "5.2"),
    "V100": ("Tesla V100-SXM2-16GB", "0x1db1", 16384, "7.0"),
    "T4": ("Tesla T4", "0x1eb8", 15360, "7.5"),
    "T4g": ("NVIDIA T4G", "0x1eb4", 15360, "7.5"),
    "A100": ("NVIDIA A100-SXM4-40GB", "0x20b0", 40960, "8.0"),
    "A10G": ("NVIDIA A10G", "0x2237", 23028, "8.6"),
    "L4": ("NVIDIA L4", "0x27b8", 23034, "8.9"),
    "L40S": ("NVIDIA L40S", "0x26b9", 46068, "8.9"),
    "H100": ("NVIDIA H100 80GB HBM3", "0x2330", 81559, "9.0"),
    "H200": ("NVIDIA H200", "0x2335", 143771, "9.0"),
    "B200": ("NVIDIA B200", "0x2901", 183359, "10.0"),
    "RTX PRO Server 6000": ("NVIDIA RTX PRO 6000 Blackwell Server Edition", "0x2bb5", 97887, "12.0"),
}


def vcpus(type_name: str) -> int:
    return int(INSTANCE_TYPES[type_name]["VCpuInfo"]["DefaultVCpus"])


def quota_code(type_name: str, spot: bool) -> str:
    """The code of the quota that a machine of this type counts against."""
    family = type_name.split(".")[0]
    if family.startswith(("g", "vt")):
        return "L-3819A6DF" if spot else "L-DB2E81BA"
    if family.startswith("p"):
        if not spot:
            return "L-417A185B"
        return "L-7212CCBC" if family.startswith(("p2", "p3", "p4")) else "L-C4BD4855"
    return STANDARD_SPOT if spot else STANDARD


def quota(scenario: Scenario, code: str) -> int:
    """The quota in vCPUs."""
    return scenario.quota.get(code, DEFAULT_VCPUS)


@cache
def _zones_by_type(region: str) -> dict[str, set[str]]:
    index: dict[str, set[str]] = {}
    for entry in INSTANCE_TYPE_OFFERINGS["availability-zone"].get(region, []):
        index.setdefault(entry["InstanceType"], set()).add(entry["Location"])
    return index


@cache
def _zones(region: str) -> list[str]:
    return sorted(set().union(*_zones_by_type(region).values()))


def offered(scenario: Scenario, region: str, type_name: str) -> list[str]:
    """Zones of the region that offer the type, in order."""
    real = _zones_by_type(region).get(type_name, set())
    return [zone for zone in _zones(region) if _offered_in(scenario, type_name, zone, zone in real)]


def _offered_in(scenario: Scenario, type_name: str, zone: str, real: bool) -> bool:
    answer = real
    for entry in scenario.offerings:
        if fnmatchcase(type_name, entry.type) and fnmatchcase(zone, entry.zone):
            answer = entry.offered
    return answer


def room(scenario: Scenario, type_name: str, zone: str, running: Iterable[Any]) -> bool:
    """Whether one more machine of the type fits into the zone beside those that run."""
    here = [machine for machine in running if machine.placement.zone == zone]
    return all(
        sum(fnmatchcase(machine.instance_type, entry.type) for machine in here) < entry.machines
        for entry in scenario.capacity
        if fnmatchcase(type_name, entry.type) and fnmatchcase(zone, entry.zone)
    )


def gpus(type_name: str, instance_id: str) -> list[dict[str, Any]]:
    """The simulated GPUs of a machine, in the form of the guest's hardware.json; empty for other makers' GPUs."""
    info = INSTANCE_TYPES[type_name].get("GpuInfo", {"Gpus": []})["Gpus"]
    if not info or info[0]["Name"] not in GPUS:
        return []
    name, device, memory, capability = GPUS[info[0]["Name"]]
    return [
        {
            "index": index,
            "name": name,
            "pci_device_id": device,
            "bus_id": f"00000000:00:{0x1E - index:02X}.0",
            "memory_mib": memory,
            "uuid": f"GPU-{uuid5(NAMESPACE_URL, f'{instance_id}/{index}')}",
            "compute_cap": capability,
        }
        for index in range(max(1, int(info[0]["Count"])))
    ]
