"""How VMs are shown: the model, the run-time state (instance view), and lists of either."""

from __future__ import annotations

from typing import Any

from gpucloud.sandbox.azure import operations, places
from gpucloud.sandbox.azure.lifecycle import TYPE
from gpucloud.sandbox.azure.resources import Routes
from gpucloud.sandbox.azure.store import Resource
from gpucloud.sandbox.azure.wire import ArmError, Call, Reply
from gpucloud.sandbox.azure.world import AzureWorld

PASSING = ("Creating", "Updating", "Deleting")  # provisioning states that are shown as they are


def instance_view(vm: Resource) -> dict[str, Any]:
    """The run-time state: provisioning and power as statuses, disks, and the agent while it can speak."""
    document: dict[str, Any] = {"hyperVGeneration": vm.private["generation"], "statuses": _statuses(vm)}
    now = operations.iso(vm.created)
    if vm.private["power"] == "running":
        ready = {"code": "ProvisioningState/succeeded", "level": "Info", "displayStatus": "Ready", "time": now}
        agent = {**ready, "message": "Guest Agent is running"}
        document.update(
            computerName=vm.properties["osProfile"]["computerName"],
            osName="ubuntu",
            osVersion=vm.private["os"].removeprefix("ubuntu-"),
            vmAgent={"vmAgentVersion": "2.11.1.4", "statuses": [agent], "extensionHandlers": []},
        )
    done = {
        "code": "ProvisioningState/succeeded",
        "level": "Info",
        "displayStatus": "Provisioning succeeded",
        "time": now,
    }
    storage = vm.properties["storageProfile"]
    document["disks"] = [
        {"name": entry["name"], "statuses": [done]} for entry in (storage["osDisk"], *storage["dataDisks"])
    ]
    if vm.properties.get("diagnosticsProfile", {}).get("bootDiagnostics", {}).get("enabled"):
        document["bootDiagnostics"] = {}
    return document


def _statuses(vm: Resource) -> list[dict[str, Any]]:
    state, power, failure = vm.state, vm.private["power"], vm.private.get("failure")
    first: dict[str, Any] = {"code": f"ProvisioningState/{state.lower()}", "level": "Info"}
    first["displayStatus"] = state if state in PASSING else f"Provisioning {state.lower()}"
    first["time"] = operations.iso(vm.private.get("changed", vm.created))
    if state == "Failed" and failure:
        first.update(code=f"ProvisioningState/failed/{failure['code']}", level="Error", message=failure["message"])
    last = {"code": f"PowerState/{power}", "level": "Info", "displayStatus": f"VM {power}"}
    return [first, last] if power else [first]


def get(world: AzureWorld, call: Call) -> Reply:
    """One VM; `$expand=instanceView` or `userData` adds that."""
    vm, wanted = world.store.get(call.id), call.parameter("$expand").lower()
    document = world.view(vm)
    if "instanceview" in wanted:
        document["properties"]["instanceView"] = instance_view(vm)
    if "userdata" in wanted and vm.private.get("user_data"):
        document["properties"]["userData"] = vm.private["user_data"]
    return Reply(200, document)


def view_of_instance(world: AzureWorld, call: Call) -> Reply:
    """GET …/instanceView."""
    return Reply(200, instance_view(world.store.get(call.id)))


def listed(world: AzureWorld, call: Call) -> Reply:
    """The VMs of a group or of the subscription, models only.

    For the subscription, `statusOnly=true` gives the run-time state *instead*: no tags, no size, no profiles.
    """
    if call.id.group:
        world.store.group(call.id)
    if call.parameter("$expand") and not call.parameter("$filter"):
        raise ArmError("BadRequest", "The $expand query option can only be used along with a valid $filter.")
    found = world.store.of_kind(TYPE, call.id.scope)
    brief = call.parameter("statusOnly").lower() == "true" and not call.id.group
    return world.page(call, [_status_only(vm) if brief else world.view(vm) for vm in found])


def listed_in(world: AzureWorld, call: Call) -> Reply:
    """The VMs of a region."""
    location = places.normal(call.id.name)
    return world.page(call, [world.view(vm) for vm in world.store.of_kind(TYPE) if vm.location == location])


def _status_only(vm: Resource) -> dict[str, Any]:
    view = {"vmId": vm.properties["vmId"], "instanceView": instance_view(vm)}
    return {"id": str(vm.id), "name": vm.id.name, "type": TYPE, "location": vm.location, "properties": view}


ROUTES: Routes = {
    ("GET", TYPE, ""): get,
    ("GET", TYPE, "list"): listed,
    ("GET", "Microsoft.Compute/locations/virtualMachines", "list"): listed_in,
    ("GET", TYPE, "instanceView"): view_of_instance,
}
