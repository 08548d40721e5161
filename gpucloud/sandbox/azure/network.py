"""What the resources of Microsoft.Network have in common: embedded children, references, address ranges."""

from __future__ import annotations

from ipaddress import IPv4Network
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from gpucloud.sandbox.azure.ids import ResourceId
from gpucloud.sandbox.azure.store import Resource
from gpucloud.sandbox.azure.wire import ArmError

if TYPE_CHECKING:
    from gpucloud.sandbox.azure.world import AzureWorld

NETWORK = "Microsoft.Network/virtualNetworks"
SECURITY_GROUP = "Microsoft.Network/networkSecurityGroups"
ADDRESS = "Microsoft.Network/publicIPAddresses"
INTERFACE = "Microsoft.Network/networkInterfaces"


def child(parent: Resource, kind: str, entry: dict[str, Any]) -> dict[str, Any]:
    """A child as it is embedded in its parent: with id, type, etag and state of its own."""
    if not entry.get("name"):
        raise ArmError(
            "InvalidRequestFormat",
            "Cannot parse the request.",
            details=[
                {"code": "MissingJsonReferenceId", "message": f"Value for reference id is missing. Path '{kind}'."}
            ],
        )
    inner = dict(entry.get("properties") or {})
    inner["provisioningState"] = "Succeeded"
    return {
        "name": entry["name"],
        "id": str(parent.id.child(kind, str(entry["name"]))),
        "etag": f'W/"{uuid4()}"',
        "type": f"{parent.id.type}/{kind}",
        "properties": inner,
    }


def refer(properties: dict[str, Any], member: str) -> None:
    """Keep of a referred resource, which clients may send whole, only its id and what becomes of it with its user."""
    whole = properties.get(member)
    if not whole:
        properties.pop(member, None)
        return
    if "id" not in whole:
        text = f"Value for reference id is missing. Path properties.{member}."
        details = [{"code": "MissingJsonReferenceId", "message": text}]
        raise ArmError("InvalidRequestFormat", "Cannot parse the request.", details=details)
    option = (whole.get("properties") or {}).get("deleteOption")
    properties[member] = {"id": whole["id"], **({"properties": {"deleteOption": option}} if option else {})}


def configurations_with(world: AzureWorld, member: str, wanted: str) -> list[str]:
    """The ids of interfaces' IP configurations whose `member` (subnet, publicIPAddress) refers to an id."""
    return [
        str(configuration["id"])
        for interface in world.store.of_kind(INTERFACE)
        for configuration in interface.properties["ipConfigurations"]
        if str(configuration["properties"].get(member, {}).get("id", "")).lower() == wanted.lower()
    ]


def parsed_range(prefix: str, wanted: ResourceId | str) -> IPv4Network:
    """The range that `prefix` names, for the resource of that id. Raises InvalidAddressPrefixFormat."""
    try:
        return IPv4Network(prefix)
    except ValueError as error:
        raise ArmError(
            "InvalidAddressPrefixFormat",
            f"Address prefix {prefix} of resource {wanted} is not formatted correctly. It should follow CIDR notation, "
            "for example 10.0.0.0/24.",
        ) from error
