"""What a VM's body must be like: every refusal has Azure's code."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from tests.sandbox_arm.machines import JAMMY, KEY, body, machine, nic, os_disk
from tests.sandbox_arm.support import GROUP, Arm, refused

pytestmark = pytest.mark.slow

PROFILE = body("")["properties"]["osProfile"]
LINUX = PROFILE["linuxConfiguration"]
TRUSTED = {"securityType": "TrustedLaunch", "uefiSettings": {"secureBootEnabled": True, "vTpmEnabled": True}}


def storage(image: dict[str, str] | None = None, **disk: Any) -> dict[str, Any]:
    return {"imageReference": JAMMY if image is None else {**JAMMY, **image}, "osDisk": os_disk(**disk)}


def profile(**changes: Any) -> dict[str, Any]:
    return {"osProfile": {**PROFILE, **changes}}


def access(**changes: Any) -> dict[str, Any]:
    return profile(linuxConfiguration={**LINUX, **changes})


def keys(path: str = "/home/ubuntu/.ssh/authorized_keys", data: str = KEY) -> dict[str, Any]:
    return {"ssh": {"publicKeys": [{"path": path, "keyData": data}]}}


def check(arm: Arm, code: str, status: int, **changes: Any) -> str:
    """Ask for a VM with these changes; it must be refused at once, and leave nothing behind. The message."""
    reference = nic(arm)
    before = arm.inventory()
    with refused(code, status) as found:
        arm.compute.virtual_machines.begin_create_or_update(GROUP, "vm", body(reference, **changes))
    assert arm.inventory() == before
    return found.message


@pytest.mark.parametrize("user", ["root", "admin", "Administrator", "user1", "a/b", "1"])
def test_some_user_names_are_not_allowed(arm: Arm, user: str) -> None:
    assert "Admin Username" in check(arm, "InvalidParameter", 400, **profile(adminUsername=user))


@pytest.mark.parametrize(
    "changes",
    [
        access(ssh={"publicKeys": []}),
        access(**keys(path="/home/other/.ssh/authorized_keys")),
        access(**keys(data="no key")),
        access(**keys(data="ssh-dss AAAAB3NzaC1kc3M=")),
        profile(adminPassword="weak"),
        profile(adminPassword="P@ssw0rd"),
    ],
)
def test_access_must_be_possible_and_strong(arm: Arm, changes: dict[str, Any]) -> None:
    check(arm, "InvalidParameter", 400, **changes)


def test_a_good_password_alone_gives_access(arm: Arm) -> None:
    machine(
        arm, **profile(adminPassword="Sturdy.Horse.77", linuxConfiguration={"disablePasswordAuthentication": False})
    )


def test_custom_data_is_base64_of_at_most_64_kib(arm: Arm) -> None:
    assert "87380" in check(arm, "InvalidParameter", 400, **profile(customData="no base64!"))
    large = base64.b64encode(b"x" * 65536).decode()
    assert "87380" in check(arm, "InvalidParameter", 400, **profile(customData=large))
    fits = base64.b64encode(b"x" * 65535).decode()
    assert machine(arm, **profile(customData=fits)).properties.provisioning_state == "Succeeded"


def test_the_disk_must_hold_the_image(arm: Arm) -> None:
    message = check(arm, "OperationNotAllowed", 409, storageProfile=storage(diskSizeGB=10))
    assert "30 GB" in message
    check(arm, "InvalidParameter", 400, storageProfile=storage(diskSizeGB=5000))


def test_a_disk_without_a_size_is_as_large_as_the_image(arm: Arm) -> None:
    disk = {"createOption": "FromImage"}
    vm = machine(arm, storageProfile={"imageReference": JAMMY, "osDisk": disk})
    made = vm.properties.storage_profile.os_disk
    assert (made.disk_size_gb, made.delete_option, made.managed_disk.storage_account_type) == (
        30,
        "Detach",
        "Premium_LRS",
    )


@pytest.mark.parametrize(
    ("image", "code", "status"),
    [
        ({"offer": "UbuntuServer"}, "PlatformImageNotFound", 404),
        ({"version": "0.0.1"}, "PlatformImageNotFound", 404),
        ({"sku": "22_04-lts-arm64"}, "BadRequest", 400),
    ],
)
def test_the_image_must_exist_and_fit(arm: Arm, image: dict[str, str], code: str, status: int) -> None:
    check(arm, code, status, storageProfile=storage(image))


def test_a_size_cannot_boot_every_generation(arm: Arm) -> None:
    first = storage({"sku": "22_04-lts"})
    message = check(arm, "BadRequest", 400, size="Standard_NC24ads_A100_v4", storageProfile=first)
    assert "Hypervisor Generation '1'" in message


def test_unknown_members_and_values_are_refused(arm: Arm) -> None:
    assert "hardwareProfil" in check(arm, "BadRequest", 400, hardwareProfil={"vmSize": "x"})
    check(arm, "BadRequest", 400, storageProfile=storage(deleteOption="Remove"))


def test_a_size_must_exist(arm: Arm) -> None:
    message = check(arm, "InvalidParameter", 400, size="Standard_NC5")
    assert "Standard_NC5" in message and "Standard_NC4as_T4_v3" in message


@pytest.mark.parametrize("missing", ["hardwareProfile", "storageProfile", "osProfile", "networkProfile"])
def test_the_profiles_are_required(arm: Arm, missing: str) -> None:
    check(arm, "InvalidParameter", 400, **{missing: None})


def test_zones_must_be_the_regions_own_and_one(arm: Arm) -> None:
    check(arm, "InvalidAvailabilityZone", 400, zones=["4"])
    check(arm, "BadRequest", 400, zones=["1", "2"])
    assert machine(arm, zones=["2"]).zones == ["2"]
    (disk,) = arm.compute.disks.list()
    assert disk.zones == ["2"]


def test_trusted_launch_needs_size_and_image(arm: Arm) -> None:
    hpc = storage({"publisher": "microsoft-dsvm", "offer": "ubuntu-hpc", "sku": "2204"})
    assert "provided image" in check(arm, "BadRequest", 400, storageProfile=hpc, securityProfile=TRUSTED)
    large = {"size": "Standard_ND96asr_v4"}
    assert "ND96asr_v4" in check(arm, "BadRequest", 400, securityProfile=TRUSTED, **large)
    assert machine(arm, securityProfile=TRUSTED).properties.security_profile.uefi_settings.secure_boot_enabled


def test_the_security_type_standard_must_be_unlocked(arm: Arm) -> None:
    standard = {"securityType": "Standard"}
    assert "UseStandardSecurityType" in check(arm, "BadRequest", 400, securityProfile=standard)
    arm.use("azure: {features: [Microsoft.Compute/UseStandardSecurityType]}")
    machine(arm, securityProfile=standard)


def test_encryption_at_host_must_be_unlocked(arm: Arm) -> None:
    message = check(arm, "InvalidParameter", 400, securityProfile={"encryptionAtHost": True})
    assert "Microsoft.Compute/EncryptionAtHost" in message
    arm.use("azure: {features: [Microsoft.Compute/EncryptionAtHost]}")
    assert machine(arm, securityProfile={"encryptionAtHost": True}).properties.security_profile.encryption_at_host


def test_spot_members_are_for_spot_vms(arm: Arm) -> None:
    check(arm, "OperationNotAllowed", 409, evictionPolicy="Deallocate")
    check(arm, "InvalidParameter", 400, priority="Spot", billingProfile={"maxPrice": 0})
    vm = machine(arm, priority="Spot")
    assert (vm.properties.eviction_policy, vm.properties.billing_profile.max_price) == ("Deallocate", -1)


def test_an_interface_must_be_there_and_in_the_same_region(arm: Arm) -> None:
    check(arm, "InvalidResourceReference", 400, networkProfile={"networkInterfaces": [{"id": f"{nic(arm)}x"}]})
    check(arm, "InvalidResourceReference", 400, location="westeurope")


def test_the_group_must_be_there(arm: Arm) -> None:
    with refused("ResourceGroupNotFound", 404):
        arm.compute.virtual_machines.begin_create_or_update("nowhere", "vm", body("/subscriptions/x"))
