"""Templates of deployments: their parameters and variables, and the functions that expressions in them may call."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from gpucloud.sandbox.azure.expressions import ExpressionError, Function, resolve
from gpucloud.sandbox.azure.ids import ResourceId
from gpucloud.sandbox.azure.store import Resource
from gpucloud.sandbox.azure.wire import ArmError, Call

if TYPE_CHECKING:
    from gpucloud.sandbox.azure.world import AzureWorld

PARTS = ("$schema", "contentVersion", "parameters", "variables", "resources", "outputs", "metadata")


def invalid(text: str) -> ArmError:
    return ArmError("InvalidTemplate", f"Deployment template validation failed: '{text}'.")


class Template:
    """One template with its parameter values, for one resource group. Raises InvalidTemplate."""

    def __init__(self, world: AzureWorld, call: Call, group: Resource) -> None:
        properties = call.document().get("properties") or {}
        self.document: dict[str, Any] = properties.get("template") or {}
        if unknown := set(self.document) - set(PARTS):
            raise invalid(f"Could not find member '{min(unknown)}' on object of type 'Template'")
        if "resources" not in self.document:
            raise invalid("Required property 'resources' not found in JSON")
        self.group, self.parameters = group, self._parameters(properties.get("parameters") or {})
        self.functions: dict[str, Function] = {
            "parameters": partial(_named, "parameter", self.parameters),
            "variables": partial(_named, "variable", self.document.get("variables") or {}),
            "concat": _concat,
            "format": _format,
            "tolower": lambda text: str(text).lower(),
            "resourceid": partial(_resource_id, group.id),
            "subscription": lambda: {
                "id": ResourceId(group.id.subscription).scope,
                "subscriptionId": group.id.subscription,
            },
            "resourcegroup": lambda: world.view(group),
            "reference": partial(_reference, world),
            "providers": lambda *names: {"apiVersions": [""]},
        }
        self.resources = [self.resolved(entry) for entry in self.document["resources"]]

    def resolved(self, value: Any) -> Any:
        try:
            return resolve(value, self.functions)
        except ExpressionError as error:
            raise invalid(f"Unable to process template language expressions: '{error}'") from error

    def outputs(self) -> dict[str, Any]:
        """The outputs, once every resource is there."""
        return {
            name: {"type": entry["type"], "value": self.resolved(entry["value"])}
            for name, entry in (self.document.get("outputs") or {}).items()
        }

    def _parameters(self, given: dict[str, Any]) -> dict[str, Any]:
        declared = self.document.get("parameters") or {}
        if unknown := set(given) - set(declared):
            raise invalid(
                f"The template parameters '{', '.join(sorted(unknown))}' in the parameters file are not valid"
            )
        values = {name: entry["defaultValue"] for name, entry in declared.items() if "defaultValue" in entry}
        values.update({name: entry.get("value") for name, entry in given.items()})
        if missing := set(declared) - set(values):
            raise invalid(f"The value for the template parameter '{min(missing)}' is not provided")
        return values


def _named(what: str, values: dict[str, Any], name: str) -> Any:
    if name not in values:
        raise ExpressionError(f"the template {what} '{name}' is not found")
    return values[name]


def _concat(*parts: Any) -> Any:
    if parts and isinstance(parts[0], list):
        return [item for part in parts for item in part]
    return "".join(str(part) for part in parts)


def _format(pattern: str, *values: Any) -> str:
    return str(pattern).format(*values)


def _resource_id(group: ResourceId, *parts: str) -> str:
    """resourceId([subscription], [group], type, name…): the first part with a slash is the type."""
    place = next((index for index, part in enumerate(parts) if "/" in part), None)
    if place is None:
        raise ExpressionError("resourceId needs a type")
    before, kind, names = parts[:place], parts[place], parts[place + 1 :]
    provider, *types = kind.split("/")
    if len(types) != len(names):
        raise ExpressionError(f"resourceId of '{kind}' needs {len(types)} names")
    scope = ResourceId(before[0] if len(before) > 1 else group.subscription, before[-1] if before else group.group)
    return str(ResourceId(scope.subscription, scope.group, provider, tuple(types), tuple(names)))


def _reference(world: AzureWorld, wanted: str, *_: str) -> Any:
    """The properties of a resource that exists; with `Full` the whole of it."""
    found = world.store.find(wanted)
    if found is None:
        raise ExpressionError(f"the resource '{wanted}' referenced in the template is not found")
    document = world.view(found)
    return document if "Full" in _ else document["properties"]
