"""What Azure says about a VM size in a region: whether this subscription can have it, in which zones, and what it can.

Azure's API calls them SKUs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gpucloud.catalog.types import find, is_known_in
from gpucloud.errors import CapacityError, ConfigError, Problem, QuotaError
from gpucloud.machine import Spec
from gpucloud.providers.azure.clients import Clients
from gpucloud.providers.azure.errors import translated
from gpucloud.providers.azure.launch_plan import REGIONAL

API = "2021-07-01"
BIG_REGIONS = ("eastus", "eastus2", "southcentralus", "westus2", "westus3", "westeurope", "northeurope", "japaneast")
"""Regions to suggest where a size is not offered, if the catalogue knows it there."""


@dataclass(frozen=True)
class Sku:
    """A size in one region. `zones` are those that offer it; `restrictions` are Azure's own, as they came."""

    name: str
    family: str
    zones: tuple[str, ...]
    restrictions: tuple[Mapping[str, Any], ...]
    capabilities: Mapping[str, str]

    def can(self, capability: str) -> bool:
        """Has the size a capability that is either there or not?"""
        return self.capabilities.get(capability) == "True"

    @property
    def vcpus(self) -> int:
        """What the size counts against quotas."""
        return int(self.capabilities["vCPUs"])

    @property
    def generations(self) -> list[str]:
        """The Hyper-V generations (`V1`, `V2`) that the size boots."""
        return self.capabilities.get("HyperVGenerations", "V1").split(",")

    @property
    def architecture(self) -> str:
        """`x64` or `Arm64`."""
        return self.capabilities.get("CpuArchitectureType", "x64")

    @property
    def controllers(self) -> frozenset[str]:
        """The disk controllers (`scsi`, `nvme`) that the size has."""
        return words(self.capabilities.get("DiskControllerTypes", ""))

    @property
    def trusted_launch(self) -> bool:
        """Does the size know Trusted Launch? The API says so only where it does not."""
        return "V2" in self.generations and not self.can("TrustedLaunchDisabled")

    def refusal(self) -> Mapping[str, Any] | None:
        """The restriction that forbids the whole region to this subscription, if there is one."""
        return next((one for one in self.restrictions if one["type"] == "Location"), None)

    def free_zones(self) -> tuple[str, ...]:
        """The zones that this subscription may use, in order."""
        closed = {
            zone
            for one in self.restrictions
            if one["type"] == "Zone"
            for zone in one.get("restrictionInfo", {}).get("zones", [])
        }
        return tuple(sorted(set(self.zones) - closed))


def words(controllers: str) -> frozenset[str]:
    """Disk controllers as Azure lists them ("SCSI, NVMe"). Where it lists none it means the older kind."""
    return frozenset(each.strip().lower() for each in controllers.split(",") if each.strip()) or frozenset({"scsi"})


def sku(clients: Clients, region: str, name: str) -> Sku:
    """The size as the region has it. Raises ConfigError if it does not."""
    with translated(f"ask where {name} is offered in {region}"):
        listed = clients.pages("providers/Microsoft.Compute/skus", API, **{"$filter": f"location eq '{region}'"})
    for one in listed:
        if one["resourceType"] == "virtualMachines" and one["name"].lower() == name.lower():
            return _from_azure(one, region)
    raise ConfigError(f"{name} is not offered in {region}", "", f"choose another region{_elsewhere(name, region)}")


def _from_azure(one: Mapping[str, Any], region: str) -> Sku:
    here = [info for info in one.get("locationInfo", []) if info["location"].lower() == region.lower()]
    return Sku(
        name=one["name"],
        family=one["family"],
        zones=tuple(zone for info in here for zone in info.get("zones") or []),
        restrictions=tuple(one.get("restrictions") or []),
        capabilities={each["name"]: each["value"] for each in one.get("capabilities") or []},
    )


def places(found: Sku, spec: Spec) -> tuple[str, ...]:
    """The zones to try, in order: the wanted one, or first none at all and then every one that may be used."""
    if spec.zone:
        return (spec.zone,) if spec.zone in found.free_zones() else ()
    return () if found.refusal() else (REGIONAL, *found.free_zones())


def problems(found: Sku, spec: Spec) -> list[Problem]:
    """Why this subscription cannot have the size where, and as, it is wanted."""
    return [*_place(found, spec), *_spot(found, spec)]


def _place(found: Sku, spec: Spec) -> list[Problem]:
    if restriction := found.refusal():
        return [_restricted(found, spec, restriction.get("reasonCode", ""))]
    if not spec.zone or spec.zone in found.free_zones():
        return []
    offered = ", ".join(found.free_zones())
    return [
        Problem(
            f"{found.name} cannot be had in zone {spec.zone} of {spec.region}",
            f"it is offered in {offered}" if offered else "the region offers it in no zone of its own",
            "choose another `--zone`, or leave it out",
            CapacityError.status,
        )
    ]


def _restricted(found: Sku, spec: Spec, reason: str) -> Problem:
    what = f"{found.name} cannot be had in {spec.region}"
    if reason == "QuotaId":
        why = "the subscription's kind of offer does not include it (QuotaId)"
        return Problem(what, why, "take a pay-as-you-go subscription", QuotaError.status)
    return Problem(
        what,
        f"Azure does not give it to this subscription there ({reason})",
        f"choose another region{_elsewhere(found.name, spec.region)}, or ask for access with a support request",
        CapacityError.status,
    )


def _spot(found: Sku, spec: Spec) -> list[Problem]:
    if not spec.spot or found.can("LowPriorityCapable"):
        return []
    return [Problem(f"{found.name} is not sold as spot", "", "leave out `--spot`")]


def _elsewhere(name: str, region: str) -> str:
    known = find(name)
    others = [other for other in BIG_REGIONS if other != region and is_known_in(known, other)]
    return f", for instance {' or '.join(f'`--region {other}`' for other in others[:2])}" if others else ""
