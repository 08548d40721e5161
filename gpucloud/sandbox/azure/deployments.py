"""Deployments of templates into a resource group, as `az vm create` makes its machines."""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from gpucloud.sandbox.azure import gates, operations, places
from gpucloud.sandbox.azure.ids import ResourceId
from gpucloud.sandbox.azure.operations import Operation
from gpucloud.sandbox.azure.resources import Routes
from gpucloud.sandbox.azure.store import Resource
from gpucloud.sandbox.azure.templates import Template, invalid
from gpucloud.sandbox.azure.wire import ArmError, Call, Reply, without_nulls

if TYPE_CHECKING:
    from gpucloud.sandbox.azure.world import AzureWorld

TYPE = "Microsoft.Resources/deployments"
LOOK_SECONDS = 0.05  # between two looks at the resources' own operations
ABOUT = ("apiVersion", "dependsOn", "name", "type", "comments", "condition")
FAILED = (
    "At least one resource deployment operation failed. Please list deployment operations for details. Please see "
    "https://aka.ms/arm-deployment-operations for usage details."
)


@dataclass
class Run:
    """A deployment under way: what is still to be made, and the operations of what was begun, by resource id."""

    call: Call
    template: Template
    deployment: Resource
    operation: Operation
    pending: list[dict[str, Any]]
    begun: dict[str, str] = field(default_factory=dict)


def put(world: AzureWorld, call: Call) -> Reply:
    """Check the template and begin to make what it names: 201 with an operation."""
    group = places.check_group(world, call.id)
    template = Template(world, call, group)
    pending = [_checked(entry) for entry in template.resources]
    deployment = Resource(call.id)
    deployment.properties = {
        "mode": "Incremental",
        "parameters": {},
        "timestamp": operations.iso(time.time()),
        "correlationId": str(uuid4()),
        "providers": [],
        "dependencies": [],
        "provisioningState": "Running",
    }
    world.store.add(deployment)
    reply = Reply(201, deployment.view())
    operation, reply.headers = operations.register(world, call, _settle, style="async", location=group.location)
    step(world, Run(call, template, deployment, operation, pending))
    return reply


def get(world: AzureWorld, call: Call) -> Reply:
    return Reply(200, _found(world, call).view())


def exists(world: AzureWorld, call: Call) -> Reply:
    return Reply(204 if world.store.find(call.id) else 404)


def listed(world: AzureWorld, call: Call) -> Reply:
    world.store.group(call.id)
    return world.page(call, [deployment.view() for deployment in world.store.of_kind(TYPE, call.id.scope)])


def delete(world: AzureWorld, call: Call) -> Reply:
    """Forget a deployment; what it made stays."""
    world.store.remove(_found(world, call))
    return Reply(204)


def step(world: AzureWorld, run: Run) -> None:
    """Begin what can begin now, and look again later; the deployment ends when all is made or one thing failed."""
    with world.shared.lock:
        if run.operation.status != "InProgress" or run.operation.name not in world.operations:
            return
        try:
            if run.call.fault:
                raise run.call.fault
            waiting = _advance(world, run)
            if not waiting and not run.pending:
                run.deployment.properties["outputs"] = run.template.outputs()
                run.deployment.properties["outputResources"] = [{"id": made} for made in run.begun]
        except ArmError as error:
            run.operation.error = ArmError("DeploymentFailed", FAILED, 409, details=[error.document()])
        if run.operation.error or not (waiting or run.pending):
            operations.end(world, run.operation)
        else:
            world.shared.timers.at(time.time() + LOOK_SECONDS, partial(step, world, run))


def _advance(world: AzureWorld, run: Run) -> bool:
    """Whether something is still under way. Raises the ArmError of a resource that failed."""
    for entry in list(run.pending):
        if not any(_is_meant(needed, other) for needed in entry["dependsOn"] for other in _unfinished(world, run)):
            run.pending.remove(entry)
            _begin(world, run, entry)
    under_way = False
    for name in run.begun.values():
        operation = world.operations.get(name)
        if operation is not None and operation.error:
            raise operation.error
        under_way = under_way or (operation is not None and operation.status == "InProgress")
    return under_way


def _unfinished(world: AzureWorld, run: Run) -> list[str]:
    """The ids of what is not made yet."""
    open_operations = {
        made
        for made, name in run.begun.items()
        if name in world.operations and world.operations[name].status == "InProgress"
    }
    return [*open_operations, *(str(_id(run.call, entry)) for entry in run.pending)]


def _is_meant(needed: str, resource: str) -> bool:
    """Whether an entry of dependsOn (an id, `type/name`, or a name) means a resource."""
    return resource.lower() == needed.lower() or resource.lower().endswith(f"/{needed.lower()}")


def _begin(world: AzureWorld, run: Run, entry: dict[str, Any]) -> None:
    """PUT one resource, as ARM does on behalf of the caller."""
    wanted = _id(run.call, entry)
    route = world.router.find("PUT", wanted, "")
    body = without_nulls({name: value for name, value in entry.items() if name not in ABOUT})
    call = replace(
        run.call,
        id=wanted,
        path=str(wanted),
        query={"api-version": str(entry.get("apiVersion", ""))},
        headers={},
        body=body,
        action=route.action,
        permission=route.permission,
        fault=None,
    )
    reply = route.handler(world, gates.with_fault(world, call))
    status = reply.headers.get("Azure-AsyncOperation", "")
    run.begun[str(wanted)] = status.partition("?")[0].rpartition("/")[2]


def _id(call: Call, entry: dict[str, Any]) -> ResourceId:
    provider, *types = entry["type"].split("/")
    return ResourceId(call.id.subscription, call.id.group, provider, tuple(types), tuple(entry["name"].split("/")))


def _checked(entry: dict[str, Any]) -> dict[str, Any]:
    for member in ("type", "name", "apiVersion"):
        if not entry.get(member):
            raise invalid(f"Required property '{member}' not found in JSON")
    if len(entry["type"].split("/")) != len(entry["name"].split("/")) + 1:
        raise invalid(
            f"The template resource '{entry['name']}' of type '{entry['type']}' has incorrect segment lengths"
        )
    for unsupported in ("copy", "resources"):
        if unsupported in entry:
            raise invalid(f"The sandbox does not know '{unsupported}' of a resource [simulated]")
    return {"dependsOn": [], **entry}


def _found(world: AzureWorld, call: Call) -> Resource:
    world.store.group(call.id)
    found = world.store.find(call.id)
    if found is None:
        raise ArmError("DeploymentNotFound", f"Deployment '{call.id.name}' could not be found.", 404)
    return found


def _settle(world: AzureWorld, operation: Operation) -> None:
    """The end of a deployment; one that a restart of the daemon cut short has failed."""
    deployment = world.store.find(operation.subject)
    if deployment is None:
        return
    if operation.error is None and "outputs" not in deployment.properties:
        raise ArmError("DeploymentFailed", "The sandbox was restarted meanwhile [simulated].", 409)
    deployment.state = "Failed" if operation.error else "Succeeded"
    if operation.error:
        deployment.properties["error"] = operation.error.document()


ROUTES: Routes = {
    ("PUT", TYPE, ""): put,
    ("GET", TYPE, ""): get,
    ("HEAD", TYPE, ""): exists,
    ("DELETE", TYPE, ""): delete,
    ("GET", TYPE, "list"): listed,
}
