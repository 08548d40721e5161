"""A machine with a lifetime ends itself: by its own timer, without credentials, whatever happens to this computer."""

from __future__ import annotations

import signal
from datetime import UTC, datetime, timedelta

import pytest

from gpucloud.userdata import extend_commands, stamp
from tests.e2e.support import QUICK, Sandbox

pytestmark = pytest.mark.slow

TIMER = "gpucloud-expire.timer"


def test_the_timer_is_armed_before_anyone_logs_in(clean: Sandbox) -> None:
    running = clean.start("up", "g4dn.xlarge", "-n", "brief", "--ttl", "30m")
    running.until(lambda: running.said("boot start"))
    running.send(signal.SIGKILL)
    running.end()

    look = f"cat /etc/gpucloud/expires; systemctl is-active {TIMER}; systemctl list-timers; ls /var/lib/gpucloud"
    seen = clean.run("exec", "brief", "--", "sh", "-c", look)
    expires = datetime.fromisoformat(clean.machine("brief")["expires_at"])
    assert abs(expires - datetime.now(UTC) - timedelta(minutes=30)) < timedelta(minutes=1)
    assert seen.out.splitlines()[:2] == [stamp(expires), "active"]
    assert f"{expires.astimezone(UTC):%Y-%m-%d %H:%M:%S}" in seen.out
    assert "/var/lib/gpucloud': No such file" in seen.err

    clean.ok("recover")
    assert clean.left() == {}


def test_no_credentials_are_on_the_machine(clean: Sandbox) -> None:
    clean.ok("up", "g4dn.xlarge", "-n", "brief", "--ttl", "30m", "--profile", "minimal")
    key = clean.info["access_key"]
    assert "AWS_" not in clean.ok("exec", "brief", "--", "env").out
    places = ["/etc", "/home", "/root", "/run", "/var/lib/cloud", "/var/lib/gpucloud"]
    found = clean.run("exec", "brief", "--", "sudo", "grep", "-rlsF", "-e", key, "-e", "aws_secret", *places)
    assert (found.out, found.err) == ("", "")
    assert clean.ok("exec", "brief", "--", "sudo", "grep", "-rlsF", "-e", "end of the lifetime", "/etc").out


@pytest.mark.parametrize(("ttl", "left"), [(["--ttl", "30m"], {"security-group"}), ([], None)])
def test_a_poweroff_inside_ends_a_machine_with_a_lifetime_and_stops_one_without(
    clean: Sandbox, ttl: list[str], left: set[str] | None
) -> None:
    made = clean.ok("up", "g4dn.xlarge", "-n", "brief", *ttl, "--profile", "minimal", "-o", "json").document
    clean.run("exec", "brief", "--", "sudo", "systemctl", "poweroff")

    if left is None:
        assert QUICK.until(lambda: clean.machine("brief")["state"] == "stopped", timeout=20)
    else:
        assert QUICK.until(lambda: clean.left().keys() == left, timeout=20), clean.left()
        assert clean.ok("ls", "-o", "json").document == []
    clean.ok("down", "--run-id", made["run"], "--yes")
    assert (clean.left(), clean.identities()) == ({}, [])


def test_the_machine_is_gone_when_its_time_is_over(clean: Sandbox) -> None:
    made = clean.ok("up", "g4dn.xlarge", "-n", "brief", "--ttl", "30m", "--profile", "minimal", "-o", "json")
    soon = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=5)
    clean.ok("exec", "brief", "--", "sudo", "sh", "-c", extend_commands(soon))

    assert QUICK.until(lambda: clean.left().keys() == {"security-group"}, timeout=30), clean.left()
    assert datetime.now(UTC) >= soon
    assert clean.ok("ls", "-o", "json").document == []
    clean.ok("down", "--run-id", made.document["run"], "--yes")
    assert clean.left() == {}


def test_extend_needs_a_lifetime_to_move(clean: Sandbox) -> None:
    clean.ok("up", "g4dn.xlarge", "-n", "brief", "--profile", "minimal")
    done = clean.run("extend", "brief", "2h")
    assert (done.rc, "without --ttl" in done.told) == (2, True), done.told
