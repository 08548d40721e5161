"""Everything that exists in the embedded Azure: the proof that nothing is left behind."""

from __future__ import annotations

from gpucloud.sandbox.azure.ids import GROUP
from gpucloud.sandbox.azure.world import AzureWorld

KINDS = {
    GROUP: "azure-resource-group",
    "Microsoft.Compute/virtualMachines": "azure-instance",
    "Microsoft.Compute/disks": "azure-disk",
    "Microsoft.Network/publicIPAddresses": "azure-public-ip",
    "Microsoft.Network/networkInterfaces": "azure-network-interface",
    "Microsoft.Network/networkSecurityGroups": "azure-security-group",
    "Microsoft.Network/virtualNetworks": "azure-virtual-network",
    "Microsoft.DevTestLab/schedules": "azure-schedule",
}
OTHER = "azure-resource"


def inventory(world: AzureWorld) -> dict[str, list[str]]:
    """Ids by kind of resource. Every kind is there, empty when nothing is left of it."""
    known = {kind.lower(): name for kind, name in KINDS.items()}
    found: dict[str, list[str]] = {name: [] for name in (*KINDS.values(), OTHER)}
    for resource in [*world.store.of_kind(GROUP), *world.store.all()]:
        found[known.get(resource.id.kind, OTHER)].append(str(resource.id))
    return found
