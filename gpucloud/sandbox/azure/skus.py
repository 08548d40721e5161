"""Microsoft.Compute/skus: which sizes are sold where, what they can, and what the subscription may not have."""

from __future__ import annotations

import re
from fnmatch import fnmatchcase
from typing import Any

from gpucloud.sandbox.azure import places, sizes
from gpucloud.sandbox.azure.resources import Routes
from gpucloud.sandbox.azure.sizes import Size
from gpucloud.sandbox.azure.wire import ArmError, Call, Reply
from gpucloud.sandbox.azure.world import AzureWorld
from gpucloud.sandbox.scenario import Scenario

LOCATION_FILTER = re.compile(r"\s*location\s+eq\s+'([^']*)'\s*", re.IGNORECASE)
OS_DISK_MIB = 1047552  # the largest OS disk of every size, as the API states it
# The list is of more than VM sizes: clients have to look at resourceType.
OTHERS = [("disks", "Premium_LRS", "P10"), ("disks", "StandardSSD_LRS", "E10"), ("availabilitySets", "Aligned", "")]


def restricted_zones(scenario: Scenario, size: Size, location: str) -> set[str] | None:
    """The zones of a region in which the subscription may not have the size; None where it may not have it at all.

    Retired sizes are still listed where they were sold, but nobody gets them.
    """
    entries = [entry for entry in scenario.azure.restricted if fnmatchcase(size.name, entry.type)]
    if size.retired or any(not entry.zone for entry in entries):
        return None
    return {zone for zone in size.zones(location) if any(fnmatchcase(zone, entry.zone) for entry in entries)}


def restrictions(scenario: Scenario, size: Size, location: str) -> list[dict[str, Any]]:
    """`restrictions` of a size in a region. What holds for the whole region is repeated for its zones."""
    zones = restricted_zones(scenario, size, location)
    found = []
    if zones is None:
        found.append(_restriction("Location", location, {"locations": [location]}))
        zones = set(size.zones(location))
    if zones:
        found.append(_restriction("Zone", location, {"locations": [location], "zones": sorted(zones)}))
    return found


def _restriction(kind: str, location: str, info: dict[str, Any]) -> dict[str, Any]:
    reason = "NotAvailableForSubscription"
    return {"type": kind, "values": [location], "restrictionInfo": info, "reasonCode": reason}


def capabilities(size: Size) -> list[dict[str, str]]:
    """What a size can, as name and value, all of them text."""
    values: dict[str, object] = {
        "OSVhdSizeMB": OS_DISK_MIB,
        "vCPUs": size.vcpus,
        "MemoryPreservingMaintenanceSupported": not size.gpus,
        "HyperVGenerations": size.generations,
        "MemoryGB": f"{size.memory_gib:g}",
        "CpuArchitectureType": size.arch,
        "LowPriorityCapable": size.spot,
        "PremiumIO": size.premium,
        "VMDeploymentTypes": "IaaS",
        "vCPUsAvailable": size.vcpus,
        "EncryptionAtHostSupported": size.host_encryption,
        "CapacityReservationSupported": False,
        "AcceleratedNetworkingEnabled": size.fast_network,
        "RdmaEnabled": False,
    }
    if size.local_mib is not None:
        values["MaxResourceVolumeMB"] = size.local_mib
    if size.gpus:
        values["GPUs"] = size.gpus
    if not size.trusted_launch:
        values["TrustedLaunchDisabled"] = True
    return [{"name": name, "value": str(value)} for name, value in values.items()]


def document(scenario: Scenario, size: Size, location: str) -> dict[str, Any]:
    """One entry of the list: a size in a region."""
    return {
        "resourceType": "virtualMachines",
        "name": size.name,
        "tier": "Standard",
        "size": size.name.removeprefix("Standard_"),
        "family": size.family,
        "locations": [location],
        "locationInfo": [{"location": location, "zones": size.zones(location), "zoneDetails": []}],
        "capabilities": capabilities(size),
        "restrictions": restrictions(scenario, size, location),
    }


def listed(world: AzureWorld, call: Call) -> Reply:
    """GET …/Microsoft.Compute/skus; `$filter=location eq '…'` is the only filter there is."""
    wanted = _filtered(call.parameter("$filter"))
    scenario = world.shared.scenario
    items = [
        document(scenario, size, location)
        for location in wanted
        for size in sizes.every().values()
        if size.is_offered(location)
    ]
    return Reply(200, {"value": [*items, *(_other(*other, location) for location in wanted for other in OTHERS)]})


def vm_sizes(world: AzureWorld, call: Call) -> Reply:
    """GET …/locations/L/vmSizes: the older list, without restrictions."""
    location = places.normal(call.id.name)
    offered = [size for size in sizes.every().values() if size.is_offered(location) and not size.retired]
    return Reply(200, {"value": [_vm_size(size) for size in offered]})


def _filtered(text: str) -> list[str]:
    if not text:
        return list(places.LOCATIONS)
    match = LOCATION_FILTER.fullmatch(text)
    if match is None:
        raise ArmError("BadRequest", f"The filter '{text}' is not supported. Only location filter is supported.")
    location = places.normal(match[1])
    return [location] if location in places.LOCATIONS else []


def _other(kind: str, name: str, size: str, location: str) -> dict[str, Any]:
    info = {"location": location, "zones": places.zones(location), "zoneDetails": []}
    return {
        "resourceType": kind,
        "name": name,
        "tier": name.partition("_")[0],
        "size": size,
        "locations": [location],
        "locationInfo": [info],
        "capabilities": [],
        "restrictions": [],
    }


def _vm_size(size: Size) -> dict[str, Any]:
    return {
        "name": size.name,
        "numberOfCores": size.vcpus,
        "osDiskSizeInMB": OS_DISK_MIB,
        "resourceDiskSizeInMB": size.local_mib or 0,
        "memoryInMB": int(size.memory_gib * 1024),
        "maxDataDiskCount": 8,
    }


ROUTES: Routes = {
    ("GET", "Microsoft.Compute/skus", "list"): listed,
    ("GET", "Microsoft.Compute/locations/vmSizes", "list"): vm_sizes,
}
