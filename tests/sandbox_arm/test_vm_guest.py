"""ARM and guests together: a VM that OpenSSH reaches, and what its own power does."""

from __future__ import annotations

import base64
import os
import signal
import subprocess
from typing import Any

import pytest

from gpucloud.keys import new_keypair
from gpucloud.sandbox import client
from gpucloud.userdata import cloud_config
from gpucloud.waiting import Waiter
from tests.sandbox_arm.machines import body, machine, os_disk, statuses
from tests.sandbox_arm.support import GROUP, Arm, refused

pytestmark = pytest.mark.slow
SOON = Waiter(first=0.1, longest=0.5)
TRUSTED = {"securityType": "TrustedLaunch", "uefiSettings": {"secureBootEnabled": True, "vTpmEnabled": True}}


class Machine:
    """One VM with the key that opens it."""

    def __init__(self, arm: Arm, name: str = "vm", **changes: Any) -> None:
        self.arm, self.name, self.key = arm, name, arm.folder / "key"
        self.known_hosts = arm.folder / f"known-{name}"
        machine(arm, name, **changes)

    @property
    def address(self) -> str:
        return str(self.arm.network.public_ip_addresses.get(GROUP, f"{self.name}-nic-ip").properties.ip_address)

    def ssh(self, command: str, user: str = "ubuntu") -> subprocess.CompletedProcess[str]:
        options = [f"UserKnownHostsFile={self.known_hosts}", "HostKeyAlias=machine", "StrictHostKeyChecking=accept-new"]
        options += ["ConnectTimeout=5", "BatchMode=yes"]
        argv = ["ssh", "-q", "-F", "none", "-i", str(self.key), "-p", str(self.arm.info.ssh_port)]
        argv += [part for option in options for part in ("-o", option)]
        return subprocess.run([*argv, f"{user}@{self.address}", command], capture_output=True, text=True)

    def answers(self, user: str = "ubuntu") -> bool:
        return bool(SOON.until(lambda: self.ssh("true", user).returncode == 0, 20))

    def reaches(self, power: str) -> bool:
        return bool(SOON.until(lambda: statuses(self.arm, self.name)[-1] == f"PowerState/{power}", 20))


def access(arm: Arm, **more: Any) -> dict[str, Any]:
    """The osProfile with the test's own key."""
    profile = body("")["properties"]["osProfile"]
    (key,) = profile["linuxConfiguration"]["ssh"]["publicKeys"]
    key["keyData"] = (arm.folder / "key.pub").read_text().strip()
    profile.update(more)
    key["path"] = f"/home/{profile['adminUsername']}/.ssh/authorized_keys"
    return {"osProfile": profile}


def test_the_hpc_image_is_one_inside_too(emptied: Arm) -> None:
    hpc = {"publisher": "microsoft-dsvm", "offer": "ubuntu-hpc", "sku": "2204", "version": "latest"}
    storage = {"imageReference": hpc, "osDisk": os_disk()}
    vm = Machine(emptied, storageProfile=storage, **access(emptied))
    assert vm.answers()
    assert "nvidia.ko" in vm.ssh("ls /usr/lib/modules/*/updates/dkms").stdout


def test_a_vm_answers_ssh_and_knows_its_simulated_hardware(emptied: Arm) -> None:
    public = (emptied.folder / "key.pub").read_text().strip()
    data = base64.b64encode(cloud_config(new_keypair(), public, None).encode()).decode()
    vm = Machine(emptied, securityProfile=TRUSTED, **access(emptied, customData=data))
    assert vm.answers()
    assert vm.ssh("uname -r; hostname").stdout.split() == ["6.8.0-1035-azure", "machine"]
    hardware = vm.ssh("cat /etc/gpucloud-sim/hardware.json").stdout
    assert all(word in hardware for word in ("Standard_NC4as_T4_v3", "Tesla T4", '"secure_boot": true', "az-"))


def test_the_keys_of_the_os_profile_open_a_vm_without_custom_data(emptied: Arm) -> None:
    vm = Machine(emptied, **access(emptied))
    assert vm.answers()


def test_the_admin_is_the_user_that_logs_in_and_its_keys_count_beside_the_custom_data(emptied: Arm) -> None:
    data = base64.b64encode(b"#cloud-config\nruncmd: [touch /opt/ran]\n").decode()
    vm = Machine(emptied, **access(emptied, adminUsername="azureuser", customData=data))
    assert vm.answers("azureuser")
    told = vm.ssh("sudo cloud-init status --wait; ls /opt; pwd; stat -c %U:%G ~; sudo id -un; id ubuntu", "azureuser")
    assert told.stdout.split("\n")[1:-1] == ["ran", "/home/azureuser", "azureuser:azureuser", "root"]
    assert "no such user" in told.stderr
    assert vm.ssh("true").returncode != 0


def test_custom_data_that_cloud_init_does_not_know_keeps_nobody_out(emptied: Arm) -> None:
    vm = Machine(emptied, **access(emptied, customData=base64.b64encode(b"\0anything").decode()))
    assert vm.answers()


def test_a_run_command_tells_what_the_script_printed(emptied: Arm) -> None:
    machine(emptied, **access(emptied))
    script = ["#!/bin/bash", 'echo "$(id -un) $1 $2 $b"', "echo no >&2", "exit 3"]
    parameters = [{"name": "a", "value": "one"}, {"name": "b", "value": "t w o"}]
    command = {"commandId": "RunShellScript", "script": script, "parameters": parameters}
    # At once: the guest boots yet.
    (status,) = emptied.compute.virtual_machines.begin_run_command(GROUP, "vm", command).result().value
    assert (status.code, status.display_status) == ("ProvisioningState/succeeded", "Provisioning succeeded")
    assert status.message == "Enable succeeded: \n[stdout]\nroot one t w o t w o\n\n[stderr]\nno\n"


def test_a_run_command_keeps_out_others_and_nobody_waits_for_it_to_switch_the_vm_off(emptied: Arm) -> None:
    machine(emptied, **access(emptied))
    machines, command = emptied.compute.virtual_machines, {"commandId": "RunShellScript", "script": ["sleep 600"]}
    poller = machines.begin_run_command(GROUP, "vm", command)
    with refused("Conflict", 409):
        machines.begin_run_command(GROUP, "vm", command)
    machines.begin_deallocate(GROUP, "vm").result()
    with refused("VMAgentStatusCommunicationError"):
        poller.result()


def test_a_poweroff_from_inside_leaves_the_vm_allocated(emptied: Arm) -> None:
    vm = Machine(emptied, **access(emptied))
    assert vm.answers()
    before = vm.address
    vm.ssh("echo kept > note; sync; sudo poweroff")
    assert vm.reaches("stopped")
    emptied.compute.virtual_machines.begin_start(GROUP, "vm").result()
    assert vm.answers()
    assert (vm.address, vm.ssh("cat note").stdout) == (before, "kept\n")


def test_a_reboot_from_inside_leaves_the_vm_running(emptied: Arm) -> None:
    vm = Machine(emptied, **access(emptied))
    assert vm.answers()
    before = vm.ssh("cat /proc/sys/kernel/random/boot_id").stdout
    vm.ssh("sudo reboot")
    assert SOON.until(lambda: vm.ssh("cat /proc/sys/kernel/random/boot_id").stdout not in ("", before), 20)
    assert vm.reaches("running")


def test_deallocated_and_started_it_keeps_disk_and_address(emptied: Arm) -> None:
    vm = Machine(emptied, **access(emptied))
    assert vm.answers()
    before = vm.address
    vm.ssh("echo kept > note; sync")
    emptied.compute.virtual_machines.begin_deallocate(GROUP, "vm").result()
    assert vm.ssh("true").returncode != 0  # at once: the operation ends when the guest is down
    emptied.compute.virtual_machines.begin_start(GROUP, "vm").result()
    assert vm.answers()
    assert (vm.address, vm.ssh("cat note").stdout) == (before, "kept\n")


def test_the_groups_deletion_destroys_the_guest(emptied: Arm) -> None:
    vm = Machine(emptied, **access(emptied))
    assert vm.answers()
    emptied.groups.resource_groups.begin_delete(GROUP).result()
    guests = emptied.folder / "state" / "guests"
    assert SOON.until(lambda: not list(guests.glob("az-*")), 20)


def test_a_restart_of_the_daemon_is_a_power_cut_and_stops_no_bill(emptied: Arm) -> None:
    state = emptied.folder / "state"
    vm = Machine(emptied, **access(emptied))
    assert vm.answers()
    vm.ssh("echo kept > note; sync")
    os.kill(emptied.info.pid, signal.SIGTERM)
    assert SOON.until(lambda: not (state / "daemon.json").exists(), 20)
    emptied.info = client.ensure(None, state)
    assert vm.reaches("stopped")
    emptied.compute.virtual_machines.begin_start(GROUP, "vm").result()
    assert vm.answers()
