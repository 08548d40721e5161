"""One manager and one guest for the tests of a module, and the proof that nothing of it stays."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import asyncssh
import pytest
import yaml

from gpucloud.sandbox.guest.leftovers import inhabitants
from gpucloud.sandbox.guest.manager import GuestManager, possible, reap_leftovers
from gpucloud.waiting import Waiter

HARDWARE: dict[str, Any] = {
    "instance_id": "i-0a",
    "instance_type": "g4dn.xlarge",
    "cloud": "aws",
    "os": "ubuntu-22.04",
    "kernel": "6.8.0-1035-aws",
    "pending_kernel": "",
    "fault": "",
    "latency": {},
    "gpus": [],
    "mirror": "",
}
PORT = 2222
QUICK = Waiter(first=0.02, longest=0.1)


class Keys(NamedTuple):
    """The client's key file, and user-data with its public half and the guest's host key."""

    private: Path
    known_hosts: Path
    settings: dict[str, Any]

    def user_data(self, **more: Any) -> bytes:
        return b"#cloud-config\n" + yaml.safe_dump({**self.settings, **more}).encode()


class Client:
    """Plain OpenSSH to a guest, with the host key pinned."""

    def __init__(self, keys: Keys, address: str) -> None:
        pinned = f"[{address}]:{PORT} " + str(keys.settings["ssh_keys"]["ed25519_public"])
        known = keys.known_hosts.with_name(f"known-{address}")
        known.write_text(pinned)
        self.options = ["-F", "none", "-i", str(keys.private), "-o", f"UserKnownHostsFile={known}"]
        self.options += ["-o", "StrictHostKeyChecking=yes", "-o", "BatchMode=yes", "-o", "LogLevel=ERROR"]
        self.address = address

    def run(self, command: str, *more: str, stdin: bytes | None = None) -> subprocess.CompletedProcess[bytes]:
        argv = ["ssh", *self.options, "-p", str(PORT), *more, f"ubuntu@{self.address}", command]
        return subprocess.run(
            argv, input=stdin, stdin=None if stdin is not None else subprocess.DEVNULL, capture_output=True, timeout=20
        )

    def output(self, command: str) -> str:
        done = self.run(command)
        assert done.returncode == 0, (command, done.stdout, done.stderr)
        return done.stdout.decode().strip()


@pytest.fixture(scope="session")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Keys:
    folder = tmp_path_factory.mktemp("keys")
    client, host = (asyncssh.generate_private_key("ssh-ed25519") for _ in range(2))
    private = folder / "client"
    private.write_bytes(client.export_private_key())
    private.chmod(0o600)
    host_keys = {
        "ed25519_private": host.export_private_key().decode(),
        "ed25519_public": host.export_public_key().decode(),
    }
    authorized = [client.export_public_key().decode().strip()]
    settings = {"ssh_deletekeys": True, "ssh_keys": host_keys, "ssh_authorized_keys": authorized}
    return Keys(private, folder / "known_hosts", settings)


@pytest.fixture(scope="module")
def manager(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GuestManager]:
    if reason := possible():
        pytest.skip(reason)
    root = tmp_path_factory.mktemp("guests")
    made = GuestManager(root, "")
    yield made
    for name in made.list():
        made.destroy(name)
    made.close()
    assert leftovers(root) == ""
    reap_leftovers(root)


def leftovers(root: Path) -> str:
    """Mounts under `root`, and processes in the namespaces of its guests."""
    mounts = [line for line in Path("/proc/self/mounts").read_text().splitlines() if str(root) in line]
    return "\n".join(mounts + [str(pid) for pid in inhabitants(root)])


def wait_up(manager: GuestManager, name: str) -> None:
    def up() -> bool:
        running = manager.guests[name].running
        return bool(running and running.up.is_set())

    assert QUICK.until(up, timeout=15), manager.console(name)


@pytest.fixture(scope="module")
def guest(manager: GuestManager, keys: Keys) -> Client:
    manager.create("i-0a", "127.77.200.1", PORT, keys.user_data(), HARDWARE, lambda _name, _how: None)
    wait_up(manager, "i-0a")
    return Client(keys, "127.77.200.1")
