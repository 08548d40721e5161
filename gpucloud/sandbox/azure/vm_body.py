"""What the body of a VM must be like beyond its schema: Microsoft.Compute's checks, in its words, and defaults."""

from __future__ import annotations

import base64
import binascii
import re
from typing import Any

from gpucloud.sandbox.azure import features
from gpucloud.sandbox.azure.images import Image
from gpucloud.sandbox.azure.sizes import Size
from gpucloud.sandbox.azure.store import Resource
from gpucloud.sandbox.azure.wire import ArmError
from gpucloud.sandbox.azure.world import AzureWorld

MOST_CUSTOM_DATA = 65535  # bytes before base64 (Azure FAQ for Linux VMs); 87380 characters after
MOST_OS_DISK = 4095  # GiB
MOST_NAME = 64  # characters of a Linux VM's name and host name
# "What are the username requirements when creating a VM?" (Azure FAQ for Linux VMs)
FORBIDDEN_USERS = frozenset(
    {
        *("administrator", "admin", "user", "user1", "test", "user2", "test1", "user3", "admin1", "1", "123", "a"),
        *(
            "actuser",
            "adm",
            "admin2",
            "aspnet",
            "backup",
            "console",
            "david",
            "guest",
            "john",
            "owner",
            "root",
            "server",
        ),
        *("sql", "support", "support_388945a0", "sys", "test2", "test3", "user4", "user5", "video"),
    }
)
FORBIDDEN_PASSWORDS = frozenset(
    {
        *("abc@123", "P@$$w0rd", "P@ssw0rd", "P@ssword123", "Pa$$word", "pass@word1", "Password!", "Password1"),
        *("Password22", "iloveyou!"),
    }
)
USER = re.compile(r"[a-z_][\w.-]{0,62}[\w-]?", re.IGNORECASE | re.ASCII)
HOST = re.compile(r"[^`~!@#$%^&*()=+_\[\]{}\\|;:'\",<>/?.]{1,64}")
KEY = re.compile(r"(ssh-rsa|ssh-ed25519) (\S+)( .*)?\s*", re.DOTALL)


def invalid(message: str, target: str) -> ArmError:
    return ArmError("InvalidParameter", message, 400, target=target)


def missing(name: str) -> ArmError:
    return invalid(f"Required parameter '{name}' is missing (null).", name)


def check_name(name: str) -> None:
    if len(name) > MOST_NAME or not HOST.fullmatch(name):
        raise invalid(
            f"Linux host name cannot exceed {MOST_NAME} characters in length or contain the following characters: "
            "` ~ ! @ # $ % ^ & * ( ) = + _ [ ] { } \\ | ; : ' \" , < > / ? .",
            "computerName",
        )


def check_zones(new: Resource) -> None:
    zones = new.extra.get("zones")
    if zones is None:
        return
    if not isinstance(zones, list) or not all(isinstance(zone, str) for zone in zones):
        raise invalid("The value of parameter zones is invalid.", "zones")
    if len(zones) > 1:
        raise ArmError(
            "BadRequest", f"Virtual Machine '{new.id.name}' cannot be in more than one zone.", target="zones"
        )


def check_os_disk(disk: dict[str, Any], image: Image, size: Size) -> None:
    """Check a new OS disk and fill in what the request leaves out."""
    if disk.get("createOption") is None:
        raise missing("osDisk.createOption")
    if disk["createOption"] != "FromImage":
        raise ArmError("NotSupported", "[simulated] The sandbox makes VMs from images only, not from existing disks.")
    asked = disk.setdefault("diskSizeGB", image.size)
    if isinstance(asked, bool) or not isinstance(asked, int) or not 1 <= asked <= MOST_OS_DISK:
        raise invalid(f"Disk size must be between 1 and {MOST_OS_DISK} GB.", "osDisk.diskSizeGB")
    if asked < image.size:
        raise ArmError(
            "OperationNotAllowed",
            f"The specified disk size {asked} GB is smaller than the size of the corresponding disk in the VM image: "
            f"{image.size} GB. This is not allowed. Please choose equal or greater size or do not specify an explicit "
            "size.",
            409,
            target="osDisk.diskSizeGB",
        )
    if disk.setdefault("osType", "Linux") != "Linux":
        raise invalid("The value of parameter osDisk.osType is invalid: the image's system is Linux.", "osDisk.osType")
    disk.setdefault("caching", "ReadWrite")
    disk.setdefault("deleteOption", "Detach")
    managed = disk.setdefault("managedDisk", {})
    kind = managed.setdefault("storageAccountType", "Premium_LRS" if size.premium else "Standard_LRS")
    if kind.startswith("Premium") and not size.premium:
        raise invalid(
            f"Requested operation cannot be performed because the VM size {size.name} does not support the storage "
            f"account type {kind} of disk. Consider updating the VM to a size that supports Premium storage.",
            "osDisk.managedDisk.storageAccountType",
        )


def check_os_profile(profile: dict[str, Any], vm_name: str) -> None:
    """Check names, custom data and access of a new VM and fill in what the request leaves out."""
    name = profile.setdefault("computerName", vm_name)
    check_name(str(name))
    user = profile.get("adminUsername")
    if not user:
        raise missing("osProfile.adminUsername")
    if str(user).lower() in FORBIDDEN_USERS or not USER.fullmatch(str(user)):
        raise invalid("The Admin Username specified is not allowed.", "adminUsername")
    custom_data(profile)
    _check_access(profile, str(user))
    profile.setdefault("secrets", [])
    profile.setdefault("allowExtensionOperations", True)
    profile["requireGuestProvisionSignal"] = True


def custom_data(profile: dict[str, Any]) -> bytes:
    """The custom data as the VM gets it. Raises InvalidParameter when it is no base64 or too long."""
    try:
        data = base64.b64decode(str(profile.get("customData", "")), validate=True)
    except binascii.Error:
        data = b"\0" * (MOST_CUSTOM_DATA + 1)
    if len(data) > MOST_CUSTOM_DATA:
        raise invalid(
            "Custom data in OSProfile must be in Base64 encoding and with a maximum length of 87380 characters.",
            "customData",
        )
    return data


def _check_access(profile: dict[str, Any], user: str) -> None:
    linux = profile.setdefault("linuxConfiguration", {})
    no_password = linux.setdefault("disablePasswordAuthentication", False)
    keys = linux.get("ssh", {}).get("publicKeys") or []
    password = profile.get("adminPassword")
    if not keys and (no_password or not password):
        raise invalid(
            "Authentication using either SSH or by user name and password must be enabled in Linux profile.",
            "linuxConfiguration",
        )
    for key in keys:
        _check_key(key, user)
    if password is not None:
        _check_password(str(password))
    linux.setdefault("provisionVMAgent", True)
    linux.setdefault("patchSettings", {"patchMode": "ImageDefault", "assessmentMode": "ImageDefault"})


def _check_key(key: dict[str, Any], user: str) -> None:
    where = f"/home/{user}/.ssh/authorized_keys"
    if key.get("path") != where:
        raise invalid(
            f"Destination path for SSH public keys is currently limited to its default value {where} due to a known "
            "issue in Linux provisioning agent.",
            "linuxConfiguration.ssh.publicKeys.path",
        )
    match = KEY.fullmatch(str(key.get("keyData", "")))
    try:
        blob = base64.b64decode(match[2], validate=True) if match else b""
    except binascii.Error:
        blob = b""
    # An RSA key of 2048 bits, the least that Azure takes, is 279 bytes long; one of 1024 bits is 151.
    if match is None or not blob or (match[1] == "ssh-rsa" and len(blob) < 270):
        raise invalid(
            "The value of parameter linuxConfiguration.ssh.publicKeys.keyData is invalid.",
            "linuxConfiguration.ssh.publicKeys.keyData",
        )


def _check_password(password: str) -> None:
    if password in FORBIDDEN_PASSWORDS:
        raise invalid("The Admin password specified is not allowed.", "adminPassword")
    kinds = [r"[a-z]", r"[A-Z]", r"\d", r"[^a-zA-Z\d]"]
    if not 6 <= len(password) <= 72 or sum(bool(re.search(kind, password)) for kind in kinds) < 3:
        raise invalid(
            "The supplied password must be between 6-72 characters long and must satisfy at least 3 of password "
            "complexity requirements from the following:\r\n1) Contains an uppercase character\r\n2) Contains a "
            "lowercase character\r\n3) Contains a numeric digit\r\n4) Contains a special character\r\n5) Control "
            "characters are not allowed",
            "adminPassword",
        )


def check_fit(size: Size, image: Image) -> None:
    """Raise BadRequest when a size cannot boot an image."""
    if size.arch != image.arch:
        raise ArmError(
            "BadRequest",
            f"Cannot create a VM of size '{size.name}' because this VM size only supports a CPU Architecture of "
            f"'{size.arch}', but an image or disk with CPU Architecture '{image.arch}' was given. Please check that "
            "the CPU Architecture of the image or disk is compatible with that of the VM size.",
        )
    if image.generation not in size.generations.split(","):
        number = image.generation.removeprefix("V")
        raise ArmError(
            "BadRequest",
            f"The selected VM size '{size.name}' cannot boot Hypervisor Generation '{number}'. If this was a Create "
            "operation please check that the Hypervisor Generation of the Image matches the Hypervisor Generation of "
            f"the selected VM Size. If this was an Update operation please select a Hypervisor Generation '{number}' "
            "VM Size. For more information, see https://aka.ms/azuregen2vm",
        )


def check_security(world: AzureWorld, profile: dict[str, Any], size: Size, image: Image) -> None:
    """Check securityProfile: what the subscription, the size and the image allow."""
    if profile.get("encryptionAtHost"):
        _check_host_encryption(world, size)
    kind = profile.get("securityType")
    if kind is None:
        if profile.get("uefiSettings"):
            raise invalid(
                "Parameter 'securityProfile.uefiSettings' needs a securityType.", "securityProfile.uefiSettings"
            )
        return
    if kind == "Standard" and features.state(world, "Microsoft.Compute/UseStandardSecurityType") != "Registered":
        raise ArmError(
            "BadRequest",
            "The value 'Standard' is not available for property 'securityType' until the feature "
            "'Microsoft.Compute/UseStandardSecurityType' is registered for the subscription.",
            target="securityProfile.securityType",
        )
    if kind == "ConfidentialVM":
        raise ArmError(
            "BadRequest", f"The VM size '{size.name}' is not supported for creation of VMs with '{kind}' security type."
        )
    if kind == "TrustedLaunch":
        _check_trusted_launch(profile, size, image)


def _check_host_encryption(world: AzureWorld, size: Size) -> None:
    target = "securityProfile.encryptionAtHost"
    if features.state(world, "Microsoft.Compute/EncryptionAtHost") != "Registered":
        raise invalid(
            "The property 'securityProfile.encryptionAtHost' is not valid because the "
            "'Microsoft.Compute/EncryptionAtHost' feature is not enabled for this subscription.",
            target,
        )
    if not size.host_encryption:
        raise invalid(f"The property '{target}' is not supported by the VM size '{size.name}'.", target)


def _check_trusted_launch(profile: dict[str, Any], size: Size, image: Image) -> None:
    if not size.trusted_launch:
        raise ArmError(
            "BadRequest",
            f"The VM size '{size.name}' is not supported for creation of VMs with 'TrustedLaunch' security type. "
            "Please see the list of supported sizes at https://aka.ms/TrustedLaunch.",
        )
    if not image.trusted_launch:
        raise ArmError(
            "BadRequest",
            "Use of TrustedLaunch setting is not supported for the provided image. Please select Trusted Launch "
            "Supported Gen2 OS Image. For more information, see https://aka.ms/TrustedLaunch-FAQ.",
        )
    settings = profile.setdefault("uefiSettings", {})
    settings.setdefault("secureBootEnabled", False)
    settings.setdefault("vTpmEnabled", True)


def check_spot(properties: dict[str, Any], size: Size) -> None:
    """Check priority, evictionPolicy and billingProfile."""
    priority = properties.get("priority", "Regular")
    spot_only = [name for name in ("evictionPolicy", "billingProfile") if name in properties]
    if priority == "Regular":
        if spot_only:
            raise ArmError(
                "OperationNotAllowed",
                f"'{spot_only[0]}' can be set only for Azure Spot Virtual Machines.",
                409,
                target=spot_only[0],
            )
        return
    if not size.spot:
        raise ArmError(
            "OperationNotAllowed", f"The VM size '{size.name}' is not supported for Azure Spot Virtual Machines.", 409
        )
    properties.setdefault("evictionPolicy", "Deallocate")
    price = properties.setdefault("billingProfile", {}).setdefault("maxPrice", -1)
    if isinstance(price, bool) or not isinstance(price, int | float) or (price != -1 and price <= 0):
        raise invalid("The max price is not valid: it must be -1 or greater than 0.", "billingProfile.maxPrice")


def interfaces(properties: dict[str, Any]) -> list[dict[str, Any]]:
    """The references to network interfaces, with their deleteOption filled in. Raises InvalidParameter."""
    profile = properties.get("networkProfile")
    if profile is None:
        raise missing("networkProfile")
    if profile.get("networkInterfaceConfigurations"):
        raise ArmError("NotSupported", "[simulated] The sandbox makes no interfaces with a VM: make them before it.")
    entries = profile.get("networkInterfaces") or []
    if not entries or not all(entry.get("id") for entry in entries):
        raise missing("networkProfile.networkInterfaces.id")
    if len(entries) > 1 and sum(bool(entry.get("properties", {}).get("primary")) for entry in entries) != 1:
        raise ArmError(
            "VirtualMachineMustHaveOneNetworkInterfaceAsPrimary",
            "Virtual machine must have one network interface set as the primary.",
        )
    for entry in entries:
        entry.setdefault("properties", {}).setdefault("deleteOption", "Detach")
    return list(entries)
