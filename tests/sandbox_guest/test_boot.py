"""What a boot brings: the newest kernel, a cloud image's programs and Python, the scenario's time, a quiet console."""

from __future__ import annotations

import os
import pty
import queue
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import uv

from gpucloud.sandbox.guest import base, identity
from gpucloud.sandbox.guest.manager import GuestManager
from tests.sandbox_guest.conftest import HARDWARE, PORT, QUICK, Client, Keys, leftovers, wait_up

ADDRESS = "127.77.200.5"
SLOW_BOOT = 0.7


class Booted:
    """A guest whose reboots take SLOW_BOOT seconds more, without a Python of the host that PyTorch supports."""

    def __init__(self, manager: GuestManager, keys: Keys) -> None:
        self.manager, self.powers = manager, queue.Queue[str]()
        hardware = {**HARDWARE, "latency": {"boot": SLOW_BOOT}}
        manager.create("i-0d", ADDRESS, PORT, keys.user_data(), hardware, lambda _id, how: self.powers.put(how))
        wait_up(manager, "i-0d")
        self.ssh = Client(keys, ADDRESS)

    def reboot(self) -> float:
        """Reboot from inside; the seconds until SSH answers again."""
        begun = time.monotonic()
        self.ssh.run("sudo reboot")
        assert self.powers.get(timeout=10) == "reboot"
        assert QUICK.until(lambda: self.manager.guests["i-0d"].running, timeout=10)
        wait_up(self.manager, "i-0d")
        return time.monotonic() - begun


@pytest.fixture(scope="module")
def booted(manager: GuestManager, keys: Keys) -> Iterator[Booted]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(base, "TORCH_MINORS", ())
        made = Booted(manager, keys)
    yield made
    manager.destroy("i-0d")
    assert leftovers(manager.root / "i-0d") == ""


@pytest.mark.parametrize(
    ("installed", "newest"),
    [
        ([], ""),
        (["vmlinuz-6.8.0-999-aws", "vmlinuz-6.8.0-1036-aws", "initrd.img-6.9.0-1-aws"], "6.8.0-1036-aws"),
        (["vmlinuz", "vmlinuz.old", "vmlinuz-6.8.0-1035-aws"], "6.8.0-1035-aws"),
    ],
)
def test_the_newest_kernel_is_that_of_grub(tmp_path: Path, installed: list[str], newest: str) -> None:
    for name in installed:
        (tmp_path / name).touch()

    assert identity.newest_kernel(tmp_path) == newest


@pytest.mark.slow
def test_a_reboot_runs_the_newest_kernel_of_boot_and_takes_the_scenarios_time(booted: Booted) -> None:
    assert booted.ssh.output("uname -r") == "6.8.0-1035-aws"
    booted.ssh.output("sudo touch /boot/vmlinuz-6.8.0-1036-aws")

    assert booted.reboot() > SLOW_BOOT
    assert booted.ssh.output("uname -r") == "6.8.0-1036-aws"

    booted.ssh.output("sudo rm /boot/vmlinuz-6.8.0-1036-aws")
    booted.reboot()
    assert booted.ssh.output("uname -r") == "6.8.0-1035-aws"


@pytest.mark.slow
def test_services_may_start_as_on_a_cloud_image(booted: Booted) -> None:
    assert booted.ssh.run("test -e /usr/sbin/policy-rc.d").returncode == 1


@pytest.mark.slow
def test_uv_finds_the_sandboxs_python_where_the_host_has_none(booted: Booted) -> None:
    wanted = f"/usr/local/bin/{base.python_name()}"
    booted.ssh.output("sudo sh -c 'rm -f /usr/bin/python3*'")
    assert booted.ssh.run("cat > uv && chmod +x uv", stdin=Path(uv.find_uv_bin()).read_bytes()).returncode == 0

    found = booted.ssh.output("./uv python find --no-python-downloads '>=3.11,<3.14'")
    assert found == wanted
    booted.ssh.output(f"./uv venv --quiet --python {found} made && made/bin/python -c 'import ssl, ctypes'")


@pytest.mark.slow
def test_the_console_has_no_warnings_after_a_terminal_session_and_a_shutdown(booted: Booted) -> None:
    ours, theirs = pty.openpty()
    argv = ["ssh", *booted.ssh.options, "-tt", "-p", str(PORT), f"ubuntu@{ADDRESS}", "true"]
    subprocess.run(argv, stdin=theirs, capture_output=True, timeout=20, check=True)
    os.close(ours)
    os.close(theirs)
    booted.reboot()

    assert "Warning" not in booted.manager.console("i-0d")


@pytest.mark.skipif(sys.base_prefix in ("/usr", "/usr/local"), reason="this interpreter is one of the host's programs")
def test_an_interpreter_of_its_own_is_shown_whole() -> None:
    assert base.python_parts() == ["."]


def test_of_the_hosts_usr_only_the_interpreter_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "base_prefix", "/usr")

    assert base.python_parts()[:2] == [f"bin/{base.python_name()}", f"lib/{base.python_name()}"]
