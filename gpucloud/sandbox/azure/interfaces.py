"""Network interfaces: what ties a VM to a subnet, a security group and a public address."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from gpucloud.sandbox.azure.ids import ResourceId
from gpucloud.sandbox.azure.network import INTERFACE, child, configurations_with, parsed_range, refer
from gpucloud.sandbox.azure.resources import ResourceType
from gpucloud.sandbox.azure.store import Resource, references
from gpucloud.sandbox.azure.wire import ArmError, Call

if TYPE_CHECKING:
    from gpucloud.sandbox.azure.world import AzureWorld

MACHINE = "Microsoft.Compute/virtualMachines"
COMPUTED = ("virtualMachine", "macAddress", "primary", "privateEndpoint", "hostedWorkloads", "tapConfigurations")


def prepare(world: AzureWorld, call: Call, new: Resource, old: Resource | None) -> None:
    for computed in COMPUTED:
        new.properties.pop(computed, None)
    entries = new.properties.get("ipConfigurations") or []
    if not entries:
        raise ArmError(
            "NetworkInterfaceMustHaveAtLeastOneIpConfiguration",
            f"Network interface {new.id} must have at least one IP configuration.",
        )
    refer(new.properties, "networkSecurityGroup")
    configurations = [child(new, "ipConfigurations", entry) for entry in entries]
    for position, configuration in enumerate(configurations):
        _prepare_configuration(world, new, old, configuration, primary=position == 0)
    new.properties["ipConfigurations"] = configurations
    new.properties.setdefault("dnsSettings", {"dnsServers": [], "appliedDnsServers": []})
    new.properties.setdefault("enableAcceleratedNetworking", False)
    new.properties.setdefault("enableIPForwarding", False)
    new.properties.setdefault("nicType", "Standard")
    new.properties["resourceGuid"] = old.properties["resourceGuid"] if old else str(uuid4())
    new.private.setdefault("mac", _mac())


def _prepare_configuration(
    world: AzureWorld, interface: Resource, old: Resource | None, configuration: dict[str, Any], *, primary: bool
) -> None:
    inner = configuration["properties"]
    refer(inner, "subnet")
    refer(inner, "publicIPAddress")
    if "subnet" not in inner:
        raise ArmError("SubnetIsRequired", f"Ip configuration {configuration['id']} must reference a subnet.")
    if "publicIPAddress" in inner:
        _check_address_free(world, interface, configuration)
    inner.setdefault("primary", primary)
    inner.setdefault("privateIPAddressVersion", "IPv4")
    inner.setdefault("privateIPAllocationMethod", "Dynamic")
    before = old.properties["ipConfigurations"] if old else []
    known = {entry["name"]: entry["properties"]["privateIPAddress"] for entry in before}
    if inner["privateIPAllocationMethod"] == "Dynamic" or "privateIPAddress" not in inner:
        inner["privateIPAddress"] = known.get(configuration["name"]) or _free_address(world, inner["subnet"]["id"])


def _check_address_free(world: AzureWorld, interface: Resource, configuration: dict[str, Any]) -> None:
    address = str(configuration["properties"]["publicIPAddress"]["id"])
    users = configurations_with(world, "publicIPAddress", address)
    others = [user for user in users if not user.lower().startswith(f"{interface.id.key}/")]
    if others:
        raise ArmError(
            "PublicIPAddressInUse",
            f"Resource {configuration['id']} is referencing public IP address {address} that is already allocated to "
            f"resource {others[0]}.",
        )


def _free_address(world: AzureWorld, subnet: str) -> str:
    """The first address of a subnet that no interface has. Azure keeps the first four and the last to itself."""
    network = world.store.find(ResourceId.parse(subnet).parent)
    inside = network.properties.get("subnets", []) if network else []
    found = next((entry for entry in inside if entry["id"].lower() == subnet.lower()), None)
    if found is None:
        return ""  # the check of references refuses it
    prefix = found["properties"].get("addressPrefix") or found["properties"]["addressPrefixes"][0]
    taken = {
        configuration["properties"].get("privateIPAddress")
        for interface in world.store.of_kind(INTERFACE)
        for configuration in interface.properties["ipConfigurations"]
        if configuration["properties"]["subnet"]["id"].lower() == subnet.lower()
    }
    for number, host in enumerate(parsed_range(prefix, subnet).hosts()):
        if number >= 3 and str(host) not in taken:
            return str(host)
    raise ArmError(
        "SubnetIsFull",
        f"Subnet {found['name']} with address prefix {prefix} does not have enough capacity for 1 IP addresses.",
    )


def view(world: AzureWorld, interface: Resource, document: dict[str, Any]) -> None:
    """An interface names its VM, and shows its MAC address once it has one."""
    if machine := machine_of(world, interface):
        document["properties"]["virtualMachine"] = {"id": str(machine.id)}
        document["properties"]["primary"] = True
        document["properties"]["macAddress"] = interface.private["mac"]


def machine_of(world: AzureWorld, interface: Resource) -> Resource | None:
    """The VM that an interface is attached to."""
    machines = world.store.of_kind(MACHINE)
    return next((machine for machine in machines if interface.id.key in references(machine)), None)


def blocked(world: AzureWorld, interface: Resource) -> None:
    if machine := machine_of(world, interface):
        raise ArmError(
            "NicInUse",
            f"Network Interface {interface.id} is used by existing resource {machine.id}. In order to delete the "
            "network interface, it must be dissociated from the resource. To learn more, see aka.ms/deletenic.",
        )


def _mac() -> str:
    """An address of Microsoft's range 00-0D-3A."""
    return "-".join(["00", "0D", "3A", *(f"{random.randint(0, 255):02X}" for _ in range(3))])


TYPES = [ResourceType(INTERFACE, prepare, view=view, blocked=blocked, etag=True)]
