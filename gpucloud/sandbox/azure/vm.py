"""Virtual machines: made, changed and deleted. `vm_view` shows them, `power` switches them on and off."""

from __future__ import annotations

import copy
from typing import Any
from uuid import uuid4

from gpucloud.sandbox.azure import disks, images, lifecycle, operations, placement, resources, usages, vm_body
from gpucloud.sandbox.azure.lifecycle import TYPE
from gpucloud.sandbox.azure.resources import ResourceType
from gpucloud.sandbox.azure.store import Resource, references
from gpucloud.sandbox.azure.wire import ArmError, Call
from gpucloud.sandbox.azure.world import AzureWorld

# What stays as it was made; (member, …) below properties.
FIXED = [
    ("osProfile", "computerName"),
    ("osProfile", "adminUsername"),
    ("osProfile", "linuxConfiguration"),
    ("storageProfile", "imageReference"),
    ("storageProfile", "osDisk", "createOption"),
    ("storageProfile", "osDisk", "diskSizeGB"),
    ("storageProfile", "osDisk", "managedDisk", "storageAccountType"),
    ("priority",),
]


def prepare(world: AzureWorld, call: Call, new: Resource, old: Resource | None) -> None:
    """Check a VM and take everything that goes with it: its disks, its interfaces, its place, its guest."""
    if old is not None:
        check_free(old, "Update VM")
        _take_over(new, old)
    else:
        _check_new(world, new)
    for entry in vm_body.interfaces(new.properties):
        _check_interface(world, new, entry)
    allocates, refused = old is None or not old.private["power"], None
    if allocates:
        usages.check(world, placement.size_of(new), _is_spot(new), new.location, new.id)
        placement.check(world, new)
        refused = placement.allocation_error(world, new)
    disks.check(world, new, old)
    _sync_disks(world, new, old)
    # From here on nothing raises: an update shares these with the VM as it was.
    if allocates:
        new.private["power"] = "starting"
    new.private.update(turn="put", refused=refused.document() if refused else None)
    # The guest's work looks for the VM in the store, where the caller puts it next.
    if allocates and refused is None and call.fault is None:
        lifecycle.boot(world, new)


def settled(world: AzureWorld, vm: Resource, error: ArmError | None) -> None:
    """The end of a PUT. A VM without room stays behind as Failed, and the operation ends in that error."""
    if vm.private["turn"] != "put":
        raise preempted()
    refused = vm.private.pop("refused", None)
    if refused and error is None:
        _failed(vm, refused["code"], refused["message"])
        raise ArmError(refused["code"], refused["message"], 409)
    if error is not None:
        _failed(vm, error.code, error.message)
        return
    lifecycle.succeed(vm)
    if vm.private["power"] == "starting":
        vm.private["power"] = "running"


def _failed(vm: Resource, code: str, message: str) -> None:
    lifecycle.fail(vm, code, message)
    if vm.private["power"] == "starting":
        vm.private["power"] = ""


def check_free(vm: Resource, operation: str) -> None:
    """Raise OperationNotAllowed or Conflict while the VM is being deleted or changed."""
    if vm.state == "Deleting":
        raise ArmError(
            "OperationNotAllowed",
            f"Operation '{operation}' is not allowed on VM '{vm.id.name}' since the VM is marked for deletion. You can "
            "only retry the Delete operation (or wait for an ongoing one to complete).",
            409,
        )
    if vm.state in ("Creating", "Updating"):
        raise ArmError(
            "Conflict",
            "The request failed due to conflict with a concurrent request. To resolve it, please refer to "
            "https://aka.ms/activitylog to get more details on the conflicting requests.",
            409,
        )


def preempted() -> ArmError:
    """What an operation ends in that a later one overtook."""
    return ArmError("OperationPreempted", "Operation execution has been preempted by a more recent operation.", 409)


def _is_spot(vm: Resource) -> bool:
    return vm.properties.get("priority") in ("Spot", "Low")


def _check_new(world: AzureWorld, new: Resource) -> None:
    """Check the body of a VM that is to be made, and complete it."""
    properties = new.properties
    vm_body.check_name(new.id.name)
    vm_body.check_zones(new)
    if not properties.get("hardwareProfile", {}).get("vmSize"):
        raise vm_body.missing("hardwareProfile.vmSize")
    size = placement.size_of(new)
    storage = properties.get("storageProfile")
    if storage is None or not storage.get("osDisk"):
        raise vm_body.missing("storageProfile.osDisk")
    if not properties.get("osProfile"):
        raise vm_body.missing("osProfile")
    if not storage.get("imageReference"):
        raise vm_body.missing("storageProfile.imageReference")
    image = images.resolve(world, storage["imageReference"], new.location)
    vm_body.check_fit(size, image)
    vm_body.check_os_disk(storage["osDisk"], image, size)
    vm_body.check_os_profile(properties["osProfile"], new.id.name)
    vm_body.check_security(world, properties.get("securityProfile", {}), size, image)
    vm_body.check_spot(properties, size)
    _complete(new, image)


def _complete(new: Resource, image: images.Image) -> None:
    """What only Azure knows, and what it never shows again."""
    properties = new.properties
    properties.update(vmId=str(uuid4()), timeCreated=operations.iso(new.created))
    if image.version:
        properties["storageProfile"]["imageReference"]["exactVersion"] = image.version
    properties["storageProfile"].setdefault("dataDisks", [])
    new.private.update(
        guest=lifecycle.guest_id(properties["vmId"]),
        custom_data=vm_body.custom_data(properties["osProfile"]),
        os=image.os,
        preinstalled=image.preinstalled,
        generation=image.generation,
        user_data=properties.get("userData"),
    )
    _forget_secrets(properties)
    if new.extra.get("identity", {}).get("type", "").startswith("SystemAssigned"):
        new.extra["identity"].update(principalId=str(uuid4()), tenantId=str(uuid4()))


def _forget_secrets(properties: dict[str, Any]) -> None:
    """Take out what the API accepts and never shows."""
    properties.pop("userData", None)
    for secret in ("customData", "adminPassword"):
        properties.get("osProfile", {}).pop(secret, None)


def _take_over(new: Resource, old: Resource) -> None:
    """An update changes what it names and may change; everything else stays."""
    for path in FIXED:
        given, before = _member(new.properties, path), _member(old.properties, path)
        if given is not None and not _agree(given, before):
            raise _fixed(".".join(path))
    profile = new.properties.get("osProfile", {})
    if "customData" in profile and vm_body.custom_data(profile) != old.private["custom_data"]:
        raise _fixed("osProfile.customData")
    _forget_secrets(new.properties)
    zones = new.extra.setdefault("zones", old.extra.get("zones"))
    if zones != old.extra.get("zones"):
        raise _fixed("zones")
    size = _member(new.properties, ("hardwareProfile", "vmSize"))
    if size is not None and size.lower() != old.properties["hardwareProfile"]["vmSize"].lower():
        raise ArmError("OperationNotAllowed", "[simulated] The sandbox does not resize VMs: make a new one.", 409)
    given, new.properties = new.properties, copy.deepcopy(old.properties)
    given.pop("instanceView", None)
    resources.merge(new.properties, given)
    new.properties.update({name: old.properties[name] for name in ("vmId", "timeCreated")})
    new.extra = {name: value for name, value in {**old.extra, **new.extra}.items() if value is not None}


def _member(properties: dict[str, Any], path: tuple[str, ...]) -> Any:
    value: Any = properties
    for name in path:
        value = value.get(name) if isinstance(value, dict) else None
    return value


def _agree(given: object, before: object) -> bool:
    """Whether a value is the old one, or a part of it."""
    if isinstance(given, dict) and isinstance(before, dict):
        return all(_agree(value, before.get(name)) for name, value in given.items())
    return given == before


def _fixed(name: str) -> ArmError:
    return ArmError("PropertyChangeNotAllowed", f"Changing property '{name}' is not allowed.", 409, target=name)


def _check_interface(world: AzureWorld, vm: Resource, entry: dict[str, Any]) -> None:
    """Raise what Azure says of an interface that does not exist, is elsewhere or belongs to another VM."""
    interface = world.store.find(str(entry["id"]))
    if interface is None or interface.location != vm.location:
        raise ArmError(
            "InvalidResourceReference",
            f"Resource {entry['id']} referenced by resource {vm.id} was not found. Please make sure that the "
            "referenced resource exists, and that both resources are in the same region.",
        )
    if interface.state != "Succeeded":
        raise ArmError(
            "ReferencedResourceNotProvisioned",
            f"Cannot proceed with operation because resource {interface.id} used by resource {vm.id} is not in "
            f"Succeeded state. Resource is in {interface.state} state and the last operation that updated/is updating "
            "the resource is PutNicOperation.",
            429,
        )
    users = [other for other in world.store.of_kind(TYPE) if interface.id.key in references(other)]
    if other := next((user for user in users if user.id.key != vm.id.key), None):
        raise ArmError(
            "NicInUse",
            f"Network Interface {interface.id} is used by existing resource {other.id}. In order to delete the network "
            "interface, it must be dissociated from the resource. To learn more, see aka.ms/deletenic.",
        )


def _sync_disks(world: AzureWorld, new: Resource, old: Resource | None) -> None:
    """Make or attach the disks that a VM gains, and let go of those that it loses."""
    storage = new.properties["storageProfile"]
    before = {entry["name"]: entry for entry in old.properties["storageProfile"]["dataDisks"]} if old else {}
    if old is None:
        storage["osDisk"].setdefault("name", f"{new.id.name}_OsDisk_1_{uuid4().hex}")
        disks.make(world, new, storage["osDisk"], {"createOption": "FromImage", "imageReference": _image_id(new)})
    storage["dataDisks"] = [
        {**before.pop(entry["name"]), **entry} if entry.get("name") in before else disks.added(world, new, entry)
        for entry in storage["dataDisks"]
    ]
    for entry in before.values():
        disks.release(world, entry, delete=False)


def _image_id(vm: Resource) -> dict[str, str]:
    reference = vm.properties["storageProfile"]["imageReference"]
    if "id" in reference:
        return {"id": reference["id"]}
    path = f"Publishers/{reference['publisher']}/ArtifactTypes/VMImage/Offers/{reference['offer']}"
    version = f"Skus/{reference['sku']}/Versions/{reference['exactVersion']}"
    scope = f"/Subscriptions/{vm.id.subscription}/Providers/Microsoft.Compute/Locations/{vm.location}"
    return {"id": f"{scope}/{path}/{version}"}


def deleting(world: AzureWorld, vm: Resource) -> None:
    vm.private["turn"] = "delete"
    lifecycle.destroy(world, vm)


def removed(world: AzureWorld, vm: Resource) -> None:
    """What a VM takes along: its guest, and the disks and interfaces whose deleteOption is Delete."""
    lifecycle.destroy(world, vm)
    storage = vm.properties["storageProfile"]
    for entry in (storage["osDisk"], *storage["dataDisks"]):
        disks.release(world, entry, delete=entry.get("deleteOption") == "Delete")
    for entry in vm.properties["networkProfile"]["networkInterfaces"]:
        interface = world.store.find(entry["id"])
        if interface is not None and entry["properties"]["deleteOption"] == "Delete":
            world.remove(interface)
            _remove_addresses(world, interface)


def _remove_addresses(world: AzureWorld, interface: Resource) -> None:
    for configuration in interface.properties["ipConfigurations"]:
        public = configuration["properties"].get("publicIPAddress", {})
        address = world.store.find(public.get("id", ""))
        if address is not None and public.get("properties", {}).get("deleteOption") == "Delete":
            world.remove(address)


def seconds(world: AzureWorld, method: str) -> float:
    times = world.shared.scenario.state_times
    return times.shutting_down if method == "DELETE" else times.pending


TYPES = [
    ResourceType(
        TYPE,
        prepare,
        settled=settled,
        deleting=deleting,
        removed=removed,
        powered=lifecycle.powered,
        restored=lifecycle.restored,
        seconds=seconds,
        checks_references=False,
        etag=True,
    )
]
