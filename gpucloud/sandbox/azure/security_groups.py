"""Network security groups and their rules."""

from __future__ import annotations

from ipaddress import ip_network
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from gpucloud.sandbox.azure.children import routes_of_children
from gpucloud.sandbox.azure.network import INTERFACE, SECURITY_GROUP, child
from gpucloud.sandbox.azure.resources import ResourceType
from gpucloud.sandbox.azure.store import Resource
from gpucloud.sandbox.azure.wire import ArmError, Call

if TYPE_CHECKING:
    from gpucloud.sandbox.azure.world import AzureWorld

# Name, priority, direction, access, source, destination: what every group has and cannot lose.
DEFAULT_RULES = (
    ("AllowVnetInBound", 65000, "Inbound", "Allow", "VirtualNetwork", "VirtualNetwork"),
    ("AllowAzureLoadBalancerInBound", 65001, "Inbound", "Allow", "AzureLoadBalancer", "*"),
    ("DenyAllInBound", 65500, "Inbound", "Deny", "*", "*"),
    ("AllowVnetOutBound", 65000, "Outbound", "Allow", "VirtualNetwork", "VirtualNetwork"),
    ("AllowInternetOutBound", 65001, "Outbound", "Allow", "*", "Internet"),
    ("DenyAllOutBound", 65500, "Outbound", "Deny", "*", "*"),
)
# What a rule must say in one of two ways (addresses also by application security groups).
ADDRESSES = (
    ("sourceAddressPrefix", "sourceAddressPrefixes"),
    ("destinationAddressPrefix", "destinationAddressPrefixes"),
)
PORTS = (("sourcePortRange", "sourcePortRanges"), ("destinationPortRange", "destinationPortRanges"))


def prepare(world: AzureWorld, call: Call, new: Resource, old: Resource | None) -> None:
    for computed in ("networkInterfaces", "subnets"):
        new.properties.pop(computed, None)
    rules = [child(new, "securityRules", entry) for entry in new.properties.get("securityRules") or []]
    seen: dict[tuple[str, int], str] = {}
    for rule in rules:
        check_rule(rule)
        place = (str(rule["properties"]["direction"]), int(rule["properties"]["priority"]))
        if place in seen:
            raise ArmError(
                "SecurityRuleConflict",
                f"Security rule {rule['name']} conflicts with rule {seen[place]}. Rules cannot have the same Priority "
                "and Direction. To learn more, see aka.ms/nsgrules.",
            )
        seen[place] = rule["name"]
    new.properties["securityRules"] = rules
    new.properties["defaultSecurityRules"] = [_default(new, *rule) for rule in DEFAULT_RULES]
    new.properties["resourceGuid"] = old.properties["resourceGuid"] if old else str(uuid4())


def check_rule(rule: dict[str, Any]) -> None:
    """What a rule must have. Raises SecurityRule… errors."""
    inner, name = rule["properties"], rule["name"]
    for member in ("protocol", "access", "direction"):
        if not inner.get(member):
            raise ArmError(
                "SecurityRuleInvalidParameter", f"Security rule {name} has an invalid {member}. Value provided: null"
            )
    priority = inner.get("priority", 0)
    if not 100 <= priority <= 4096:
        raise ArmError(
            "SecurityRuleInvalidPriority",
            f"Security rule has invalid Priority. Value provided: {priority} Allowed range 100-4096.",
        )
    for singular, plural in ADDRESSES:
        groups = plural.replace("AddressPrefixes", "ApplicationSecurityGroups")
        prefixes = _either(inner, singular, plural)
        if not prefixes and not inner.get(groups):
            raise _invalid_prefix("")
        for prefix in prefixes:
            _check_prefix(prefix)
    for singular, plural in PORTS:
        ranges = _either(inner, singular, plural)
        wrong = [ports for ports in ranges if not _is_port_range(ports)]
        if wrong or not ranges:
            value = wrong[0] if wrong else ""
            raise ArmError(
                "SecurityRuleInvalidPortRange",
                f"Security rule has invalid Port range. Value provided: {value}. Value should be an integer OR integer "
                "range with '-' delimiter. Valid range 0-65535.",
            )


def _either(inner: dict[str, Any], singular: str, plural: str) -> list[str]:
    """The values of a member that has two names; the list is always there in a reply."""
    many: list[str] = inner.setdefault(plural, [])
    return [*([inner[singular]] if inner.get(singular) else []), *many]


def _check_prefix(prefix: str) -> None:
    """A range, an address, `*` or a service tag (`Internet`, `Storage.EastUS`)."""
    if prefix == "*" or prefix.replace(".", "").isalpha():
        return
    try:
        ip_network(prefix, strict=False)
    except ValueError as error:
        raise _invalid_prefix(prefix) from error


def _invalid_prefix(prefix: str) -> ArmError:
    return ArmError(
        "SecurityRuleInvalidAddressPrefix", f"Security rule has invalid Address prefix. Value provided: {prefix}"
    )


def _is_port_range(ports: str) -> bool:
    bounds = ports.split("-")
    numbers = [int(bound) for bound in bounds if bound.isdecimal()]
    return ports == "*" or (len(numbers) == len(bounds) <= 2 and numbers == sorted(numbers) and numbers[-1] <= 65535)


def _default(
    group: Resource, name: str, priority: int, direction: str, access: str, source: str, target: str
) -> dict[str, Any]:
    properties = {
        "protocol": "*",
        "sourcePortRange": "*",
        "destinationPortRange": "*",
        "sourceAddressPrefix": source,
        "destinationAddressPrefix": target,
        "access": access,
        "priority": priority,
        "direction": direction,
    }
    return child(group, "defaultSecurityRules", {"name": name, "properties": properties})


def view(world: AzureWorld, group: Resource, document: dict[str, Any]) -> None:
    interfaces = [user for user in world.store.users_of(group.id) if user.id.type == INTERFACE]
    if interfaces:
        document["properties"]["networkInterfaces"] = [{"id": str(interface.id)} for interface in interfaces]


def blocked(world: AzureWorld, group: Resource) -> None:
    if users := world.store.users_of(group.id):
        raise ArmError(
            "InUseNetworkSecurityGroupCannotBeDeleted",
            f"Network security group {group.id} cannot be deleted because it is in use by the following resources: "
            f"{', '.join(str(user.id) for user in users)}. In order to delete the Network security group, remove the "
            "association with the resource(s). To learn how to do this, see aka.ms/deletensg.",
        )


TYPES = [ResourceType(SECURITY_GROUP, prepare, view=view, blocked=blocked, etag=True)]
ROUTES = routes_of_children(TYPES[0], "securityRules")
