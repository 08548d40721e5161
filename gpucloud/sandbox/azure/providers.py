"""The resource providers of the subscription: which are registered, and registering them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gpucloud.sandbox.azure import places
from gpucloud.sandbox.azure.ids import SUBSCRIPTION as KIND
from gpucloud.sandbox.azure.resources import Routes
from gpucloud.sandbox.azure.wire import ArmError, Call, Reply

if TYPE_CHECKING:
    from gpucloud.sandbox.azure.world import AzureWorld

# Namespace → its types with an API version of each. Those that every subscription has need no registration.
NAMESPACES: dict[str, dict[str, str]] = {
    "Microsoft.Compute": {
        "virtualMachines": "2025-04-01",
        "disks": "2025-01-02",
        "images": "2025-04-01",
        "locations": "2025-04-01",
        "locations/usages": "2025-04-01",
        "locations/publishers": "2025-04-01",
    },
    "Microsoft.Network": {
        "virtualNetworks": "2025-05-01",
        "virtualNetworks/subnets": "2025-05-01",
        "networkSecurityGroups": "2025-05-01",
        "publicIPAddresses": "2025-05-01",
        "networkInterfaces": "2025-05-01",
    },
    "Microsoft.DevTestLab": {"schedules": "2018-09-15"},
    "Microsoft.Storage": {"storageAccounts": "2024-01-01"},
}
ALWAYS = ("Microsoft.Resources", "Microsoft.Authorization", "Microsoft.Features")


def registration(world: AzureWorld, namespace: str) -> str:
    """Registered or NotRegistered; a namespace that we do not know counts as registered and is refused later."""
    name = namespace.lower()
    if name in world.registered:
        return world.registered[name]
    missing = {entry.lower() for entry in world.shared.scenario.azure.unregistered}
    return "NotRegistered" if name in missing else "Registered"


def listed(world: AzureWorld, call: Call) -> Reply:
    return world.page(call, [_document(world, call, name) for name in (*NAMESPACES, *ALWAYS)])


def get(world: AzureWorld, call: Call) -> Reply:
    return Reply(200, _document(world, call, _known(call.id.provider or call.tail.rpartition("/")[2])))


def register(world: AzureWorld, call: Call) -> Reply:
    return _change(world, call, "Registered")


def unregister(world: AzureWorld, call: Call) -> Reply:
    return _change(world, call, "NotRegistered")


def _change(world: AzureWorld, call: Call, state: str) -> Reply:
    name = _known(call.id.provider)
    world.registered[name.lower()] = state
    return Reply(200, _document(world, call, name))


def _known(namespace: str) -> str:
    """The namespace as Azure writes it. Raises InvalidResourceNamespace."""
    for name in (*NAMESPACES, *ALWAYS):
        if name.lower() == namespace.lower():
            return name
    raise ArmError("InvalidResourceNamespace", f"The resource namespace '{namespace}' is invalid.", 404)


def _document(world: AzureWorld, call: Call, namespace: str) -> dict[str, Any]:
    displays = [display for display, _, _ in places.LOCATIONS.values()]
    return {
        "id": f"/subscriptions/{call.id.subscription}/providers/{namespace}",
        "namespace": namespace,
        "registrationState": registration(world, namespace),
        "registrationPolicy": "RegistrationFree" if namespace in ALWAYS else "RegistrationRequired",
        "resourceTypes": [
            {"resourceType": kind, "locations": displays, "apiVersions": [version], "capabilities": "None"}
            for kind, version in NAMESPACES.get(namespace, {}).items()
        ],
    }


ROUTES: Routes = {
    ("GET", KIND, "providers"): listed,
    **{("GET", namespace, ""): get for namespace in (*NAMESPACES, *ALWAYS)},
    **{("POST", namespace, "register"): register for namespace in (*NAMESPACES, *ALWAYS)},
    **{("POST", namespace, "unregister"): unregister for namespace in (*NAMESPACES, *ALWAYS)},
}
