"""The simulated hardware behind a VM, in the form of the guest's hardware.json."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import NAMESPACE_URL, uuid5

from gpucloud.catalog import types as catalog

if TYPE_CHECKING:
    from gpucloud.sandbox.azure.store import Resource
    from gpucloud.sandbox.azure.world import AzureWorld

KERNEL = "6.8.0-1035-azure"
# The catalogue's family -> name of nvidia-smi, PCI device id, memory in MiB as the driver reports it (0: the share that
# the catalogue states). Ids from the PCI ID repository (vendor 10de).
DEVICES = {
    "NC": ("Tesla K80", "0x102d", 11441),
    "NCv2": ("Tesla P100-PCIE-16GB", "0x15f8", 16384),
    "NCv3": ("Tesla V100-PCIE-16GB", "0x1db4", 16384),
    "ND": ("Tesla P40", "0x1b38", 23040),
    "NDv2": ("Tesla V100-SXM2-32GB", "0x1db5", 32768),
    "NV": ("Tesla M60", "0x13f2", 7618),
    "NVv2": ("Tesla M60", "0x13f2", 7618),
    "NVv3": ("Tesla M60", "0x13f2", 7618),
    "NCasT4_v3": ("Tesla T4", "0x1eb8", 15360),
    "NC_A100_v4": ("NVIDIA A100 80GB PCIe", "0x20b5", 81920),
    "NDasrA100_v4": ("NVIDIA A100-SXM4-40GB", "0x20b0", 40960),
    "NDm_A100_v4": ("NVIDIA A100-SXM4-80GB", "0x20b2", 81920),
    "NCads_H100_v5": ("NVIDIA H100 NVL", "0x2321", 95830),
    "NCCads_H100_v5": ("NVIDIA H100 NVL", "0x2321", 95830),
    "ND_H100_v5": ("NVIDIA H100 80GB HBM3", "0x2330", 81559),
    "ND_H200_v5": ("NVIDIA H200", "0x2335", 143771),
    "NCads_A10_v4": ("NVIDIA A10-24Q", "0x2236", 0),
    "NVadsA10_v5": ("NVIDIA A10-24Q", "0x2236", 0),
    "NC_RTXPRO6000BSE_v6": ("NVIDIA RTX PRO 6000 Blackwell Server Edition", "0x2bb5", 0),
}


def gpus(size: str, vm_id: str) -> list[dict[str, Any]]:
    """The GPUs of a VM; empty for sizes without, and for other makers' GPUs."""
    kind = catalog.every().get(size.lower())
    if kind is None or kind.family not in DEVICES:
        return []
    name, device, memory = DEVICES[kind.family]
    return [
        {
            "index": index,
            "name": name,
            "pci_device_id": device,
            # Azure passes every device through under a PCI domain of its own.
            "bus_id": f"{index + 1:08X}:00:00.0",
            "memory_mib": memory or kind.memory_mib or 0,
            "uuid": f"GPU-{uuid5(NAMESPACE_URL, f'{vm_id}/{index}')}",
            "compute_cap": kind.gpu.compute_capability,
        }
        for index in range(kind.devices or 1)
    ]


def of(world: AzureWorld, vm: Resource) -> dict[str, Any]:
    """Everything that a VM's guest is told of its machine."""
    scenario, size = world.shared.scenario, vm.properties["hardwareProfile"]["vmSize"]
    profile = vm.properties["osProfile"]
    keys = profile.get("linuxConfiguration", {}).get("ssh", {}).get("publicKeys", [])
    return {
        "instance_id": vm.private["guest"],
        "instance_type": size,
        "cloud": "azure",
        "hostname": profile["computerName"],
        "user": profile["adminUsername"],
        "authorized_keys": [key["keyData"].strip() for key in keys],
        "os": vm.private["os"],
        "image": vm.private["preinstalled"],
        "kernel": KERNEL,
        "pending_kernel": "",
        "secure_boot": secure_boot(vm),
        "fault": scenario.fault,
        "latency": {"boot": scenario.boot, **scenario.install},
        "gpus": gpus(size, vm.properties["vmId"]),
        "mirror": world.shared.mirror_url,
    }


def secure_boot(vm: Resource) -> bool:
    """Whether the VM's firmware runs signed code only."""
    profile = vm.properties.get("securityProfile", {})
    return profile.get("securityType") == "TrustedLaunch" and bool(
        profile.get("uefiSettings", {}).get("secureBootEnabled")
    )
