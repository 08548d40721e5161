"""What every resource type of ARM has in common: PUT, GET, PATCH, DELETE and lists, made from one description."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from gpucloud.sandbox.azure import operations, places, schema
from gpucloud.sandbox.azure.operations import Operation
from gpucloud.sandbox.azure.store import Resource
from gpucloud.sandbox.azure.wire import ArmError, Call, Reply

if TYPE_CHECKING:
    from gpucloud.sandbox.azure.world import AzureWorld

Handler = Callable[["AzureWorld", Call], Reply]
Routes = dict[tuple[str, str, str], Handler]
TOP_LEVEL = ("sku", "zones", "identity", "plan", "extendedLocation", "kind", "managedBy")


def _nothing(world: AzureWorld, *_: Any) -> None:
    """What a type does that has nothing to add."""


def _at_once(world: AzureWorld, method: str) -> float:
    return 0.0


def _settled(world: AzureWorld, resource: Resource, error: ArmError | None) -> None:
    resource.state = "Failed" if error else "Succeeded"


@dataclass(frozen=True)
class ResourceType:
    """One type of resource; every function is a module-level one and is called with the world's lock held.

    prepare(world, call, new, old): check a PUT or PATCH and complete `new` (defaults, computed members). `new` is not
        in the store yet; `old` is the resource that it replaces, or None. Raises ArmError.
    settled(world, resource, error): the PUT's operation has ended; with an error it left this resource behind.
    view(world, resource, document): add to a reply what is computed (back references).
    blocked(world, resource): raise ArmError while the resource must not be deleted.
    deleting(world, resource): the deletion began (a VM's guest stops). `removed`: it is out of the store now.
    powered(world, resource, what): the guest named by `resource.private["guest"]` switched itself off or rebooted.
    restored(world, resource, guest_kept): the daemon was restarted; `guest_kept` says whether its guest's files exist.
    seconds(world, method): duration of the PUT and DELETE operations, unless the scenario's operation_seconds says.
    `operation`: whether a PUT is answered with an operation; else it is done when it is answered.
    `checks_references`: whether every id in the properties must exist. `etag`: whether the API shows one.
    """

    name: str
    prepare: Callable[[AzureWorld, Call, Resource, Resource | None], None]
    settled: Callable[[AzureWorld, Resource, ArmError | None], None] = _settled
    view: Callable[[AzureWorld, Resource, dict[str, Any]], None] = _nothing
    blocked: Callable[[AzureWorld, Resource], None] = _nothing
    deleting: Callable[[AzureWorld, Resource], None] = _nothing
    removed: Callable[[AzureWorld, Resource], None] = _nothing
    powered: Callable[[AzureWorld, Resource, str], None] = _nothing
    restored: Callable[[AzureWorld, Resource, bool], None] = _nothing
    seconds: Callable[[AzureWorld, str], float] = _at_once
    operation: bool = True
    checks_references: bool = True
    etag: bool = False


def routes_of(kind: ResourceType) -> Routes:
    """The usual handlers of a type; a module may replace some of them in its ROUTES."""
    handlers = {"PUT": put, "GET": get, "HEAD": head, "PATCH": patch, "DELETE": delete}
    routes: Routes = {(method, kind.name, ""): partial(handler, kind) for method, handler in handlers.items()}
    return {**routes, ("GET", kind.name, "list"): partial(listed, kind)}


def get(kind: ResourceType, world: AzureWorld, call: Call) -> Reply:
    return Reply(200, world.view(world.store.get(call.id)))


def head(kind: ResourceType, world: AzureWorld, call: Call) -> Reply:
    return Reply(204 if world.store.find(call.id) else 404)


def listed(kind: ResourceType, world: AzureWorld, call: Call) -> Reply:
    """The resources of the type in a group, or in the subscription."""
    if call.id.group:
        world.store.group(call.id)
    found = world.store.of_kind(kind.name, call.id.scope)
    return world.page(call, [world.view(resource) for resource in found])


def put(kind: ResourceType, world: AzureWorld, call: Call) -> Reply:
    """Create or replace. 201 for a new resource, 200 for one that was there."""
    group = places.check_group(world, call.id)
    call = replace(call, body=schema.check(kind.name, call.document()))
    old = world.store.find(call.id)
    check_conditions(call, old)
    return store(kind, world, call, _from_body(kind, world, call, group, old), old)


def patch(kind: ResourceType, world: AzureWorld, call: Call) -> Reply:
    """Change members of a resource: tags as a whole, properties one by one, as JSON merge patch does."""
    places.check_group(world, call.id)
    old = world.store.get(call.id)
    check_conditions(call, old)
    body = schema.check(kind.name, call.document(), "PATCH")
    new = copy.deepcopy(old)
    new.tags = places.tags(body) if "tags" in body else old.tags
    new.extra.update({name: body[name] for name in TOP_LEVEL if body.get(name) is not None})
    merge(new.properties, body.get("properties") or {})
    return store(kind, world, call, new, old)


def store(kind: ResourceType, world: AzureWorld, call: Call, new: Resource, old: Resource | None) -> Reply:
    """Let the type check `new`, put it into the world and start the operation that ends when it is ready."""
    kind.prepare(world, call, new, old)
    _check_stays(old)
    if kind.checks_references:
        world.check_references(new)
    new.etag = str(uuid4())
    new.state = ("Updating" if old else "Creating") if kind.operation else "Succeeded"
    world.store.add(new)
    status = 200 if old else 201
    if not kind.operation:
        kind.settled(world, new, None)
        return Reply(status, world.view(new))
    reply = Reply(status, world.view(new))
    seconds = kind.seconds(world, call.method)
    reply.headers = operations.begin(world, call, settle_put, style="async", seconds=seconds, location=new.location)
    return reply


def delete(kind: ResourceType, world: AzureWorld, call: Call) -> Reply:
    """Delete. 202 with both addresses to poll; 204 when there is nothing."""
    world.store.group(call.id)
    resource = world.store.find(call.id)
    if resource is None:
        return Reply(204)
    check_conditions(call, resource)
    kind.blocked(world, resource)
    if not kind.operation:
        world.remove(resource)
        return Reply(200)
    resource.state = "Deleting"
    if call.fault is None:
        kind.deleting(world, resource)
    seconds = kind.seconds(world, "DELETE")
    headers = operations.begin(
        world, call, settle_delete, style="both", seconds=seconds, location=resource.location, after_guests=True
    )
    return Reply(202, None, headers)


def settle_put(world: AzureWorld, operation: Operation) -> None:
    """The end of a PUT's operation: the type says how the resource is now."""
    resource = world.store.find(operation.subject)
    if resource is not None and (kind := world.type_of(resource)):
        kind.settled(world, resource, operation.error)


def settle_delete(world: AzureWorld, operation: Operation) -> None:
    """The end of a DELETE's operation: the resource is gone, or stays behind as Failed."""
    resource = world.store.find(operation.subject)
    if resource is None:
        return
    if operation.error:
        resource.state = "Failed"
    else:
        world.remove(resource)


def check_conditions(call: Call, old: Resource | None) -> None:
    """If-Match and If-None-Match. Raises PreconditionFailed (412)."""
    wanted, unwanted = call.header("if-match"), call.header("if-none-match")
    mismatch = wanted and wanted != "*" and (old is None or old.etag not in wanted)
    if mismatch or (wanted == "*" and old is None) or (unwanted == "*" and old is not None):
        raise ArmError("PreconditionFailed", "Precondition failed.", 412)


def _check_stays(old: Resource | None) -> None:
    """Raise AnotherOperationInProgress (409) for a resource that is being deleted."""
    # Compute says it of its machines in words of its own: see `vm.check_free`.
    if old is not None and old.state == "Deleting" and old.id.kind != "microsoft.compute/virtualmachines":
        raise ArmError(
            "AnotherOperationInProgress",
            f"Another operation on this or dependent resource is in progress. The resource {old.id} is being deleted.",
            409,
        )


def merge(into: dict[str, Any], changes: dict[str, Any]) -> None:
    """JSON merge patch: objects member by member, everything else as a whole."""
    for name, value in changes.items():
        if isinstance(value, dict) and isinstance(into.get(name), dict):
            merge(into[name], value)
        else:
            into[name] = value


def _from_body(kind: ResourceType, world: AzureWorld, call: Call, group: Resource, old: Resource | None) -> Resource:
    """The resource that a PUT's body describes; what the API keeps to itself goes over from the old one."""
    provider, *types = kind.name.split("/")
    written = replace(call.id, group=group.id.group, provider=provider, types=tuple(types))
    body = call.document()
    new = Resource(old.id if old else written, places.location(world, call, old), places.tags(body))
    new.properties = copy.deepcopy(body.get("properties") or {})
    new.extra = {name: copy.deepcopy(body[name]) for name in TOP_LEVEL if body.get(name) is not None}
    if old is not None:
        new.private, new.created = old.private, old.created
    return new
