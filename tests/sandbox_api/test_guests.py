"""API, guests and mirror together: a machine from RunInstances that OpenSSH reaches, and what its own power does."""

from __future__ import annotations

import os
import signal
import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gpucloud.keys import new_keypair
from gpucloud.sandbox import client
from gpucloud.userdata import cloud_config
from gpucloud.waiting import Waiter
from tests.sandbox_api.support import Sandbox

pytestmark = pytest.mark.slow
SOON = Waiter(first=0.1, longest=0.5)


class Machine:
    """One instance with the key that opens it."""

    def __init__(self, sandbox: Sandbox, key: Path, **more: Any) -> None:
        self.sandbox, self.key = sandbox, key
        host = new_keypair()
        user_data = cloud_config(host, key.with_suffix(".pub").read_text().strip(), None)
        self.known_hosts = key.with_name(f"known-{uuid.uuid4().hex}")
        self.known_hosts.write_text(f"machine {host.public}\n")
        self.id = sandbox.run(UserData=user_data, **more)["InstanceId"]

    @property
    def address(self) -> str:
        return str(self.sandbox.describe(self.id)["PublicIpAddress"])

    def ssh(self, command: str) -> subprocess.CompletedProcess[str]:
        options = [f"UserKnownHostsFile={self.known_hosts}", "HostKeyAlias=machine", "StrictHostKeyChecking=yes"]
        options += ["ConnectTimeout=5", "BatchMode=yes"]
        argv = ["ssh", "-q", "-i", str(self.key), "-p", str(self.sandbox.info.ssh_port)]
        argv += [part for option in options for part in ("-o", option)]
        return subprocess.run([*argv, f"ubuntu@{self.address}", command], capture_output=True, text=True)

    def answers(self) -> bool:
        return bool(SOON.until(lambda: self.ssh("true").returncode == 0, 20))

    def boot_id(self) -> str:
        return self.ssh("cat /proc/sys/kernel/random/boot_id").stdout

    def rebooted(self, before: str) -> bool:
        return bool(SOON.until(lambda: self.boot_id() not in ("", before), 20))


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    folder = tmp_path_factory.mktemp("guests")
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / "key")], check=True)
    yield Sandbox(client.ensure("default", folder / "state"), folder)
    client.stop(folder / "state")
    mounts = Path("/proc/self/mounts").read_text()
    assert str(folder) not in mounts


@pytest.fixture
def emptied(real: Sandbox) -> Iterator[Sandbox]:
    yield real
    client.reset(real.folder / "state")
    assert not any(real.ask("inventory").values())


def test_a_machine_answers_ssh_and_knows_its_simulated_hardware(emptied: Sandbox) -> None:
    machine = Machine(emptied, emptied.folder / "key")
    assert machine.answers()
    assert machine.ssh("uname -r").stdout.strip().endswith("-aws")
    hardware = machine.ssh("cat /etc/gpucloud-sim/hardware.json").stdout
    assert machine.id in hardware
    assert "Tesla T4" in hardware
    update = machine.ssh("sudo apt-get update")
    assert update.returncode == 0, update.stderr


def test_a_reboot_from_inside_gives_a_new_boot_and_keeps_the_machine_running(emptied: Sandbox) -> None:
    machine = Machine(emptied, emptied.folder / "key")
    assert machine.answers()
    before = machine.boot_id()
    machine.ssh("sudo reboot")
    assert machine.rebooted(before)
    assert emptied.state(machine.id) == "running"
    before = machine.boot_id()
    emptied.ec2.reboot_instances(InstanceIds=[machine.id])
    assert machine.rebooted(before)


def test_poweroff_stops_and_a_start_gives_the_same_disk_under_another_address(emptied: Sandbox) -> None:
    machine = Machine(emptied, emptied.folder / "key")
    assert machine.answers()
    machine.ssh("echo kept > note; sync")
    before = machine.address
    machine.ssh("sudo poweroff")
    assert emptied.reaches(machine.id, "stopped")
    assert emptied.describe(machine.id)["StateReason"]["Code"] == "Client.InstanceInitiatedShutdown"
    emptied.ec2.start_instances(InstanceIds=[machine.id])
    assert machine.answers()
    assert machine.address != before
    assert machine.ssh("cat note").stdout == "kept\n"


def test_poweroff_ends_a_machine_whose_shutdown_behaviour_says_so(emptied: Sandbox) -> None:
    machine = Machine(emptied, emptied.folder / "key", InstanceInitiatedShutdownBehavior="terminate")
    assert machine.answers()
    machine.ssh("sudo shutdown -h now")
    assert emptied.reaches(machine.id, "terminated")
    assert not any(emptied.ask("inventory").values())


def test_after_sigkill_of_the_daemon_the_next_one_starts_clean(emptied: Sandbox) -> None:
    state = emptied.folder / "state"
    machine = Machine(emptied, emptied.folder / "key")
    assert machine.answers()
    os.kill(emptied.info.pid, signal.SIGKILL)
    assert SOON.until(lambda: client.status(state) is None, 5)
    emptied.info = client.ensure(None, state)
    assert emptied.info.state == "kept"
    assert emptied.state(machine.id) in ("stopped", "terminated")
    assert emptied.run()["InstanceId"]
