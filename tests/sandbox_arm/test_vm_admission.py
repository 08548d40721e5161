"""Whether a VM may be made: quota, restrictions and room."""

from __future__ import annotations

import pytest

from tests.sandbox_arm.machines import T4, begin, machine, statuses
from tests.sandbox_arm.support import GROUP, Arm, refused

pytestmark = pytest.mark.slow


def test_the_familys_quota_holds_whatever_the_scenarios_spelling(arm: Arm) -> None:
    arm.use("azure: {quota: {standardNCASv3_T4Family: 4}}")
    machine(arm)
    with refused("OperationNotAllowed", 409) as found:
        begin(arm, "second")
    assert "exceeding approved Standard NCASv3_T4 Family Cores quota" in found.message
    assert (
        "Current Limit: 4, Current Usage: 4, Additional Required: 4, (Minimum) New Limit Required: 8" in found.message
    )


def test_the_regions_cores_hold_too(arm: Arm) -> None:
    arm.use("azure: {quota: {cores: 3}}")
    with refused("OperationNotAllowed", 409) as found:
        begin(arm)
    assert "exceeding approved Total Regional Cores quota" in found.message


def test_spot_has_a_quota_of_its_own(arm: Arm) -> None:
    arm.use("azure: {quota: {Standard NCASv3_T4 Family: 0, lowPriorityCores: 4}}")
    machine(arm, priority="Spot")
    with refused("OperationNotAllowed", 409) as found:
        begin(arm, "second", priority="Spot")
    assert "LowPriorityCores" in found.message


def test_a_deallocated_vm_still_counts_and_a_deleted_one_does_not(arm: Arm) -> None:
    arm.use("azure: {quota: {cores: 4}}")
    machine(arm)
    arm.compute.virtual_machines.begin_deallocate(GROUP, "vm").result()
    with refused("OperationNotAllowed", 409):
        begin(arm, "second")
    arm.compute.virtual_machines.begin_delete(GROUP, "vm").result()
    machine(arm, "second")


def test_a_restricted_size_is_not_available(arm: Arm) -> None:
    arm.use(f"azure: {{restricted: [{{type: {T4}}}]}}")
    with refused("SkuNotAvailable", 409) as found:
        begin(arm)
    assert f"Capacity Restrictions: {T4}'" in found.message


def test_a_restriction_of_a_zone_leaves_the_others(arm: Arm) -> None:
    arm.use('azure: {restricted: [{type: "*", zone: "1"}]}')
    with refused("SkuNotAvailable", 409):
        begin(arm, zones=["1"])
    machine(arm, zones=["2"])
    machine(arm, "anywhere")


def test_retired_and_foreign_sizes_are_not_available(arm: Arm) -> None:
    for size in ("Standard_NC6s_v3", "Standard_NG8ads_V620_v1"):
        with refused("SkuNotAvailable", 409):
            begin(arm, size=size, location="eastus")


def test_no_room_is_said_at_once_or_after_a_while(arm: Arm) -> None:
    arm.use("azure: {capacity: [{machines: 0, how: sync}]}")
    with refused("SkuNotAvailable", 409):
        begin(arm)
    assert "azure-instance" not in arm.inventory()
    arm.use("azure: {capacity: [{machines: 0}]}")
    with refused("AllocationFailed", 200) as found:
        machine(arm)
    assert "in this region" in found.message
    assert statuses(arm) == ["ProvisioningState/failed/AllocationFailed"]
    assert arm.compute.virtual_machines.get(GROUP, "vm").properties.provisioning_state == "Failed"


def test_a_zone_that_is_full_fails_and_another_may_not(arm: Arm) -> None:
    arm.use('azure: {capacity: [{zone: "1", machines: 1}]}')
    machine(arm, zones=["1"])
    with refused("ZonalAllocationFailed", 200) as found:
        machine(arm, "second", zones=["1"])
    assert "in this zone" in found.message
    machine(arm, "third", zones=["2"])
    machine(arm, "fourth")


def test_what_is_deallocated_makes_room(arm: Arm) -> None:
    arm.use("azure: {capacity: [{machines: 1}]}")
    machine(arm)
    arm.compute.virtual_machines.begin_deallocate(GROUP, "vm").result()
    machine(arm, "second")
    with refused("AllocationFailed", 200):
        arm.compute.virtual_machines.begin_start(GROUP, "vm").result()
