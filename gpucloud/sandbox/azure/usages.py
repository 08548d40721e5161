"""Quota: what a region's VMs use of it, Microsoft.Compute/locations/usages, and the refusal of a VM above it."""

from __future__ import annotations

import re
from collections import Counter
from typing import Any

from gpucloud.sandbox.azure import places, sizes
from gpucloud.sandbox.azure.ids import ResourceId
from gpucloud.sandbox.azure.resources import Routes
from gpucloud.sandbox.azure.sizes import Size
from gpucloud.sandbox.azure.wire import ArmError, Call, Reply
from gpucloud.sandbox.azure.world import AzureWorld
from gpucloud.sandbox.scenario import Scenario

CORES, SPOT_CORES, MACHINES = "cores", "lowPriorityCores", "virtualMachines"
TITLES = {CORES: "Total Regional vCPUs", SPOT_CORES: "Total Regional Low-priority vCPUs", MACHINES: "Virtual Machines"}
DEFAULT_CORES = 1000  # generous where the scenario says nothing; a real subscription starts with 0 for GPU families
DEFAULT_MACHINES = 25000  # Azure's own default (subscription limits)
FAMILY = re.compile(r"standard\s*(.*?)\s*family", re.IGNORECASE)


def plain(name: str) -> str:
    """A quota's name for comparison: the services write families with and without spaces, in different case."""
    return name.replace(" ", "").lower()


def limit(scenario: Scenario, name: str) -> int:
    """The quota by its name, in vCPUs or machines."""
    by_name = {plain(key): value for key, value in scenario.azure.quota.items()}
    return by_name.get(plain(name), DEFAULT_MACHINES if name == MACHINES else DEFAULT_CORES)


def used(world: AzureWorld, location: str, but: ResourceId | None = None) -> Counter[str]:
    """What the VMs of a region use, without the VM `but`.

    Deallocated VMs count: "Quota is calculated based on the total number of cores in use, both allocated and
    deallocated" (Azure docs, "Check vCPU quotas").
    """
    total: Counter[str] = Counter()
    for machine in world.store.of_kind("Microsoft.Compute/virtualMachines"):
        size = sizes.find(machine.properties["hardwareProfile"]["vmSize"])
        if machine.location == location and size is not None and (but is None or machine.id.key != but.key):
            spot = machine.properties.get("priority") in ("Spot", "Low")
            total[MACHINES] += 1
            for name in _buckets(size, spot):
                total[name] += size.vcpus
    return total


def check(world: AzureWorld, size: Size, spot: bool, location: str, vm: ResourceId) -> None:
    """Raise OperationNotAllowed (409) when one more VM of the size, or `vm` in that size, is above a quota."""
    now = used(world, location, vm)
    for name in _buckets(size, spot):
        most = limit(world.shared.scenario, name)
        if now[name] + size.vcpus > most:
            raise _exceeded(name, location, most, now[name], size.vcpus)


def listed(world: AzureWorld, call: Call) -> Reply:
    """GET …/locations/L/usages."""
    location = places.normal(call.id.name)
    if location not in places.LOCATIONS:
        raise ArmError(
            "NoRegisteredProviderFound",
            f"No registered resource provider found for location '{call.id.name}' and API version "
            f"'{call.api_version}' for type 'locations/usages'.",
        )
    now = used(world, location)
    return Reply(200, {"value": [_usage(world.shared.scenario, name, now[name]) for name in _names(location)]})


def _names(location: str) -> list[str]:
    families = {size.family: None for size in sizes.every().values() if size.is_offered(location)}
    return [CORES, MACHINES, *families, SPOT_CORES]


def _buckets(size: Size, spot: bool) -> list[str]:
    return [SPOT_CORES] if spot else [size.family, CORES]


def _usage(scenario: Scenario, name: str, value: int) -> dict[str, Any]:
    match = FAMILY.fullmatch(name)
    title = f"Standard {match[1]} Family vCPUs" if match else TITLES[name]
    # This list writes families without the spaces that the SKU API has in some of them.
    shown = {"value": name.replace(" ", ""), "localizedValue": title}
    return {"unit": "Count", "currentValue": value, "limit": limit(scenario, name), "name": shown}


def _exceeded(name: str, location: str, most: int, now: int, more: int) -> ArmError:
    bucket = {CORES: "Total Regional Cores", SPOT_CORES: "LowPriorityCores"}.get(name, f"{name} Cores")
    return ArmError(
        "OperationNotAllowed",
        f"Operation could not be completed as it results in exceeding approved {bucket} quota. Additional details - "
        f"Deployment Model: Resource Manager, Location: {location}, Current Limit: {most}, Current Usage: {now}, "
        f"Additional Required: {more}, (Minimum) New Limit Required: {now + more}. Setup Alerts when Quota reaches "
        "threshold. Learn more at https://aka.ms/quotamonitoringalerting . Submit a request for Quota increase at "
        "https://aka.ms/ProdportalCRP/#blade/Microsoft_Azure_Capacity/UsageAndQuota.ReactView by specifying parameters "
        "listed in the ‘Details’ section for deployment to succeed. Please read more about quota limits at "
        "https://docs.microsoft.com/en-us/azure/azure-supportability/per-vm-quota-requests",
        409,
    )


ROUTES: Routes = {("GET", "Microsoft.Compute/locations/usages", "list"): listed}
