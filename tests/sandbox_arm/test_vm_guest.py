"""ARM and guests together: a VM that OpenSSH reaches, and what its own power does."""

from __future__ import annotations

import base64
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gpucloud.keys import new_keypair
from gpucloud.sandbox import client
from gpucloud.userdata import cloud_config
from gpucloud.waiting import Waiter
from tests.sandbox_arm.machines import body, machine, statuses
from tests.sandbox_arm.support import GROUP, Arm

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

    def ssh(self, command: str) -> subprocess.CompletedProcess[str]:
        options = [f"UserKnownHostsFile={self.known_hosts}", "HostKeyAlias=machine", "StrictHostKeyChecking=accept-new"]
        options += ["ConnectTimeout=5", "BatchMode=yes"]
        argv = ["ssh", "-q", "-F", "none", "-i", str(self.key), "-p", str(self.arm.info.ssh_port)]
        argv += [part for option in options for part in ("-o", option)]
        return subprocess.run([*argv, f"ubuntu@{self.address}", command], capture_output=True, text=True)

    def answers(self) -> bool:
        return bool(SOON.until(lambda: self.ssh("true").returncode == 0, 20))

    def reaches(self, power: str) -> bool:
        return bool(SOON.until(lambda: statuses(self.arm, self.name)[-1] == f"PowerState/{power}", 20))


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Arm]:
    folder = tmp_path_factory.mktemp("guests")
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / "key")], check=True)
    yield Arm(client.ensure("default", folder / "state"), folder)
    client.stop(folder / "state")
    assert str(folder) not in Path("/proc/self/mounts").read_text()


@pytest.fixture
def emptied(real: Arm) -> Iterator[Arm]:
    for known in real.folder.glob("known-*"):
        known.unlink()
    yield real
    client.reset(real.folder / "state")
    assert real.inventory() == {}


def access(arm: Arm, **more: Any) -> dict[str, Any]:
    """The osProfile with the test's own key."""
    profile = body("")["properties"]["osProfile"]
    (key,) = profile["linuxConfiguration"]["ssh"]["publicKeys"]
    key["keyData"] = (arm.folder / "key.pub").read_text().strip()
    return {"osProfile": {**profile, **more}}


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
    assert SOON.until(lambda: vm.ssh("true").returncode != 0, 20)
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
