"""A machine with a lifetime ends without this computer: on AWS by its own timer, on Azure by a clock of Azure's."""

from __future__ import annotations

import signal
from datetime import UTC, datetime, timedelta

import pytest
from azure.core.rest import HttpRequest

from gpucloud.providers.azure.resources import SCHEDULES_API
from gpucloud.userdata import extend_commands, stamp
from tests.e2e.support import QUICK, TYPES, Sandbox, every_cloud

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


@every_cloud
def test_extend_needs_a_lifetime_to_move(clean: Sandbox, cloud: str) -> None:
    clean.ok("up", TYPES[cloud], "-n", "brief", "--profile", "minimal")
    done = clean.run("extend", "brief", "2h")
    assert (done.rc, "without --ttl" in done.told) == (2, True), done.told


def clock_of(sandbox: Sandbox) -> str:
    """When Azure's only clock strikes: UTC, `HHMM`."""
    (clock,) = [each["properties"] for each in sandbox.clocks()]
    assert (clock["status"], clock["timeZoneId"]) == ("Enabled", "UTC")
    return str(clock["dailyRecurrence"]["time"])


def end_of(sandbox: Sandbox) -> datetime:
    """When `ls` says that the machine ends."""
    return datetime.fromisoformat(sandbox.machine("brief")["expires_at"]).astimezone(UTC)


def test_azure_s_clock_is_set_before_anyone_logs_in(clean: Sandbox) -> None:
    running = clean.start("up", TYPES["azure"], "-n", "brief", "--ttl", "40m")
    running.until(lambda: running.said("boot start"))
    running.send(signal.SIGKILL)
    running.end()

    assert abs(end_of(clean) - datetime.now(UTC) - timedelta(minutes=40)) < timedelta(minutes=1)
    assert clock_of(clean) == f"{end_of(clean):%H%M}"

    clean.ok("recover")
    assert clean.left() == {}


def test_azure_s_clock_is_moved_by_extend_as_far_as_it_can_be(clean: Sandbox) -> None:
    clean.ok("up", TYPES["azure"], "-n", "brief", "--ttl", "2h", "--profile", "minimal")
    before = clock_of(clean)
    clean.ok("extend", "brief", "5h")
    moved = end_of(clean)
    assert moved - datetime.now(UTC) > timedelta(hours=4, minutes=55)
    assert clock_of(clean) == f"{moved:%H%M}" != before
    assert f"{moved.astimezone():%Y-%m-%d %H:%M} (deallocated)" in clean.ok("ls").out

    for wish, why in (("30h", "at most 23.5 hours from now"), ("10m", "might count from tomorrow on")):
        done = clean.run("extend", "brief", wish)
        assert (done.rc, why in done.told, "\nfix: " in done.told) == (2, True, True), done.told
    assert (end_of(clean), clock_of(clean)) == (moved, f"{moved:%H%M}")


def test_azure_s_clock_deallocates_and_what_it_leaves_costs(clean: Sandbox) -> None:
    told = clean.ok("up", TYPES["azure"], "-n", "brief", "--ttl", "2h", "--profile", "minimal").err
    assert "is deallocated after 2h: disk and address still cost until" in told
    running = clean.machine("brief")
    (clock,) = clean.clocks()
    strike = HttpRequest("POST", f"{clock['id']}/execute?api-version={SCHEDULES_API}")
    assert clean.azure().groups.send_request(strike).status_code == 202

    assert QUICK.until(lambda: clean.machine("brief")["state"] == "stopped", timeout=20)
    stopped = clean.machine("brief")
    assert (stopped["ends_by"], stopped["address"]) == ("deallocated", running["address"])
    assert 0 < stopped["usd_per_hour"] < running["usd_per_hour"]
    clean.ok("start", "brief")
    assert clean.machine("brief")["state"] == "running"


def test_a_machine_of_azure_that_switches_itself_off_is_billed_until_it_is_stopped(clean: Sandbox) -> None:
    clean.ok("up", TYPES["azure"], "-n", "brief", "--ttl", "2h", "--profile", "minimal")
    running = clean.machine("brief")
    clean.run("exec", "brief", "--", "sudo", "systemctl", "poweroff")

    assert QUICK.until(lambda: clean.machine("brief")["state"] == "halted", timeout=20)
    assert clean.machine("brief")["usd_per_hour"] == running["usd_per_hour"]
    assert "halted, still billed" in clean.ok("ls").out
    clean.ok("stop", "brief", "--yes")
    stopped = clean.machine("brief")
    assert (stopped["state"], stopped["usd_per_hour"] < running["usd_per_hour"]) == ("stopped", True)
    assert "billed" not in clean.ok("ls").out.partition("[simulated]")[0]

    clean.ok("start", "brief")
    assert clean.ok("exec", "brief", "--", "nvidia-smi", "-L").out.startswith("GPU 0: Tesla T4")
