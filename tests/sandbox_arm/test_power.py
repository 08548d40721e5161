"""Power states: what is stopped, what is deallocated, and what each costs."""

from __future__ import annotations

import pytest

from tests.sandbox_arm.machines import begin, machine, statuses
from tests.sandbox_arm.support import GROUP, Arm, refused

pytestmark = pytest.mark.slow


def test_power_off_keeps_the_hardware_and_deallocate_gives_it_back(arm: Arm) -> None:
    machine(arm)
    machines = arm.compute.virtual_machines
    address = arm.network.public_ip_addresses.get(GROUP, "vm-nic-ip").properties.ip_address
    machines.begin_power_off(GROUP, "vm").result()
    assert statuses(arm)[1] == "PowerState/stopped"
    machines.begin_deallocate(GROUP, "vm").result()
    assert statuses(arm)[1] == "PowerState/deallocated"
    (disk,) = arm.compute.disks.list()
    assert disk.properties.disk_state == "Reserved"
    machines.begin_start(GROUP, "vm").result()
    assert statuses(arm) == ["ProvisioningState/succeeded", "PowerState/running"]
    # A static address stays.
    assert arm.network.public_ip_addresses.get(GROUP, "vm-nic-ip").properties.ip_address == address


def test_each_operation_has_a_state_of_passage(arm: Arm) -> None:
    machine(arm)
    arm.use("state_times: {stopping: 1, pending: 1}")
    machines = arm.compute.virtual_machines
    poller = machines.begin_deallocate(GROUP, "vm")
    assert statuses(arm) == ["ProvisioningState/updating", "PowerState/deallocating"]
    with refused("Conflict", 409):
        machines.begin_start(GROUP, "vm")
    poller.result()
    poller = machines.begin_start(GROUP, "vm")
    assert statuses(arm) == ["ProvisioningState/updating", "PowerState/starting"]
    poller.result()


def test_starting_can_find_no_room(arm: Arm) -> None:
    machine(arm)
    machines = arm.compute.virtual_machines
    machines.begin_deallocate(GROUP, "vm").result()
    arm.use("azure: {capacity: [{machines: 0}]}")
    with refused("AllocationFailed", 200):
        machines.begin_start(GROUP, "vm").result()
    assert statuses(arm) == ["ProvisioningState/failed/AllocationFailed", "PowerState/deallocated"]
    arm.use("")
    machines.begin_start(GROUP, "vm").result()
    assert statuses(arm) == ["ProvisioningState/succeeded", "PowerState/running"]


def test_a_stopped_vm_has_its_room(arm: Arm) -> None:
    machine(arm)
    machines = arm.compute.virtual_machines
    machines.begin_power_off(GROUP, "vm").result()
    arm.use("azure: {capacity: [{machines: 0}]}")
    machines.begin_start(GROUP, "vm").result()
    assert statuses(arm)[1] == "PowerState/running"


def test_deallocating_overtakes_a_creation(arm: Arm) -> None:
    arm.use("state_times: {pending: 2}")
    poller = begin(arm)
    arm.compute.virtual_machines.begin_deallocate(GROUP, "vm").result()
    with refused("OperationPreempted", 200):
        poller.result()
    assert statuses(arm) == ["ProvisioningState/succeeded", "PowerState/deallocated"]


def test_deleting_overtakes_a_start(arm: Arm) -> None:
    machine(arm)
    machines = arm.compute.virtual_machines
    machines.begin_power_off(GROUP, "vm").result()
    arm.use("state_times: {pending: 2}")
    machines.begin_start(GROUP, "vm")
    machines.begin_delete(GROUP, "vm").result()
    assert "azure-instance" not in arm.inventory()


def test_what_is_deallocated_cannot_be_powered_off_or_restarted(arm: Arm) -> None:
    machine(arm)
    machines = arm.compute.virtual_machines
    machines.begin_restart(GROUP, "vm").result()
    assert statuses(arm)[1] == "PowerState/running"
    machines.begin_deallocate(GROUP, "vm").result()
    with refused("OperationNotAllowed", 409):
        machines.begin_power_off(GROUP, "vm")
    with refused("OperationNotAllowed", 409):
        machines.begin_restart(GROUP, "vm")
    machines.begin_deallocate(GROUP, "vm").result()
    assert statuses(arm) == ["ProvisioningState/succeeded", "PowerState/deallocated"]


def test_a_fault_of_the_operation_leaves_the_power_state(arm: Arm) -> None:
    machine(arm)
    arm.use("azure: {faults: [{match: /deallocate, code: InternalExecutionError, async: true}]}")
    with refused("InternalExecutionError", 200):
        arm.compute.virtual_machines.begin_deallocate(GROUP, "vm").result()
    assert statuses(arm) == ["ProvisioningState/failed/InternalExecutionError", "PowerState/running"]


def test_the_operation_seconds_of_the_scenario_hold(arm: Arm) -> None:
    machine(arm)
    arm.use("azure: {operation_seconds: {POST virtualMachines/deallocate: 60}}")
    poller = arm.compute.virtual_machines.begin_deallocate(GROUP, "vm", polling=False)
    assert poller.status() != "Succeeded"
    assert statuses(arm)[1] == "PowerState/deallocating"


def test_an_evicted_spot_vm_is_deallocated_and_no_other_can_be_evicted(arm: Arm) -> None:
    machine(arm, priority="Spot", evictionPolicy="Deallocate", billingProfile={"maxPrice": -1})
    arm.compute.virtual_machines.simulate_eviction(GROUP, "vm")
    assert statuses(arm)[1] == "PowerState/deallocated"
    machine(arm, "regular")
    with refused("OperationNotAllowed", 409):
        arm.compute.virtual_machines.simulate_eviction(GROUP, "regular")
