"""VMs: made, shown, listed, changed and deleted."""

from __future__ import annotations

from typing import Any

import pytest

from tests.sandbox_arm.machines import T4, begin, body, machine, nic, os_disk, statuses
from tests.sandbox_arm.support import GROUP, Arm, refused

pytestmark = pytest.mark.slow

PATH = f"/resourceGroups/{GROUP}/providers/Microsoft.Compute/virtualMachines"


def test_a_new_vm_is_running_and_shows_what_azure_completes(arm: Arm) -> None:
    vm = machine(arm, tags={"gpucloud-run": "r1"})
    assert (vm.properties.provisioning_state, vm.tags) == ("Succeeded", {"gpucloud-run": "r1"})
    assert statuses(arm) == ["ProvisioningState/succeeded", "PowerState/running"]
    image = vm.properties.storage_profile.image_reference
    assert (image.version, image.exact_version) == ("latest", "22.04.202610150")
    assert vm.properties.os_profile.custom_data is None and vm.properties.os_profile.admin_password is None
    assert vm.properties.vm_id and vm.properties.time_created and vm.etag


def test_a_vm_is_on_its_way_before_it_runs(arm: Arm) -> None:
    arm.use("state_times: {pending: 1}")
    poller = begin(arm)
    assert statuses(arm) == ["ProvisioningState/creating", "PowerState/starting"]
    assert arm.compute.virtual_machines.get(GROUP, "vm").properties.provisioning_state == "Creating"
    poller.result()
    assert statuses(arm) == ["ProvisioningState/succeeded", "PowerState/running"]


def test_the_instance_view_comes_on_demand(arm: Arm) -> None:
    machine(arm)
    assert arm.compute.virtual_machines.get(GROUP, "vm").properties.instance_view is None
    view = arm.compute.virtual_machines.get(GROUP, "vm", expand="instanceView").properties.instance_view
    assert view.computer_name == "machine" and view.hyper_v_generation == "V2"
    assert view.vm_agent.statuses[0].display_status == "Ready"
    assert [status.display_status for status in view.statuses] == ["Provisioning succeeded", "VM running"]


def test_a_list_has_models_only_and_status_only_has_nothing_else(arm: Arm) -> None:
    machine(arm, tags={"a": "b"})
    (listed,) = arm.compute.virtual_machines.list_all()
    assert listed.tags == {"a": "b"} and listed.properties.instance_view is None
    (by_group,) = arm.compute.virtual_machines.list(GROUP)
    assert by_group.name == "vm"
    (brief,) = arm.compute.virtual_machines.list_all(status_only="true")
    assert brief.properties.instance_view.statuses[1].code == "PowerState/running"
    assert brief.tags is None and brief.properties.hardware_profile is None
    assert brief.properties.vm_id == listed.properties.vm_id


def test_expand_in_a_list_needs_a_filter(arm: Arm) -> None:
    with refused("BadRequest", 400):
        list(arm.compute.virtual_machines.list_all(expand="instanceView"))


def test_deleting_a_vm_takes_along_what_its_delete_options_say(arm: Arm) -> None:
    machine(arm)
    arm.compute.virtual_machines.begin_delete(GROUP, "vm", force_deletion=True).result()
    assert set(arm.inventory()) == {"azure-resource-group", "azure-virtual-network"}


def test_by_default_disk_and_interface_stay_behind(arm: Arm) -> None:
    reference = nic(arm)
    document = body(reference)
    del document["properties"]["storageProfile"]["osDisk"]["deleteOption"]
    document["properties"]["networkProfile"]["networkInterfaces"] = [{"id": reference}]
    arm.compute.virtual_machines.begin_create_or_update(GROUP, "vm", document).result()
    arm.compute.virtual_machines.begin_delete(GROUP, "vm").result()
    (disk,) = arm.compute.disks.list()
    assert (disk.properties.disk_state, disk.managed_by) == ("Unattached", None)
    assert len(arm.inventory()["azure-network-interface"]) == len(arm.inventory()["azure-public-ip"]) == 1


def test_the_groups_deletion_takes_everything(arm: Arm) -> None:
    machine(arm)
    arm.groups.resource_groups.begin_delete(GROUP).result()
    assert arm.inventory() == {}


def test_a_vm_that_is_being_deleted_takes_no_more_orders(arm: Arm) -> None:
    machine(arm)
    arm.use("state_times: {shutting_down: 1}")
    poller = arm.compute.virtual_machines.begin_delete(GROUP, "vm")
    with refused("OperationNotAllowed", 409) as found:
        arm.compute.virtual_machines.begin_start(GROUP, "vm")
    assert "marked for deletion" in found.message
    with refused("OperationNotAllowed", 409):
        arm.compute.virtual_machines.begin_update(GROUP, "vm", {"tags": {"a": "b"}})
    assert statuses(arm)[0] == "ProvisioningState/deleting"
    poller.result()
    assert "azure-instance" not in arm.inventory()


def test_deleting_what_is_not_there_is_no_error(arm: Arm) -> None:
    arm.group()
    answer = arm.send("DELETE", f"{arm.scope}{PATH}/nobody?api-version=2025-04-01")
    assert answer.status == 204
    with refused("ResourceNotFound", 404):
        arm.compute.virtual_machines.get(GROUP, "nobody")


def test_tags_can_be_changed_and_the_disk_keeps_its_own(arm: Arm) -> None:
    machine(arm, tags={"a": "old"})
    changed = arm.compute.virtual_machines.begin_update(GROUP, "vm", {"tags": {"a": "new"}}).result()
    assert changed.tags == {"a": "new"}
    (disk,) = arm.compute.disks.list()
    assert disk.tags == {"a": "old"}
    assert statuses(arm) == ["ProvisioningState/succeeded", "PowerState/running"]


def test_a_repeated_request_changes_nothing(arm: Arm) -> None:
    reference = nic(arm)
    machines = arm.compute.virtual_machines
    first = machines.begin_create_or_update(GROUP, "vm", body(reference)).result()
    second = machines.begin_create_or_update(GROUP, "vm", body(reference)).result()
    assert first.properties.vm_id == second.properties.vm_id
    assert len(arm.inventory()["azure-disk"]) == 1


@pytest.mark.parametrize(
    ("changes", "member"),
    [
        ({"storageProfile": {"osDisk": {"createOption": "FromImage", "diskSizeGB": 99}}}, "diskSizeGB"),
        ({"priority": "Spot"}, "priority"),
        ({"zones": ["1"]}, "zones"),
    ],
)
def test_what_a_vm_was_made_with_stays(arm: Arm, changes: dict[str, Any], member: str) -> None:
    reference = nic(arm)
    machines = arm.compute.virtual_machines
    machines.begin_create_or_update(GROUP, "vm", body(reference)).result()
    with refused("PropertyChangeNotAllowed", 409) as found:
        machines.begin_create_or_update(GROUP, "vm", body(reference, **changes))
    assert member in found.message


def test_conditions_on_the_etag_hold(arm: Arm) -> None:
    reference = nic(arm)
    machines = arm.compute.virtual_machines
    machines.begin_create_or_update(GROUP, "vm", body(reference)).result()
    with refused("PreconditionFailed", 412):
        machines.begin_create_or_update(GROUP, "vm", body(reference), headers={"If-None-Match": "*"})
    with refused("PreconditionFailed", 412):
        machines.begin_create_or_update(GROUP, "vm", body(reference), headers={"If-Match": '"other"'})


def test_an_interface_has_one_vm_only(arm: Arm) -> None:
    reference = nic(arm)
    machines = arm.compute.virtual_machines
    machines.begin_create_or_update(GROUP, "vm", body(reference)).result()
    with refused("NicInUse", 400):
        machines.begin_create_or_update(GROUP, "other", body(reference))
    assert arm.network.network_interfaces.get(GROUP, "nic").properties.virtual_machine.id.endswith("/vm")


def test_a_fault_of_the_operation_leaves_a_failed_vm_behind(arm: Arm) -> None:
    fault = "match: PUT .*/virtualMachines/, code: OverconstrainedAllocationRequest, message: too much, async: true"
    arm.use(f"azure: {{faults: [{{{fault}}}]}}")
    with refused("OverconstrainedAllocationRequest", 200):
        machine(arm)
    assert statuses(arm) == ["ProvisioningState/failed/OverconstrainedAllocationRequest"]
    arm.compute.virtual_machines.begin_delete(GROUP, "vm").result()
    assert set(arm.inventory()) == {"azure-resource-group", "azure-virtual-network"}


def test_a_failed_vm_can_be_asked_for_again(arm: Arm) -> None:
    arm.use("azure: {capacity: [{machines: 0}]}")
    reference = nic(arm)
    machines = arm.compute.virtual_machines
    with refused("AllocationFailed", 200):
        machines.begin_create_or_update(GROUP, "vm", body(reference)).result()
    arm.use("")
    machines.begin_create_or_update(GROUP, "vm", body(reference)).result()
    assert statuses(arm) == ["ProvisioningState/succeeded", "PowerState/running"]
    assert len(arm.inventory()["azure-disk"]) == 1


def test_a_vm_may_have_an_identity_and_data_disks(arm: Arm) -> None:
    storage = body("", T4)["properties"]["storageProfile"]
    storage["dataDisks"] = [{"lun": 0, "createOption": "Empty", "diskSizeGB": 8, "deleteOption": "Delete"}]
    storage["osDisk"] = os_disk(name="system")
    vm = machine(arm, identity={"type": "SystemAssigned"}, storageProfile=storage)
    assert vm.identity.principal_id
    assert vm.properties.storage_profile.os_disk.managed_disk.id.endswith("/disks/system")
    assert len(arm.inventory()["azure-disk"]) == 2
    with refused("ConflictingUserInput", 409):
        machine(arm, "other", storageProfile=storage)


def test_a_refused_update_leaves_the_vm_as_it_was(arm: Arm) -> None:
    arm.use("azure: {capacity: [{machines: 0}]}")
    reference = nic(arm)
    machines = arm.compute.virtual_machines
    with refused("AllocationFailed", 200):
        machines.begin_create_or_update(GROUP, "vm", body(reference)).result()
    arm.use("")
    storage = body("")["properties"]["storageProfile"]
    storage["dataDisks"] = [{"lun": 0, "createOption": "Empty"}, {"lun": 0, "createOption": "Empty"}]
    with refused("InvalidParameter", 400):
        machines.begin_create_or_update(GROUP, "vm", body(reference, storageProfile=storage))
    assert statuses(arm) == ["ProvisioningState/failed/AllocationFailed"]
