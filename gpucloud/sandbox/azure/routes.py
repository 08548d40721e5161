"""Which function answers which request: by method, path of resource types and action."""

from __future__ import annotations

import pkgutil
from dataclasses import dataclass
from importlib import import_module
from types import ModuleType

from gpucloud.sandbox import azure
from gpucloud.sandbox.azure import operations
from gpucloud.sandbox.azure.ids import GROUP, SUBSCRIPTION, ResourceId
from gpucloud.sandbox.azure.resources import Handler, ResourceType, Routes, routes_of
from gpucloud.sandbox.azure.wire import ArmError

VERBS = {"GET": "read", "HEAD": "read", "PUT": "write", "PATCH": "write", "DELETE": "delete", "POST": "action"}


@dataclass(frozen=True)
class Route:
    """A handler, and its names for the call log (`PUT virtualMachines`) and for roles (`Microsoft.Compute/…/write`)."""

    handler: Handler
    action: str
    permission: str


class Router:
    """Every handler of the package.

    A key of ROUTES is (method, full type, action): `("GET", "Microsoft.Compute/virtualMachines", "")` is one resource,
    action `list` a list of them, any other action the word behind the resource (`deallocate`, `instanceView`).
    """

    def __init__(self) -> None:
        self.types: dict[str, ResourceType] = {}
        self._routes: dict[tuple[str, str, str], Route] = {}
        for module in _modules():
            for kind in getattr(module, "TYPES", ()):
                self.types[kind.name.lower()] = kind
                self._add(routes_of(kind))
        for module in _modules():
            self._add(getattr(module, "ROUTES", {}))
        self._namespaces = {kind.partition("/")[0] for _, kind, _ in self._routes}

    def find(self, method: str, wanted: ResourceId, tail: str) -> Route:
        """The route of a request. Raises InvalidResourceNamespace, InvalidResourceType, MethodNotAllowed."""
        if _is_operation(wanted, tail):
            handler = operations.status if _words(wanted, tail)[-1] == "operations" else operations.result
            own = f"{wanted.provider}/locations/operations" if wanted.provider else f"{SUBSCRIPTION}/operationresults"
            return Route(handler, "GET operations", f"{own}/read")
        kind, word = wanted.kind, tail.lower()
        below = f"{kind}/{word}" if tail else kind
        found = self._routes.get((method, kind, word)) or (self._routes.get((method, below, "list")) if tail else None)
        if found is None:
            raise self._unknown(method, wanted, tail, below)
        return found

    def _add(self, routes: Routes) -> None:
        for (method, kind, action), handler in routes.items():
            key = (method, kind.lower(), action.lower())
            self._routes[key] = Route(handler, _action(method, kind, action), _permission(method, kind, action))

    def _unknown(self, method: str, wanted: ResourceId, tail: str, below: str) -> ArmError:
        if wanted.provider and wanted.provider.lower() not in self._namespaces:
            return ArmError("InvalidResourceNamespace", f"The resource namespace '{wanted.provider}' is invalid.", 404)
        known = {below} if not wanted.types else {below, wanted.kind}
        if any(kind in known for _, kind, _ in self._routes):
            return ArmError("MethodNotAllowed", f"The HTTP method '{method}' is not supported at scope '{below}'.", 405)
        types = "/".join((*wanted.types, tail)).strip("/")
        return ArmError(
            "InvalidResourceType",
            f"The resource type '{types}' could not be found in the namespace '{wanted.provider}'. "
            "[simulated] The sandbox serves what gpucloud and `az vm` need.",
            404,
        )


def _modules() -> list[ModuleType]:
    return [import_module(f"{azure.__name__}.{found.name}") for found in pkgutil.iter_modules(azure.__path__)]


def _words(wanted: ResourceId, tail: str) -> list[str]:
    return [word for word in (*(kind.lower() for kind in wanted.types), *tail.lower().split("/")[:1]) if word]


def _is_operation(wanted: ResourceId, tail: str) -> bool:
    words = _words(wanted, tail)
    return words[-1:] in (["operations"], ["operationresults"]) and words[:-1] in ([], ["locations"])


def _action(method: str, kind: str, action: str) -> str:
    last = kind.rpartition("/")[2]
    return f"{method} {last}" if action in ("", "list") else f"{method} {last}/{action}"


def _permission(method: str, kind: str, action: str) -> str:
    """What a role calls it. What Resource Manager serves itself is called by where it is."""
    if kind == GROUP:
        kind = f"{SUBSCRIPTION}/resourceGroups"
    elif not kind:
        kind = SUBSCRIPTION.partition("/")[0]
    elif "/" not in kind and not action:
        kind = f"{SUBSCRIPTION}/providers"
    if action in ("", "list"):
        return f"{kind}/{VERBS[method]}"
    return f"{kind}/{action}/{VERBS[method]}"
