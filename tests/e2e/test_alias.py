"""`ssh NAME` with the real OpenSSH, as any program on this computer would call it."""

from __future__ import annotations

import shutil

import pytest

from tests.e2e.support import Done, Sandbox

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("ssh") is None, reason="there is no OpenSSH on this computer"),
]


PATIENT = ("-o", "BatchMode=yes", "-o", "ConnectionAttempts=30")
"""`start` returns when the machine runs, and its SSH server takes a moment more: one attempt a second."""


def ssh(sandbox: Sandbox, *words: str) -> Done:
    """OpenSSH asks the password file, and not HOME, where ~/.ssh is: so it must be told."""
    return sandbox.program_of_others("ssh", "-F", str(sandbox.home / ".ssh/config"), *PATIENT, *words)


def test_an_alias_lives_as_long_as_its_machine(clean: Sandbox) -> None:
    up = clean.ok("up", "g4dn.xlarge", "-n", "plain")
    assert "includes gpucloud's aliases now" in up.err
    assert ssh(clean, "plain", "echo $((6*7))") == Done(0, "42\n", "")

    clean.ok("stop", "plain", "--yes")
    clean.ok("start", "plain")  # with another address
    assert ssh(clean, "plain", "id -un") == Done(0, "ubuntu\n", "")

    clean.ok("down", "plain", "--yes")
    assert "Host plain" not in (clean.home / ".config/gpucloud/ssh_config.sandbox").read_text()
    assert ssh(clean, "plain", "true").rc == 255


def test_a_rolled_back_machine_leaves_no_alias_and_the_users_file_alone(clean: Sandbox) -> None:
    running = clean.start("up", "g4dn.xlarge", "-n", "brief", env={"GPUCLOUD_SSH_CONFIG": "on"})
    running.until(lambda: running.said("system start"))
    assert clean.ok("ssh", "brief", "--", "true").rc == 0  # which makes an alias, too
    running.process.terminate()
    assert running.end().rc == 143
    assert "Host brief" not in (clean.home / ".config/gpucloud/ssh_config.sandbox").read_text()


def test_off_means_off(clean: Sandbox) -> None:
    config = clean.home / ".ssh/config"
    before = config.read_bytes() if config.exists() else None
    clean.ok("up", "g4dn.xlarge", "-n", "silent", env={"GPUCLOUD_SSH_CONFIG": "off"})
    assert clean.ok("ssh", "silent", "--", "true", env={"GPUCLOUD_SSH_CONFIG": "off"}).rc == 0
    clean.ok("down", "silent", "--yes")
    assert (config.read_bytes() if config.exists() else None) == before
    assert not [path for path in (clean.home / ".config").rglob("ssh_config*") if "silent" in path.read_text()]
