"""Resources that live inside another one, as subnets in a network: each has an address of its own."""

from __future__ import annotations

import copy
from functools import partial
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from gpucloud.sandbox.azure import operations, places, schema
from gpucloud.sandbox.azure.ids import ResourceId
from gpucloud.sandbox.azure.operations import Operation
from gpucloud.sandbox.azure.resources import ResourceType, Routes
from gpucloud.sandbox.azure.store import Resource, not_found
from gpucloud.sandbox.azure.wire import ArmError, Call, Reply

if TYPE_CHECKING:
    from gpucloud.sandbox.azure.world import AzureWorld


def routes_of_children(parent: ResourceType, member: str) -> Routes:
    """GET, PUT, DELETE and the list of the children in the `member` of a parent's properties.

    A change of a child is a change of its parent, which the parent's `prepare` checks as a whole.
    """
    name = f"{parent.name}/{member}"
    return {
        ("GET", name, ""): partial(get, member),
        ("GET", name, "list"): partial(listed, member),
        ("PUT", name, ""): partial(put, parent, member),
        ("DELETE", name, ""): partial(delete, parent, member),
    }


def get(member: str, world: AzureWorld, call: Call) -> Reply:
    found = _child(world.view(world.store.get(call.id.parent)), member, call.id.name)
    if found is None:
        raise ArmError("NotFound", f"Resource {call.id} not found.", 404)
    return Reply(200, found)


def listed(member: str, world: AzureWorld, call: Call) -> Reply:
    return world.page(call, world.view(world.store.get(call.id))["properties"][member])


def put(kind: ResourceType, member: str, world: AzureWorld, call: Call) -> Reply:
    """Create or replace a child: 201 or 200, with an operation."""
    places.check_group(world, call.id)
    parent = _parent(world, call)
    body = schema.check(call.id.type, call.document())
    entry = {**body, "name": call.id.name, "id": str(call.id)}
    old = _child(parent.view(), member, call.id.name)
    changed = _store(kind, world, call, parent, member, entry)
    reply = Reply(200 if old else 201, _child(world.view(changed), member, call.id.name))
    reply.headers = operations.begin(world, call, partial(settle_put, member), style="async", location=parent.location)
    return reply


def delete(kind: ResourceType, member: str, world: AzureWorld, call: Call) -> Reply:
    """Delete a child: 202 with an operation, 204 when there is none."""
    parent = _parent(world, call)
    if _child(parent.view(), member, call.id.name) is None:
        return Reply(204)
    if call.fault is None:
        _store(kind, world, call, parent, member, None)
    headers = operations.begin(world, call, settle_delete, style="both", location=parent.location)
    return Reply(202, None, headers)


def settle_put(member: str, world: AzureWorld, operation: Operation) -> None:
    """The end of a child's PUT; one that failed stays behind as Failed."""
    wanted = ResourceId.parse(operation.subject)
    parent = world.store.find(wanted.parent)
    for entry in parent.properties[member] if parent else []:
        if operation.error and entry["id"].lower() == wanted.key:
            entry["properties"]["provisioningState"] = "Failed"


def settle_delete(world: AzureWorld, operation: Operation) -> None:
    """The end of a child's DELETE: it is gone since the beginning, unless the operation was to fail."""


def _parent(world: AzureWorld, call: Call) -> Resource:
    world.store.group(call.id)
    parent = world.store.find(call.id.parent)
    if parent is None:
        error = not_found(call.id.parent)
        raise ArmError(
            "ParentResourceNotFound",
            f"Failed to perform '{call.method.lower()}' on resource(s) of type "
            f"'{'/'.join(call.id.types)}', because the parent resource '{call.id.parent}' could not be "
            "found.",
            error.status,
        )
    return parent


def _store(
    kind: ResourceType, world: AzureWorld, call: Call, parent: Resource, member: str, entry: dict[str, Any] | None
) -> Resource:
    """The parent with a child put in, or taken out when `entry` is None."""
    new, name = copy.deepcopy(parent), call.id.name.lower()
    rest = [other for other in new.properties[member] if other["name"].lower() != name]
    new.properties[member] = rest + ([entry] if entry else [])
    kind.prepare(world, call, new, parent)
    world.check_references(new)
    new.etag = str(uuid4())
    world.store.add(new)
    return new


def _child(parent: dict[str, Any], member: str, name: str) -> dict[str, Any] | None:
    return next((entry for entry in parent["properties"][member] if entry["name"].lower() == name.lower()), None)
