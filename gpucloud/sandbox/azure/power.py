"""What changes a VM's power state by request: start, powerOff, deallocate, restart and their kin."""

from __future__ import annotations

from functools import partial
from typing import Any, Literal
from uuid import uuid4

from gpucloud.sandbox.azure import lifecycle, operations, placement, vm
from gpucloud.sandbox.azure.lifecycle import TYPE
from gpucloud.sandbox.azure.operations import Operation
from gpucloud.sandbox.azure.resources import Routes
from gpucloud.sandbox.azure.store import Resource
from gpucloud.sandbox.azure.wire import ArmError, Call, Reply
from gpucloud.sandbox.azure.world import AzureWorld

State = Literal["running", "stopped", "deallocated"]


def start(world: AzureWorld, call: Call) -> Reply:
    """Boot a VM. One that was deallocated must be given hardware anew, which may fail after a while."""
    machine = world.store.get(call.id)
    vm.check_free(machine, "start")
    before = machine.private["power"]
    refused = None if before in placement.ALLOCATED else placement.allocation_error(world, machine)
    if before != "running":
        machine.private["power"] = "starting"
        if refused is None and call.fault is None:
            lifecycle.boot(world, machine)
    error = refused.document() if refused else None
    seconds = world.shared.scenario.state_times.pending
    return change(world, call, machine, partial(settle, "running", before, error), seconds)


def power_off(world: AzureWorld, call: Call) -> Reply:
    """Halt a VM that keeps its hardware: stopped, and still billed."""
    machine = world.store.get(call.id)
    vm.check_free(machine, "powerOff")
    if machine.private["power"] not in placement.ALLOCATED:
        raise _deallocated(machine, "powerOff")
    return _halt(world, call, machine, "stopped")


def deallocate(world: AzureWorld, call: Call) -> Reply:
    """Halt a VM and give its hardware back. It overtakes whatever is under way but a deletion."""
    machine = world.store.get(call.id)
    if machine.state == "Deleting":
        vm.check_free(machine, "deallocate")
    return _halt(world, call, machine, "deallocated")


def restart(world: AzureWorld, call: Call) -> Reply:
    machine = world.store.get(call.id)
    vm.check_free(machine, "restart")
    if machine.private["power"] != "running":
        raise ArmError("OperationNotAllowed", "The operation requires the VM to be running (or set to run).", 409)
    if call.fault is None:
        lifecycle.reboot(world, machine)
    seconds = world.shared.scenario.state_times.pending
    return change(world, call, machine, partial(settle, "running", "running", None), seconds)


def generalize(world: AzureWorld, call: Call) -> Reply:
    """Declare a VM's disk ready to be made an image of."""
    machine = world.store.get(call.id)
    if machine.private["power"] in ("starting", "running"):
        raise ArmError(
            "OperationNotAllowed",
            f"Operation 'generalize' is not allowed on VM '{machine.id.name}' since the VM is running. Please power "
            "off explicitly in case you shut down the VM from inside the guest operating system.",
            409,
        )
    return Reply(200)


def simulate_eviction(world: AzureWorld, call: Call) -> Reply:
    """Take a Spot VM's hardware away, as Azure does when it needs it: the eviction policy says what becomes of it."""
    machine = world.store.get(call.id)
    vm.check_free(machine, "simulateEviction")
    if machine.properties.get("priority") != "Spot":
        raise ArmError("OperationNotAllowed", "The operation is only allowed on Azure Spot Virtual Machines.", 409)
    if machine.properties["evictionPolicy"] == "Delete":
        vm.deleting(world, machine)
        world.remove(machine)
    else:
        machine.private.update(power="deallocated", turn="evicted")
        lifecycle.halt(world, machine)
    return Reply(204)


def deallocate_by_service(world: AzureWorld, machine: Resource) -> None:
    """Deallocate a VM on behalf of another service of Azure: an operation that no client polls."""
    turn, before = str(uuid4()), machine.private["power"]
    machine.state = "Updating"
    machine.private.update(turn=turn, power="deallocating")
    lifecycle.halt(world, machine)
    operation = Operation(partial(settle, "deallocated", before, None, turn), machine.id.key)
    world.operations[operation.name] = operation
    due = operation.started + world.shared.scenario.state_times.stopping
    done = partial(operations.end, world, operation)
    world.shared.timers.at(due, partial(world.shared.chores.after, [machine.private["guest"]], done))


def change(
    world: AzureWorld, call: Call, machine: Resource, settled: Any, seconds: float, *, after_guests: bool = False
) -> Reply:
    """Begin an operation on a VM. `settled(turn, world, operation)` ends it; an older operation ends preempted.

    `after_guests`: not before the work on the guest is done that was given before.
    """
    turn = str(uuid4())
    machine.state, machine.private["turn"] = "Updating", turn
    settled = partial(settled, turn)
    place = machine.location
    headers = operations.begin(
        world, call, settled, style="both", seconds=seconds, location=place, after_guests=after_guests
    )
    return Reply(202, None, headers)


def settle(
    to: State, before: str, refused: dict[str, Any] | None, turn: str, world: AzureWorld, operation: Operation
) -> None:
    """The end of a power operation: the VM is in its new state, or back in the old one as Failed."""
    machine = world.store.find(operation.subject)
    if machine is None or machine.private["turn"] != turn:
        raise vm.preempted()
    if error := operation.error.document() if operation.error else refused:
        machine.private["power"] = before
        lifecycle.fail(machine, error["code"], error["message"])
        raise ArmError(error["code"], error["message"], 409, details=error.get("details", ()))
    machine.private["power"] = to
    lifecycle.succeed(machine)


def _halt(world: AzureWorld, call: Call, machine: Resource, to: State) -> Reply:
    before = machine.private["power"]
    if before not in (to, "deallocated", ""):
        machine.private["power"] = "stopping" if to == "stopped" else "deallocating"
    if call.fault is None:
        lifecycle.halt(world, machine)
    seconds = world.shared.scenario.state_times.stopping
    return change(world, call, machine, partial(settle, to, before, None), seconds, after_guests=True)


def _deallocated(machine: Resource, operation: str) -> ArmError:
    return ArmError(
        "OperationNotAllowed",
        f"Operation '{operation}' is not allowed on VM '{machine.id.name}' since the VM is either deallocated or "
        "marked to be deallocated.",
        409,
    )


ROUTES: Routes = {
    ("POST", TYPE, "start"): start,
    ("POST", TYPE, "powerOff"): power_off,
    ("POST", TYPE, "deallocate"): deallocate,
    ("POST", TYPE, "restart"): restart,
    ("POST", TYPE, "generalize"): generalize,
    ("POST", TYPE, "simulateEviction"): simulate_eviction,
}
