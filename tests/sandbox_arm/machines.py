"""VMs for the tests of the compute part: the body that our provider would send, and everything that it needs."""

from __future__ import annotations

from typing import Any

from tests.sandbox_arm.support import GROUP, LOCATION, Arm

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGPSz8+Xk0Zb2Ww8VhYv9ZV3b9m0m4x2M5m1Qn0s7v1J test"
T4 = "Standard_NC4as_T4_v3"
JAMMY = {
    "publisher": "Canonical",
    "offer": "0001-com-ubuntu-server-jammy",
    "sku": "22_04-lts-gen2",
    "version": "latest",
}


def body(nic: str, size: str = T4, **changes: Any) -> dict[str, Any]:
    """The body of a VM; `changes` are members of properties, or of the body itself (`tags`, `zones`, `location`)."""
    profile = {
        "computerName": "machine",
        "adminUsername": "ubuntu",
        "linuxConfiguration": {
            "disablePasswordAuthentication": True,
            "ssh": {"publicKeys": [{"path": "/home/ubuntu/.ssh/authorized_keys", "keyData": KEY}]},
        },
    }
    properties: dict[str, Any] = {
        "hardwareProfile": {"vmSize": size},
        "storageProfile": {"imageReference": dict(JAMMY), "osDisk": os_disk()},
        "osProfile": profile,
        "networkProfile": {"networkInterfaces": [{"id": nic, "properties": {"deleteOption": "Delete"}}]},
        "diagnosticsProfile": {"bootDiagnostics": {"enabled": True}},
    }
    names = [name for name in ("tags", "zones", "location", "identity") if name in changes]
    outer: dict[str, Any] = {name: changes.pop(name) for name in names}
    return {"location": LOCATION, **outer, "properties": {**properties, **changes}}


def os_disk(**changes: Any) -> dict[str, Any]:
    return {"createOption": "FromImage", "deleteOption": "Delete", "diskSizeGB": 64, **changes}


def nic(arm: Arm, name: str = "nic") -> str:
    """The id of an interface with a public address, in a network; each is made when it is not there."""
    arm.group()
    arm.vnet()
    address = {"id": arm.address(f"{name}-ip").id, "properties": {"deleteOption": "Delete"}}
    return str(arm.interface(name, publicIPAddress=address).id)


def begin(arm: Arm, name: str = "vm", **changes: Any) -> Any:
    """The poller of a VM's creation."""
    document = body(nic(arm, f"{name}-nic"), **changes)
    return arm.compute.virtual_machines.begin_create_or_update(GROUP, name, document)


def machine(arm: Arm, name: str = "vm", **changes: Any) -> Any:
    """A VM that runs."""
    return begin(arm, name, **changes).result()


def statuses(arm: Arm, name: str = "vm") -> list[str]:
    """The codes of a VM's instance view."""
    return [status.code for status in arm.compute.virtual_machines.instance_view(GROUP, name).statuses]
