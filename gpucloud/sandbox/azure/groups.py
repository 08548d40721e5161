"""Resource groups, what is in them, and tags of anything: the part of ARM that belongs to no service."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from gpucloud.sandbox.azure import filters, operations, places, schema
from gpucloud.sandbox.azure.ids import GROUP
from gpucloud.sandbox.azure.ids import SUBSCRIPTION as SUBSCRIPTION_KIND
from gpucloud.sandbox.azure.operations import Operation
from gpucloud.sandbox.azure.resources import Routes
from gpucloud.sandbox.azure.store import Resource
from gpucloud.sandbox.azure.wire import ArmError, Call, Reply

if TYPE_CHECKING:
    from gpucloud.sandbox.azure.world import AzureWorld

NAME = re.compile(r"[-\w._()]*[-\w_()]")  # of at most 90 characters (Azure: "Naming rules and restrictions")
# Of the types that a group's deletion can be told to force, the only ones that ARM knows.
FORCED = ("Microsoft.Compute/virtualMachines", "Microsoft.Compute/virtualMachineScaleSets")


def put(world: AzureWorld, call: Call) -> Reply:
    """Create the group, or replace its tags."""
    _check_name(call.id.group)
    body = schema.check(GROUP, call.document())
    old = world.store.find(call.id)
    if old is not None:
        places.check_group(world, call.id)
    location = _location(call, old)
    group = Resource(old.id if old else call.id, location, places.tags(body))
    group.state = "Succeeded"
    if body.get("managedBy"):
        group.extra["managedBy"] = body["managedBy"]
    world.store.add(group)
    return Reply(200 if old else 201, _view(group))


def get(world: AzureWorld, call: Call) -> Reply:
    return Reply(200, _view(world.store.group(call.id)))


def exists(world: AzureWorld, call: Call) -> Reply:
    return Reply(204 if world.store.find(call.id) else 404)


def patch(world: AzureWorld, call: Call) -> Reply:
    """Replace the group's tags; nothing else of it can change."""
    group = places.check_group(world, call.id)
    if "tags" in call.document():
        group.tags = places.tags(call.document())
    return Reply(200, _view(group))


def listed(world: AzureWorld, call: Call) -> Reply:
    wanted = filters.parse(call.parameter("$filter"), allowed=("tagName", "tagValue"))
    groups = [group for group in world.store.of_kind(GROUP) if wanted.matches(group)]
    return world.page(call, [_view(group) for group in groups])


def delete(world: AzureWorld, call: Call) -> Reply:
    """Delete the group and everything in it: 202 with a Location that answers 202 until all is gone."""
    group = world.store.group(call.id)
    forced = [name for name in call.parameter("forceDeletionTypes").split(",") if name]
    if unknown := [name for name in forced if name.lower() not in {kind.lower() for kind in FORCED}]:
        raise ArmError(
            "InvalidForceDeletionTypes",
            f"The force deletion types '{','.join(unknown)}' are not supported. The supported types are "
            f"'{','.join(FORCED)}'.",
        )
    _check_outside_users(world, group)
    group.state = "Deleting"
    seconds = 0.0
    for resource in world.store.in_group(group.id):
        if kind := world.type_of(resource):
            seconds = max(seconds, kind.seconds(world, "DELETE"))
            if call.fault is None:
                kind.deleting(world, resource)
    headers = operations.begin(world, call, settle_delete, style="location", seconds=seconds, after_guests=True)
    return Reply(202, None, headers)


def settle_delete(world: AzureWorld, operation: Operation) -> object:
    """The end of a group's deletion: with an error the group and what is in it stay."""
    group = world.store.find(operation.subject)
    if group is None:
        return {}
    if operation.error:
        group.state = "Succeeded"
        return None
    for resource in world.store.in_group(group.id):
        world.remove(resource)
    world.store.remove(group)
    return {}


def resources(world: AzureWorld, call: Call) -> Reply:
    """What is in the group, or in the subscription: without properties, as ARM lists things."""
    if call.id.group:
        world.store.group(call.id)
    prefix = f"{call.id.scope}/".lower()
    found = [resource for resource in world.store.all() if resource.id.key.startswith(prefix)]
    wanted = filters.parse(
        call.parameter("$filter"), allowed=("tagName", "tagValue", "resourceType", "name", "resourceGroup", "location")
    )
    return world.page(call, [_listed(r, call.parameter("$expand")) for r in found if wanted.matches(r)])


def tags_get(world: AzureWorld, call: Call) -> Reply:
    return Reply(200, _tags(call, _tagged(world, call)))


def tags_put(world: AzureWorld, call: Call) -> Reply:
    resource = _tagged(world, call)
    resource.tags = places.tags(call.document().get("properties") or {})
    return Reply(200, _tags(call, resource))


def tags_patch(world: AzureWorld, call: Call) -> Reply:
    """Merge, Replace or Delete tags of one resource or group without touching the rest of it."""
    resource, body = _tagged(world, call), call.document()
    given, how = places.tags(body.get("properties") or {}), str(body.get("operation", ""))
    if how == "Replace":
        resource.tags = given
    elif how == "Merge":
        resource.tags = places.tags({"tags": {**resource.tags, **given}})
    elif how == "Delete":
        resource.tags = {name: value for name, value in resource.tags.items() if given.get(name) != value}
    else:
        raise ArmError(
            "InvalidTagsPatchOperation",
            f"The operation '{how}' is not supported. Supported operations are 'Replace,Merge,Delete'.",
        )
    return Reply(200, _tags(call, resource))


def tags_delete(world: AzureWorld, call: Call) -> Reply:
    _tagged(world, call).tags = {}
    return Reply(200)


def _check_name(name: str) -> None:
    if len(name) > 90:
        raise ArmError(
            "InvalidResourceGroupName",
            f"The provided resource group name '{name}' has a length of '{len(name)}' "
            "which exceeds the maximum of '90'.",
        )
    wrong = "".join(sorted(set(re.sub(r"[-\w.()]", "", name))))
    if wrong or not NAME.fullmatch(name):
        raise ArmError(
            "InvalidResourceGroupName",
            f"The provided resource group name '{name}' has these invalid characters: "
            f"'{wrong or '.'}'. The name can only be a letter, digit, '-', '.', '(', ')' or '_'.",
        )


def _location(call: Call, old: Resource | None) -> str:
    asked = str(call.document().get("location") or "")
    if not asked:
        raise ArmError("LocationRequired", "The location property is required for this definition.")
    location = places.normal(asked)
    if location not in places.LOCATIONS:
        raise ArmError(
            "LocationNotAvailableForResourceGroup",
            f"The provided location '{asked}' is not available for resource group. List of available regions is "
            f"'{','.join(places.LOCATIONS)}'.",
        )
    if old is not None and location != old.location:
        raise ArmError(
            "InvalidResourceGroupLocation",
            f"Invalid resource group location '{asked}'. The Resource group already exists in location "
            f"'{old.location}'.",
            409,
        )
    return location


def _check_outside_users(world: AzureWorld, group: Resource) -> None:
    """A group cannot go while something outside needs what is in it; ARM says so at the end, we at once."""
    prefix = f"{group.id.key}/"
    for resource in world.store.in_group(group.id):
        users = [user for user in world.store.users_of(resource.id) if not user.id.key.startswith(prefix)]
        if users:
            raise ArmError(
                "ResourceGroupDeletionBlocked",
                f"Deletion of resource group '{group.id.name}' failed as resources with identifiers "
                f"'{resource.id.type}/{resource.id.name}' could not be deleted. The provisioning state of the resource "
                "group will be rolled back. The tracking Id is 'simulated'. Please check audit logs for more details.",
                409,
            )


def _view(group: Resource) -> dict[str, Any]:
    return group.view()


def _listed(resource: Resource, expand: str) -> dict[str, Any]:
    """One entry of a generic list."""
    document = resource.view()
    document.pop("properties")
    document.pop("etag", None)
    if "provisioningState" in expand:
        document["provisioningState"] = resource.state
    if "createdTime" in expand:
        document["createdTime"] = operations.iso(resource.created)
    return document


def _tagged(world: AzureWorld, call: Call) -> Resource:
    """What the tags are of: the group, or the resource that the address extends."""
    from gpucloud.sandbox.azure.ids import ResourceId

    return world.store.get(ResourceId.parse(call.id.base)) if call.id.base else world.store.group(call.id)


def _tags(call: Call, resource: Resource) -> dict[str, Any]:
    return {
        "id": f"{resource.id}/providers/Microsoft.Resources/tags/default",
        "name": "default",
        "type": "Microsoft.Resources/tags",
        "properties": {"tags": dict(resource.tags)},
    }


TAGS = "Microsoft.Resources/tags"
ROUTES: Routes = {
    ("PUT", GROUP, ""): put,
    ("GET", GROUP, ""): get,
    ("HEAD", GROUP, ""): exists,
    ("PATCH", GROUP, ""): patch,
    ("DELETE", GROUP, ""): delete,
    ("GET", SUBSCRIPTION_KIND, "resourceGroups"): listed,
    ("GET", SUBSCRIPTION_KIND, "resources"): resources,
    ("GET", GROUP, "resources"): resources,
    ("GET", TAGS, ""): tags_get,
    ("PUT", TAGS, ""): tags_put,
    ("PATCH", TAGS, ""): tags_patch,
    ("DELETE", TAGS, ""): tags_delete,
}
