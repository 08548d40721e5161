"""Managed disks: made by a request, or along with the VM that they belong to."""

from __future__ import annotations

from dataclasses import replace
from math import ceil
from typing import Any
from uuid import uuid4

from gpucloud.sandbox.azure import operations, resources
from gpucloud.sandbox.azure.ids import ResourceId
from gpucloud.sandbox.azure.resources import ResourceType, Routes
from gpucloud.sandbox.azure.store import Resource
from gpucloud.sandbox.azure.wire import ArmError, Call, Reply
from gpucloud.sandbox.azure.world import AzureWorld

TYPE = "Microsoft.Compute/disks"
GIB = 1024**3
SOURCES = ("Empty", "FromImage", "Copy", "Attach", "Import", "Restore", "Upload")
# GiB up to which a performance tier goes, and the tier's number ("Managed disk types" in the Azure docs).
TIERS = [(4, 1), (8, 2), (16, 3), (32, 4), (64, 6), (128, 10), (256, 15), (512, 20), (1024, 30), (2048, 40), (4096, 50)]
MOST = 32767  # GiB


def check(world: AzureWorld, vm: Resource, old: Resource | None) -> None:
    """Raise what Azure says of the disks that a VM asks for, before any of them is made."""
    storage = vm.properties["storageProfile"]
    luns = [entry.get("lun") for entry in storage["dataDisks"]]
    if None in luns or len(set(luns)) < len(luns):
        raise _invalid("Every data disk must have a LUN of its own.", "dataDisks.lun")
    before = {entry["name"] for entry in old.properties["storageProfile"]["dataDisks"]} if old else set()
    made = [entry for entry in storage["dataDisks"] if entry.get("createOption") != "Attach"]
    for entry in made if old else [storage["osDisk"], *made]:
        name = entry.get("name", "")
        if name and name not in before and world.store.find(vm.id.beside(TYPE, name)) is not None:
            raise ArmError(
                "ConflictingUserInput",
                f"Disk '{name}' already exists in resource group {vm.id.group.upper()}. Only CreateOption.Attach is "
                "supported.",
                409,
                target="/properties/creationData/createOption",
            )


def added(world: AzureWorld, vm: Resource, entry: dict[str, Any]) -> dict[str, Any]:
    """A data disk's entry with its disk: an existing one, or one that is made."""
    entry.setdefault("deleteOption", "Detach")
    entry.setdefault("caching", "None")
    if entry.get("createOption") == "Attach":
        attach(world, vm, entry)
    else:
        entry.setdefault("managedDisk", {}).setdefault("storageAccountType", "Premium_LRS")
        entry.setdefault("diskSizeGB", 32)
        make(world, vm, entry, {"createOption": "Empty"})
    return entry


def make(world: AzureWorld, vm: Resource, entry: dict[str, Any], creation: dict[str, Any]) -> None:
    """The disk that a VM's osDisk or dataDisks entry asks for; the entry is completed with its name and id.

    A disk made this way gets the VM's tags once, and its id has the group's name in capitals, as on Azure.
    """
    name = entry.setdefault("name", f"{vm.id.name}_disk{entry.get('lun', '')}_{uuid4().hex}")
    wanted = vm.id.beside(TYPE, name)
    entry["managedDisk"]["id"] = str(wanted)
    disk = Resource(replace(wanted, group=wanted.group.upper()), vm.location, dict(vm.tags))
    disk.properties.update(creationData=creation, diskSizeGB=entry["diskSizeGB"])
    if "osType" in entry:
        disk.properties.update(osType=entry["osType"], hyperVGeneration=vm.private["generation"])
    disk.extra.update(sku={"name": entry["managedDisk"]["storageAccountType"]}, managedBy=str(vm.id))
    if zones := vm.extra.get("zones"):
        disk.extra["zones"] = zones
    _complete(disk)
    disk.state = "Succeeded"
    world.store.add(disk)


def attach(world: AzureWorld, vm: Resource, entry: dict[str, Any]) -> None:
    """Attach an existing disk to a VM. Raises ConflictingUserInput when another VM has it."""
    disk = world.store.get(ResourceId.parse(str(entry.get("managedDisk", {}).get("id", ""))))
    owner = str(disk.extra.get("managedBy", ""))
    if owner and owner.lower() != vm.id.key:
        raise ArmError(
            "ConflictingUserInput",
            f"Disk '{disk.id.name}' cannot be attached as the disk is already owned by VM '{owner}'.",
            409,
        )
    entry["name"], entry["diskSizeGB"] = disk.id.name, disk.properties["diskSizeGB"]
    disk.extra["managedBy"] = str(vm.id)


def release(world: AzureWorld, entry: dict[str, Any], *, delete: bool) -> None:
    """A VM lets go of a disk, which goes with it or stays, and goes on costing."""
    disk = world.store.find(str(entry.get("managedDisk", {}).get("id", "")))
    if disk is None:
        return
    disk.extra.pop("managedBy", None)
    if delete:
        world.remove(disk)


def _prepare(world: AzureWorld, call: Call, new: Resource, old: Resource | None) -> None:
    creation = new.properties.setdefault("creationData", old.properties["creationData"] if old else {})
    if old is not None:
        _prepare_update(new, old)
    elif creation.get("createOption") not in SOURCES:
        raise _invalid("Required parameter 'creationData.createOption' is missing (null).", "creationData")
    elif source := creation.get("sourceResourceId"):
        new.properties.setdefault("diskSizeGB", world.store.get(ResourceId.parse(source)).properties["diskSizeGB"])
    size = new.properties.get("diskSizeGB")
    if not isinstance(size, int) or not 1 <= size <= MOST:
        raise _invalid(f"Disk size must be between 1 and {MOST} GB.", "disk.diskSizeGB")
    new.extra.setdefault("sku", {"name": "Standard_LRS"})
    _complete(new)


def _prepare_update(new: Resource, old: Resource) -> None:
    for name, value in old.properties.items():
        new.properties.setdefault(name, value)
    if new.properties["diskSizeGB"] < old.properties["diskSizeGB"]:
        raise _invalid("Shrinking the disk is not allowed.", "disk.diskSizeGB")
    new.extra = {**old.extra, **new.extra}


def _complete(disk: Resource) -> None:
    """The members that Azure computes."""
    size = disk.properties["diskSizeGB"]
    kind = disk.extra["sku"]["name"]
    disk.extra["sku"]["tier"] = "Premium" if kind.startswith("Premium") else "Standard"
    if kind.startswith("Premium_"):
        disk.properties["tier"] = f"P{next((number for most, number in TIERS if size <= most), 80)}"
    disk.properties.update(
        diskSizeBytes=size * GIB,
        # Of standard disks; a premium disk's grow with its tier.
        diskIOPSReadWrite=max(500, min(20000, ceil(size * 5))),
        diskMBpsReadWrite=100,
        encryption={"type": "EncryptionAtRestWithPlatformKey"},
        networkAccessPolicy="AllowAll",
        publicNetworkAccess="Enabled",
        timeCreated=operations.iso(disk.created),
    )
    disk.properties.setdefault("uniqueId", str(uuid4()))


def _view(world: AzureWorld, disk: Resource, document: dict[str, Any]) -> None:
    """Attached to a VM that is allocated, reserved for one that is not, or nobody's."""
    owner = world.store.find(str(disk.extra.get("managedBy", "")))
    deallocated = owner is not None and owner.private.get("power") == "deallocated"
    document["properties"]["diskState"] = "Unattached" if owner is None else "Reserved" if deallocated else "Attached"


def _blocked(world: AzureWorld, disk: Resource) -> None:
    if owner := disk.extra.get("managedBy"):
        raise ArmError("OperationNotAllowed", f"Disk {disk.id.name} is attached to VM {owner}.", 409)


def _invalid(message: str, target: str) -> ArmError:
    return ArmError("InvalidParameter", message, 400, target=target)


def put(world: AzureWorld, call: Call) -> Reply:
    """Create or replace: always 202, unlike other types."""
    reply = resources.put(KIND, world, call)
    reply.status = 202
    return reply


KIND = ResourceType(TYPE, _prepare, view=_view, blocked=_blocked, checks_references=False)
TYPES = [KIND]
ROUTES: Routes = {("PUT", TYPE, ""): put}
