"""The request bodies of a launch, as Azure Resource Manager takes them: pure functions of spec, run and plan."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from gpucloud.machine import Spec
from gpucloud.providers.azure.describe import tags_for
from gpucloud.providers.azure.launch_plan import Plan

Body = dict[str, Any]

ADDRESS_SPACE, SUBNET = "10.77.0.0/24", "default"
"""Every machine has a network to itself, so that no two of them can be in each other's way."""
DELETE = {"deleteOption": "Delete"}
"""What becomes of a part when the VM goes. Azure's default is to keep it, and to bill it."""


def resource_group(spec: Spec, run: str) -> Body:
    """The group that holds everything of the run."""
    return _of(spec, run)


def virtual_network(spec: Spec, run: str) -> Body:
    """A network with one subnet."""
    subnet = {"name": SUBNET, "properties": {"addressPrefix": ADDRESS_SPACE}}
    return _of(spec, run, addressSpace={"addressPrefixes": [ADDRESS_SPACE]}, subnets=[subnet])


def security_group(spec: Spec, run: str, ssh_from: str) -> Body:
    """Lets one address range (IPv4 or IPv6) reach port 22. Azure's own rules deny the rest of the world."""
    rule = {
        "protocol": "Tcp",
        "direction": "Inbound",
        "access": "Allow",
        "priority": 100,
        "sourceAddressPrefix": ssh_from,
        "sourcePortRange": "*",
        "destinationAddressPrefix": "*",
        "destinationPortRange": "22",
    }
    return _of(spec, run, securityRules=[{"name": "ssh", "properties": rule}])


def public_ip(spec: Spec, run: str) -> Body:
    """A static address, which stays the same over stop and start.

    A Standard one that names no zone is good for machines in any: since September 2024 Azure spreads it over all.
    """
    return {
        **_of(spec, run, publicIPAllocationMethod="Static", publicIPAddressVersion="IPv4", **DELETE),
        "sku": {"name": "Standard"},
    }


def network_interface(spec: Spec, run: str, plan: Plan, parts: Mapping[str, str]) -> Body:
    """Joins the subnet, the security group and the public address, whose ids are `parts`."""
    address = {
        "subnet": {"id": parts["subnet"]},
        "privateIPAllocationMethod": "Dynamic",
        "publicIPAddress": {"id": parts["public_ip"], "properties": DELETE},
    }
    return _of(
        spec,
        run,
        networkSecurityGroup={"id": parts["security_group"]},
        enableAcceleratedNetworking=plan.accelerated_networking,
        ipConfigurations=[{"name": "primary", "properties": address}],
    )


def virtual_machine(spec: Spec, run: str, plan: Plan, zone: str, interface: str) -> Body:
    """The machine, in one zone or, with "", wherever Azure likes. `interface` is the id of its network interface."""
    body = _of(
        spec,
        run,
        hardwareProfile={"vmSize": spec.type},
        storageProfile=_storage(spec, run, plan),
        osProfile=_os_profile(spec),
        networkProfile={"networkInterfaces": [{"id": interface, "properties": {"primary": True, **DELETE}}]},
        diagnosticsProfile={"bootDiagnostics": {"enabled": True}},
        securityProfile=_security(plan),
    )
    if spec.spot:
        spot = {"priority": "Spot", "evictionPolicy": "Deallocate", "billingProfile": {"maxPrice": -1}}
        body["properties"].update(spot)
    return {**body, "zones": [zone]} if zone else body


def schedule(region: str, tags: Mapping[str, str], machine_id: str, end: datetime) -> Body:
    """Azure's daily clock that deallocates a machine, at the minute of `end`."""
    properties = {
        "status": "Enabled",
        "taskType": "ComputeVmShutdownTask",
        "dailyRecurrence": {"time": end.astimezone(UTC).strftime("%H%M")},
        "timeZoneId": "UTC",
        "targetResourceId": machine_id,
        "notificationSettings": {"status": "Disabled"},
    }
    return {"location": region, "tags": dict(tags), "properties": properties}


def _of(spec: Spec, run: str, **properties: Any) -> Body:
    body: Body = {"location": spec.region, "tags": tags_for(spec, run)}
    return {**body, "properties": properties} if properties else body


def _storage(spec: Spec, run: str, plan: Plan) -> Body:
    """The controller is said only where it is not the usual one, which sizes without a choice take for an error."""
    storage: Body = {"imageReference": dict(plan.image_reference), "osDisk": _os_disk(spec, run, plan)}
    return storage if plan.disk_controller == "SCSI" else {**storage, "diskControllerType": plan.disk_controller}


def _os_disk(spec: Spec, run: str, plan: Plan) -> Body:
    return {
        "name": f"gpucloud-{run}-disk",
        "createOption": "FromImage",
        "caching": "ReadWrite",
        "diskSizeGB": spec.disk_gb,
        "managedDisk": {"storageAccountType": plan.disk_sku},
        **DELETE,
    }


def _os_profile(spec: Spec) -> Body:
    key = {"path": f"/home/{spec.ssh_user}/.ssh/authorized_keys", "keyData": spec.authorized_key.strip()}
    return {
        "computerName": spec.name.rstrip("-"),  # which Azure refuses at the end of a host name
        "adminUsername": spec.ssh_user,
        "customData": base64.b64encode(spec.user_data.encode()).decode(),
        "linuxConfiguration": {"disablePasswordAuthentication": True, "ssh": {"publicKeys": [key]}},
    }


def _security(plan: Plan) -> Body:
    """Trusted Launch is said explicitly: since August 2026 a size and an image that know it get it by default, and with
    Secure Boot. `Standard` is not said: Azure takes that word only from subscriptions with the feature
    UseStandardSecurityType, and means it anyway where a size or an image knows no Trusted Launch."""
    security: Body = {"encryptionAtHost": True} if plan.encryption_at_host else {}
    if plan.security_type == "TrustedLaunch":
        uefi = {"secureBootEnabled": plan.secure_boot, "vTpmEnabled": True}
        security |= {"securityType": "TrustedLaunch", "uefiSettings": uefi}
    return security
