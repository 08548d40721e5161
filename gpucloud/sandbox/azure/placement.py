"""Where a VM can be put: what is sold in its region and zone, and whether there is room for it."""

from __future__ import annotations

from collections.abc import Iterator
from fnmatch import fnmatchcase

from gpucloud.sandbox.azure import places, sizes, skus
from gpucloud.sandbox.azure.sizes import Size
from gpucloud.sandbox.azure.store import Resource
from gpucloud.sandbox.azure.wire import ArmError
from gpucloud.sandbox.azure.world import AzureWorld
from gpucloud.sandbox.scenario import AzureCapacity

GUIDANCE = "Read more about improving likelihood of allocation success at http://aka.ms/allocation-guidance"
ALLOCATED = ("starting", "running", "stopping", "stopped")  # power states of a VM that holds hardware


def size_of(vm: Resource) -> Size:
    """The size that a VM has. Raises InvalidParameter for a size that does not exist."""
    name = str(vm.properties.get("hardwareProfile", {}).get("vmSize", ""))
    size = sizes.find(name)
    if size is None:
        known = ",".join(size.name for size in sizes.every().values())
        raise ArmError(
            "InvalidParameter",
            f"The value {name} provided for the VM size is not valid. The valid sizes in the current region are: "
            f"{known}. Find out more on the valid VM sizes in each region at https://aka.ms/azure-regions.",
            target="vmSize",
        )
    return size


def zone_of(vm: Resource) -> str:
    """The zone of a VM; empty for one that Azure puts anywhere in the region."""
    zones = vm.extra.get("zones") or [""]
    return str(zones[0])


def check(world: AzureWorld, vm: Resource) -> None:
    """Raise what Azure answers at once when a VM's size is not sold in its place, or (`sync`) is sold out."""
    size, zone = size_of(vm), zone_of(vm)
    if zone and zone not in places.zones(vm.location):
        raise _no_such_zone(vm, zone)
    refused = skus.restricted_zones(world.shared.scenario, size, vm.location)
    if not size.is_offered(vm.location) or refused is None or zone in refused:
        raise _not_available(size, vm.location)
    if any(entry.how == "sync" for entry in _full(world, vm, size)):
        raise _not_available(size, vm.location)


def allocation_error(world: AzureWorld, vm: Resource) -> ArmError | None:
    """With what the allocation of a VM fails after a while; None when there is room."""
    if not any(True for _ in _full(world, vm, size_of(vm))):
        return None
    place, code = ("zone", "ZonalAllocationFailed") if zone_of(vm) else ("region", "AllocationFailed")
    message = f"Allocation failed. We do not have sufficient capacity for the requested VM size in this {place}."
    return ArmError(code, f"{message} {GUIDANCE}", 409)


def _full(world: AzureWorld, vm: Resource, size: Size) -> Iterator[AzureCapacity]:
    """The scenario's limits that leave no room for a VM beside those that hold hardware in its place."""
    zone = zone_of(vm)
    beside = [
        size_of(other).name
        for other in world.store.of_kind(vm.id.type)
        if other.id.key != vm.id.key
        and (other.location, zone_of(other)) == (vm.location, zone)
        and other.private.get("power") in ALLOCATED
    ]
    for entry in world.shared.scenario.azure.capacity:
        if fnmatchcase(size.name, entry.type) and fnmatchcase(zone, entry.zone):
            taken = sum(fnmatchcase(name, entry.type) for name in beside)
            if taken >= entry.machines:
                yield entry


def _not_available(size: Size, location: str) -> ArmError:
    return ArmError(
        "SkuNotAvailable",
        f"The requested VM size for resource 'Following SKUs have failed for Capacity Restrictions: {size.name}' is "
        f"currently not available in location '{location}'. Please try another size or deploy to a different location "
        "or different zone. See https://aka.ms/azureskunotavailable for details.",
        409,
    )


def _no_such_zone(vm: Resource, zone: str) -> ArmError:
    known = places.zones(vm.location)
    if not known:
        return ArmError(
            "AvailabilityZoneNotSupported",
            f"The zone(s) '{zone}' for resource '{vm.id.type}/{vm.id.name}' is not supported. The supported zones for "
            f"location '{vm.location}' are ''",
        )
    return ArmError(
        "InvalidAvailabilityZone",
        f"The zone(s) '{zone}' for resource '{vm.id.type}/{vm.id.name}' is not supported. The supported zones for "
        f"location '{vm.location}' are '{','.join(known)}'",
    )
