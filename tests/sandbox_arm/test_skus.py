"""The SKU list: what is sold where, what it can, what the subscription may not have."""

from __future__ import annotations

from typing import Any

import pytest

from tests.sandbox_arm.machines import T4
from tests.sandbox_arm.support import Arm, refused

pytestmark = pytest.mark.slow


def listed(arm: Arm, location: str = "eastus") -> dict[str, Any]:
    skus = arm.compute.resource_skus.list(filter=f"location eq '{location}'")
    return {sku.name: sku for sku in skus if sku.resource_type == "virtualMachines"}


def can(sku: Any) -> dict[str, str]:
    return {capability.name: capability.value for capability in sku.capabilities}


def test_a_size_has_its_family_zones_and_capabilities(arm: Arm) -> None:
    sku = listed(arm)[T4]
    assert (sku.tier, sku.size, sku.family) == ("Standard", "NC4as_T4_v3", "Standard NCASv3_T4 Family")
    assert sku.locations == ["eastus"] and sku.location_info[0].zones == ["1", "2", "3"]
    known = can(sku)
    assert {"vCPUs": "4", "MemoryGB": "28", "GPUs": "1", "CpuArchitectureType": "x64"}.items() <= known.items()
    assert {"HyperVGenerations": "V1,V2", "PremiumIO": "True", "LowPriorityCapable": "True"}.items() <= known.items()
    assert {"EncryptionAtHostSupported": "True", "OSVhdSizeMB": "1047552"}.items() <= known.items()
    assert sku.restrictions == []


def test_sizes_differ(arm: Arm) -> None:
    found = listed(arm)
    assert can(found["Standard_NC24ads_A100_v4"])["HyperVGenerations"] == "V2"
    assert can(found["Standard_ND96amsr_A100_v4"])["TrustedLaunchDisabled"] == "True"
    assert can(found["Standard_B2s"])["LowPriorityCapable"] == "False"
    assert can(found["Standard_D2ps_v5"])["CpuArchitectureType"] == "Arm64"
    assert "GPUs" not in can(found["Standard_D2s_v5"])


def test_every_region_has_its_own_list(arm: Arm) -> None:
    assert T4 in listed(arm) and T4 not in listed(arm, "westcentralus")
    assert listed(arm, "westus")[T4].location_info[0].zones == []
    assert listed(arm, "atlantis") == {}
    with refused("BadRequest", 400):
        list(arm.compute.resource_skus.list(filter="name eq 'x'"))


def test_without_a_filter_every_region_is_listed(arm: Arm) -> None:
    regions = {sku.locations[0] for sku in arm.compute.resource_skus.list() if sku.name == T4}
    assert {"eastus", "westeurope", "southeastasia"} <= regions


def test_restrictions_are_of_the_region_or_of_zones(arm: Arm) -> None:
    arm.use(f'azure: {{restricted: [{{type: {T4}}}, {{type: Standard_D2s_v5, zone: "2"}}]}}')
    found = listed(arm)
    region, zones = found[T4].restrictions
    assert (region.type, region.reason_code, region.values_property) == (
        "Location",
        "NotAvailableForSubscription",
        ["eastus"],
    )
    assert (zones.type, zones.restriction_info.zones) == ("Zone", ["1", "2", "3"])
    (one,) = found["Standard_D2s_v5"].restrictions
    assert (one.type, one.restriction_info.zones) == ("Zone", ["2"])


def test_a_retired_size_is_restricted_where_it_was_sold(arm: Arm) -> None:
    assert [r.type for r in listed(arm)["Standard_NC6s_v3"].restrictions] == ["Location", "Zone"]


def test_the_older_list_of_sizes(arm: Arm) -> None:
    sizes = {size.name: size for size in arm.compute.virtual_machine_sizes.list("eastus")}
    assert (sizes[T4].number_of_cores, sizes[T4].memory_in_mb) == (4, 28672)
    assert "Standard_NC6s_v3" not in sizes
