"""Virtual networks and their subnets."""

from __future__ import annotations

from ipaddress import IPv4Network
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from gpucloud.sandbox.azure.children import routes_of_children
from gpucloud.sandbox.azure.ids import ResourceId
from gpucloud.sandbox.azure.network import NETWORK, child, configurations_with, parsed_range, refer
from gpucloud.sandbox.azure.resources import ResourceType
from gpucloud.sandbox.azure.store import Resource
from gpucloud.sandbox.azure.wire import ArmError, Call

if TYPE_CHECKING:
    from gpucloud.sandbox.azure.world import AzureWorld


def prepare(world: AzureWorld, call: Call, new: Resource, old: Resource | None) -> None:
    space = new.properties.get("addressSpace", {}).get("addressPrefixes") or []
    if not space:
        raise ArmError(
            "InvalidRequestFormat",
            "Cannot parse the request.",
            details=[{"code": "MissingJsonReferenceId", "message": "Value for addressSpace is missing."}],
        )
    networks = [parsed_range(prefix, new.id) for prefix in space]
    subnets = [child(new, "subnets", entry) for entry in new.properties.get("subnets") or []]
    taken: list[tuple[str, IPv4Network]] = []
    for subnet in subnets:
        taken.append((subnet["name"], check_subnet(new, subnet, networks, taken)))
    if old is not None:
        for gone in {s["id"].lower() for s in old.properties["subnets"]} - {s["id"].lower() for s in subnets}:
            check_subnet_unused(world, gone)
    new.properties["subnets"] = subnets
    new.properties.setdefault("virtualNetworkPeerings", [])
    new.properties.setdefault("enableDdosProtection", False)
    new.properties["resourceGuid"] = old.properties["resourceGuid"] if old else str(uuid4())


def check_subnet(
    network: Resource,
    subnet: dict[str, Any],
    space: list[IPv4Network],
    others: list[tuple[str, IPv4Network]],
) -> IPv4Network:
    """The subnet's range, which must lie within the network's space and beside the other subnets."""
    inner, name = subnet["properties"], subnet["name"]
    inner.pop("ipConfigurations", None)
    refer(inner, "networkSecurityGroup")
    prefix = inner.get("addressPrefix") or next(iter(inner.get("addressPrefixes") or []), "")
    if not prefix:
        raise ArmError("InvalidAddressPrefixFormat", f"Address prefix of subnet '{name}' is missing.")
    inner.setdefault("delegations", [])
    inner.setdefault("privateEndpointNetworkPolicies", "Disabled")
    inner.setdefault("privateLinkServiceNetworkPolicies", "Enabled")
    wanted = parsed_range(prefix, ResourceId.parse(subnet["id"]))
    if not any(wanted.subnet_of(whole) for whole in space):
        raise ArmError(
            "NetcfgInvalidSubnet",
            f"Subnet '{name}' is not valid because its IP address range is outside the IP address range of virtual "
            f"network '{network.id.name}'.",
        )
    for other, taken in others:
        if wanted.overlaps(taken):
            raise ArmError(
                "NetcfgSubnetRangesOverlap",
                f"Subnet '{name}' is not valid because its IP address range overlaps with that of an existing subnet "
                f"in virtual network '{network.id.name}' ('{other}').",
            )
    return wanted


def view(world: AzureWorld, network: Resource, document: dict[str, Any]) -> None:
    """Each subnet lists the interfaces' configurations that are in it."""
    for subnet in document["properties"]["subnets"]:
        view_subnet(world, subnet)


def view_subnet(world: AzureWorld, subnet: dict[str, Any]) -> None:
    if inside := configurations_with(world, "subnet", subnet["id"]):
        subnet["properties"]["ipConfigurations"] = [{"id": found} for found in inside]


def check_subnet_unused(world: AzureWorld, subnet: str) -> None:
    """Raise InUseSubnetCannotBeDeleted while an interface is in the subnet of that id."""
    if inside := configurations_with(world, "subnet", subnet):
        raise ArmError(
            "InUseSubnetCannotBeDeleted",
            f"Subnet {subnet.rpartition('/')[2]} is in use by {inside[0]} and cannot be deleted. In order to delete "
            "the subnet, delete all the resources within the subnet. See aka.ms/deletesubnet.",
        )


def blocked(world: AzureWorld, network: Resource) -> None:
    for subnet in network.properties["subnets"]:
        check_subnet_unused(world, subnet["id"])


TYPES = [ResourceType(NETWORK, prepare, view=view, blocked=blocked, etag=True)]
ROUTES = routes_of_children(TYPES[0], "subnets")
