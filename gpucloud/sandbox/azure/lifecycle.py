"""The guests behind the VMs: made, booted, halted and removed along with them.

A VM's power state is in `private["power"]` (empty: never allocated), its guest's id in `private["guest"]`, and
`private["turn"]` names the latest operation on it: an older one that ends later changes nothing.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import Any

from gpucloud.sandbox.azure import hardware
from gpucloud.sandbox.azure.store import Resource
from gpucloud.sandbox.azure.world import GUEST_PREFIX, AzureWorld

TYPE = "Microsoft.Compute/virtualMachines"
UP = ("starting", "running")
Chore = Callable[[], Any]


def guest_id(vm_id: str) -> str:
    """The id of the guest behind a VM, from its vmId."""
    return GUEST_PREFIX + vm_id.replace("-", "")[:12]


def address(world: AzureWorld, vm: Resource) -> str:
    """The public address of a VM's first interface; empty when it has none."""
    for entry in vm.properties.get("networkProfile", {}).get("networkInterfaces", []):
        interface = world.store.find(entry["id"])
        for configuration in interface.properties["ipConfigurations"] if interface else []:
            public = world.store.find(configuration["properties"].get("publicIPAddress", {}).get("id", ""))
            if public is not None and public.properties.get("ipAddress"):
                return str(public.properties["ipAddress"])
    return ""


def boot(world: AzureWorld, vm: Resource) -> None:
    """Boot the guest, when the scenario's SSH delay is over, under the address that the VM has then."""
    scenario, chore = world.shared.scenario, partial(_boot, world, vm.id.key, vm.private["guest"])
    if scenario.ssh_delay:
        due = time.time() + scenario.state_times.pending + scenario.ssh_delay
        world.shared.timers.at(due, partial(_chore, world, vm, chore))
    else:
        _chore(world, vm, chore)


def halt(world: AzureWorld, vm: Resource) -> None:
    _chore(world, vm, partial(world.shared.guests.stop, vm.private["guest"]))


def reboot(world: AzureWorld, vm: Resource) -> None:
    _chore(world, vm, partial(world.shared.guests.reboot, vm.private["guest"]))


def destroy(world: AzureWorld, vm: Resource) -> None:
    _chore(world, vm, partial(world.shared.guests.destroy, vm.private["guest"]))


def powered(world: AzureWorld, vm: Resource, what: str) -> None:
    """A guest switched itself off: its VM is stopped, which is still allocated and billed. A reboot changes nothing."""
    if what == "poweroff" and vm.private["power"] in UP and vm.state != "Deleting":
        vm.private["power"] = "stopped"
        halt(world, vm)


def restored(world: AzureWorld, vm: Resource, guest_kept: bool) -> None:
    """After a restart of the daemon: a power cut.

    What ran is stopped, not deallocated: Azure releases no hardware, and stops no bill, because a machine went down.
    A VM that lost its guest's files has failed.
    """
    if vm.private["power"] in UP:
        vm.private["power"] = "stopped"
        if not guest_kept and address(world, vm):
            fail(vm, "OSProvisioningInternalError", "its guest was lost in a restart of the sandbox [simulated]")


def fail(vm: Resource, code: str, message: str) -> None:
    """Leave a VM in provisioning state Failed, with the reason in its instance view."""
    vm.state, vm.private["failure"], vm.private["changed"] = "Failed", {"code": code, "message": message}, time.time()


def succeed(vm: Resource) -> None:
    """The latest operation on a VM has ended well."""
    vm.state, vm.private["changed"] = "Succeeded", time.time()
    vm.private.pop("failure", None)


def provisioning(vm: Resource) -> bytes:
    """The custom data as far as cloud-init understands it; Azure takes any bytes."""
    data: bytes = vm.private["custom_data"]
    return data if data.startswith((b"#cloud-config", b"#!", b"\x1f\x8b")) else b""


def _boot(world: AzureWorld, key: str, guest: str) -> None:
    """Make the guest of a VM, or boot the one that it has."""
    with world.shared.lock:
        vm = world.store.find(key)
        # Another VM may have the name by now, or this one have been switched off.
        if vm is None or vm.private["guest"] != guest or vm.private["power"] not in UP:
            return
        where, data, described = address(world, vm), provisioning(vm), hardware.of(world, vm)
    if not where:
        return
    # Not with the lock held: this takes a second, and the guest may report meanwhile.
    guests = world.shared.guests
    if guest in guests.list():
        guests.start(guest, where)
    else:
        guests.create(guest, where, world.shared.ssh_port, data, described, world.on_power)


def _chore(world: AzureWorld, vm: Resource, chore: Chore) -> None:
    world.shared.chores.add(vm.private["guest"], chore, partial(_failed, world, vm.id.key, vm.private["guest"]))


def _failed(world: AzureWorld, key: str, guest: str, error: Exception) -> None:
    """The guest could not be made, booted or halted: Azure says that the OS was not provisioned."""
    with world.shared.lock:
        vm = world.store.find(key)
        if vm is not None and vm.private["guest"] == guest and vm.private["power"] in UP:
            fail(
                vm, "OSProvisioningInternalError", f"OS Provisioning failed for VM '{vm.id.name}': {error} [simulated]"
            )
            world.save()
