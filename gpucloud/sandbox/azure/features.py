"""Preview features of resource providers, which a subscription registers for (Microsoft.Features)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gpucloud.sandbox.azure.resources import Routes
from gpucloud.sandbox.azure.wire import ArmError, Call, Reply

if TYPE_CHECKING:
    from gpucloud.sandbox.azure.world import AzureWorld

KNOWN = ("Microsoft.Compute/EncryptionAtHost", "Microsoft.Compute/UseStandardSecurityType")
FEATURES = "Microsoft.Features/providers/features"


def state(world: AzureWorld, feature: str) -> str:
    """Registered or NotRegistered, for a feature such as `Microsoft.Compute/EncryptionAtHost`."""
    given = {name.lower() for name in world.shared.scenario.azure.features}
    return world.features.get(feature.lower(), "Registered" if feature.lower() in given else "NotRegistered")


def get(world: AzureWorld, call: Call) -> Reply:
    return Reply(200, _document(world, call, _feature(call)))


def listed(world: AzureWorld, call: Call) -> Reply:
    namespace = f"{call.id.names[0]}/".lower()
    names = [name for name in KNOWN if name.lower().startswith(namespace)]
    return world.page(call, [_document(world, call, name) for name in names])


def register(world: AzureWorld, call: Call) -> Reply:
    """Real features take minutes in state Registering; here they are registered at once."""
    return _change(world, call, "Registered")


def unregister(world: AzureWorld, call: Call) -> Reply:
    return _change(world, call, "NotRegistered")


def _change(world: AzureWorld, call: Call, wanted: str) -> Reply:
    name = _feature(call)
    world.features[name.lower()] = wanted
    return Reply(200, _document(world, call, name))


def _feature(call: Call) -> str:
    """The feature that the path names, as Azure writes it. Raises FeatureNotFound."""
    asked = "/".join(call.id.names)
    for name in KNOWN:
        if name.lower() == asked.lower():
            return name
    raise ArmError("FeatureNotFound", f"The feature '{call.id.name}' could not be found.", 404)


def _document(world: AzureWorld, call: Call, feature: str) -> dict[str, Any]:
    namespace, _, name = feature.partition("/")
    above = f"/subscriptions/{call.id.subscription}/providers/Microsoft.Features"
    return {
        "id": f"{above}/providers/{namespace}/features/{name}",
        "name": feature,
        "type": FEATURES,
        "properties": {"state": state(world, feature)},
    }


ROUTES: Routes = {
    ("GET", FEATURES, ""): get,
    ("GET", FEATURES, "list"): listed,
    ("POST", FEATURES, "register"): register,
    ("POST", FEATURES, "unregister"): unregister,
}
