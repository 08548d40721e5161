"""Public IP addresses: of the guests' loopback range, so that a real SSH server can listen there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import uuid4

from gpucloud.sandbox.azure.network import ADDRESS, configurations_with
from gpucloud.sandbox.azure.resources import ResourceType
from gpucloud.sandbox.azure.store import Resource
from gpucloud.sandbox.azure.wire import ArmError, Call

if TYPE_CHECKING:
    from gpucloud.sandbox.azure.world import AzureWorld

DNS = "cloudapp.azure.com"


def prepare(world: AzureWorld, call: Call, new: Resource, old: Resource | None) -> None:
    """A static address is there once the operation has ended and never changes; a dynamic one comes with its VM."""
    sku = new.extra.setdefault("sku", {})
    sku.setdefault("name", "Basic")
    sku.setdefault("tier", "Regional")
    inner = new.properties
    inner.setdefault("publicIPAllocationMethod", "Dynamic")
    inner.setdefault("publicIPAddressVersion", "IPv4")
    inner.setdefault("idleTimeoutInMinutes", 4)
    inner.setdefault("ipTags", [])
    if sku["name"].startswith("Standard") and inner["publicIPAllocationMethod"] != "Static":
        raise ArmError(
            "StandardSkuPublicIPAddressesMustBeStatic",
            f"Standard sku publicIp {new.id} must have AllocationMethod set to Static.",
        )
    for computed in ("ipAddress", "ipConfiguration"):
        inner.pop(computed, None)
    if old is not None and "ipAddress" in old.properties:
        inner["ipAddress"] = old.properties["ipAddress"]
    if label := inner.get("dnsSettings", {}).get("domainNameLabel"):
        _check_label(world, new, str(label))
        inner["dnsSettings"]["fqdn"] = f"{label}.{new.location}.{DNS}"
    inner["resourceGuid"] = old.properties["resourceGuid"] if old else str(uuid4())


def _check_label(world: AzureWorld, new: Resource, label: str) -> None:
    for other in world.store.of_kind(ADDRESS):
        taken = other.properties.get("dnsSettings", {}).get("domainNameLabel")
        if other.id.key != new.id.key and other.location == new.location and taken == label:
            raise ArmError(
                "DnsRecordInUse", f"DNS record {label}.{new.location}.{DNS} is already used by another public IP."
            )


def settled(world: AzureWorld, address: Resource, error: ArmError | None) -> None:
    address.state = "Failed" if error else "Succeeded"
    if error is None and address.properties["publicIPAllocationMethod"] == "Static":
        address.properties.setdefault("ipAddress", world.shared.new_address())


def view(world: AzureWorld, address: Resource, document: dict[str, Any]) -> None:
    if users := configurations_with(world, "publicIPAddress", str(address.id)):
        document["properties"]["ipConfiguration"] = {"id": users[0]}


def blocked(world: AzureWorld, address: Resource) -> None:
    if users := configurations_with(world, "publicIPAddress", str(address.id)):
        raise ArmError(
            "PublicIPAddressCannotBeDeleted",
            f"Public IP address {address.id} can not be deleted since it is still allocated to resource {users[0]}. In "
            "order to delete the public IP, disassociate/detach the Public IP address from the resource.  To learn how "
            "to do this, see aka.ms/deletepublicip.",
        )


TYPES = [ResourceType(ADDRESS, prepare, settled=settled, view=view, blocked=blocked, etag=True)]
