"""Managed disks: of VMs and on their own."""

from __future__ import annotations

from typing import Any

import pytest

from tests.sandbox_arm.machines import machine
from tests.sandbox_arm.support import GROUP, LOCATION, Arm, refused

pytestmark = pytest.mark.slow


def disk(arm: Arm, name: str = "data", size: int = 32, **more: Any) -> Any:
    document = {
        "location": LOCATION,
        "properties": {"creationData": {"createOption": "Empty"}, "diskSizeGB": size, **more},
    }
    return arm.compute.disks.begin_create_or_update(GROUP, name, document).result()


def test_a_vms_disk_is_a_resource_of_its_own(arm: Arm) -> None:
    vm = machine(arm, tags={"gpucloud-run": "r1"})
    (made,) = arm.compute.disks.list_by_resource_group(GROUP)
    assert made.id.lower() == vm.properties.storage_profile.os_disk.managed_disk.id.lower()
    # As on Azure, whose lists have the group of such disks in capitals.
    assert f"/resourceGroups/{GROUP.upper()}/" in made.id
    assert (made.tags, made.managed_by) == ({"gpucloud-run": "r1"}, vm.id)
    assert (made.properties.disk_state, made.properties.disk_size_gb, made.sku.name) == ("Attached", 64, "Premium_LRS")
    assert made.properties.creation_data.image_reference.id.endswith("/Versions/22.04.202610150")


def test_what_a_vm_has_cannot_be_deleted(arm: Arm) -> None:
    machine(arm)
    (made,) = arm.compute.disks.list()
    with refused("OperationNotAllowed", 409) as found:
        arm.compute.disks.begin_delete(GROUP, made.name)
    assert "is attached to VM" in found.message


def test_a_disk_is_made_grown_tagged_and_deleted(arm: Arm) -> None:
    arm.group()
    made = disk(arm)
    assert (made.properties.disk_state, made.sku.name) == ("Unattached", "Standard_LRS")
    changed = arm.compute.disks.begin_update(GROUP, "data", {"tags": {"a": "b"}}).result()
    assert (changed.tags, changed.properties.disk_size_gb) == ({"a": "b"}, 32)
    grown = arm.compute.disks.begin_update(GROUP, "data", {"properties": {"diskSizeGB": 64}}).result()
    assert grown.properties.disk_size_bytes == 64 * 1024**3
    with refused("InvalidParameter", 400):
        disk(arm, size=8)
    arm.compute.disks.begin_delete(GROUP, "data").result()
    assert "azure-disk" not in arm.inventory()


def test_a_disk_can_be_attached_to_one_vm_and_detached(arm: Arm) -> None:
    vm, data = machine(arm), disk(arm)
    machine(arm, "other")
    machines = arm.compute.virtual_machines
    vm.properties.storage_profile.data_disks = [{"lun": 0, "createOption": "Attach", "managedDisk": {"id": data.id}}]
    vm = machines.begin_create_or_update(GROUP, "vm", vm).result()
    assert arm.compute.disks.get(GROUP, "data").managed_by == vm.id
    other = machines.get(GROUP, "other")
    other.properties.storage_profile.data_disks = [{"lun": 0, "createOption": "Attach", "managedDisk": {"id": data.id}}]
    with refused("ConflictingUserInput", 409):
        machines.begin_create_or_update(GROUP, "other", other)
    vm.properties.storage_profile.data_disks = []
    machines.begin_create_or_update(GROUP, "vm", vm).result()
    assert arm.compute.disks.get(GROUP, "data").properties.disk_state == "Unattached"


def test_a_disk_needs_a_source_and_a_size(arm: Arm) -> None:
    arm.group()
    with refused("InvalidParameter", 400):
        arm.compute.disks.begin_create_or_update(GROUP, "data", {"location": LOCATION, "properties": {"diskSizeGB": 1}})
    with refused("InvalidParameter", 400):
        disk(arm, size=40000)
