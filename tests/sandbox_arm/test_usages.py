"""Usages: quotas and what the VMs of a region use of them."""

from __future__ import annotations

from typing import Any

import pytest

from tests.sandbox_arm.machines import machine
from tests.sandbox_arm.support import GROUP, Arm, refused

pytestmark = pytest.mark.slow


def usages(arm: Arm, location: str = "eastus") -> dict[str, Any]:
    return {usage.name.value: usage for usage in arm.compute.usage.list(location)}


def test_a_family_is_written_without_the_spaces_of_the_sku_list(arm: Arm) -> None:
    found = usages(arm)
    family = found["StandardNCASv3_T4Family"]
    assert family.name.localized_value == "Standard NCASv3_T4 Family vCPUs"
    assert found["standardDSv5Family"].name.localized_value == "Standard DSv5 Family vCPUs"
    assert found["cores"].name.localized_value == "Total Regional vCPUs"
    assert "lowPriorityCores" in found and family.unit == "Count"


def test_every_vm_counts_in_its_region_until_it_is_deleted(arm: Arm) -> None:
    machine(arm)
    arm.compute.virtual_machines.begin_deallocate(GROUP, "vm").result()
    machine(arm, "spot", priority="Spot")
    found = usages(arm)
    used = {name: usage.current_value for name, usage in found.items() if usage.current_value}
    assert used == {"StandardNCASv3_T4Family": 4, "cores": 4, "lowPriorityCores": 4, "virtualMachines": 2}
    assert not any(usage.current_value for usage in usages(arm, "westeurope").values())


def test_limits_are_the_scenarios(arm: Arm) -> None:
    arm.use("azure: {quota: {Standard NCASv3_T4 Family: 0, cores: 10}}")
    found = usages(arm)
    assert (found["StandardNCASv3_T4Family"].limit, found["cores"].limit) == (0, 10)
    assert found["standardDSv5Family"].limit > 0


def test_a_region_must_exist(arm: Arm) -> None:
    with refused("NoRegisteredProviderFound", 400):
        usages(arm, "atlantis")
