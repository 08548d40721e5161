"""`reap` on both clouds: it ends what nobody meant to pay for, and hits nothing else."""

from __future__ import annotations

import signal
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from gpucloud.cli.live import quiet
from gpucloud.config import Config
from gpucloud.machine import TAG_EXPIRES
from gpucloud.ops import context as worlds
from gpucloud.ops import reap
from gpucloud.ops.context import Context
from gpucloud.state import State
from tests.e2e.support import QUICK, TYPES, Moment, Sandbox, every_cloud

pytestmark = pytest.mark.slow

PAST = datetime.now(UTC) - timedelta(hours=1)
SLOW_MACHINES = "latency_ms: {RunInstances: 4000, PUT virtualMachines: 4000}"
"""What a launch makes first is there for a while before its machine."""


@pytest.fixture
def here(clean: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Context:
    """The sandbox as the commands of this test see it, for what no command does."""
    monkeypatch.setenv("XDG_STATE_HOME", str(clean.home / "state"))
    return worlds.sandbox(Config(), quiet)


def up(sandbox: Sandbox, cloud: str, *arguments: str) -> Mapping[str, Any]:
    made = sandbox.ok("up", TYPES[cloud], "-n", "box", "--profile", "minimal", *arguments, "-o", "json")
    return dict(made.document)


def power_off(sandbox: Sandbox, becomes: str) -> None:
    sandbox.run("exec", "box", "--", "sudo", "systemctl", "poweroff")
    assert QUICK.until(lambda: sandbox.machine("box")["state"] == becomes, timeout=20)


@every_cloud
def test_a_machine_past_its_lifetime_is_removed_and_a_dry_run_only_says_so(
    clean: Sandbox, here: Context, cloud: str
) -> None:
    made = up(clean, cloud, "--ttl", "2h")
    clean.ok("stop", "box", "--yes")
    here.provider(cloud, made["region"]).set_tags(made["id"], {TAG_EXPIRES: PAST.isoformat()})
    clean.ask("calls", "DELETE")

    dry = clean.run("reap", "--dry-run", "-o", "json")
    assert (dry.rc, clean.changes()) == (10, {})
    assert [(each["kind"], each["remains"]) for each in dry.document] == [("expired", "dry run: would remove it")]
    assert clean.run("reap").rc == 2

    done = clean.ok("reap", "--yes", "-o", "json")
    assert done.document[0]["done"].startswith("removed ")
    assert (clean.left(), clean.identities()) == ({}, [])
    assert "there is nothing to reap" in clean.ok("reap").err


def test_a_halted_machine_is_deallocated(clean: Sandbox) -> None:
    up(clean, "azure")
    power_off(clean, "halted")
    done = clean.ok("reap", "--yes")
    assert "stopped: disk and address still cost" in done.out
    assert clean.machine("box")["state"] == "stopped"
    assert clean.ok("reap", "--yes").out == ""
    clean.ok("down", "box", "--yes")


def test_the_security_group_that_outlives_a_lifetime_waits_for_a_second_look(clean: Sandbox) -> None:
    up(clean, "aws", "--ttl", "30m")
    clean.run("exec", "box", "--", "sudo", "systemctl", "poweroff")
    assert QUICK.until(lambda: clean.left().keys() == {"security-group"}, timeout=20), clean.left()

    (marked,) = clean.ok("reap", "--yes", "-o", "json").document
    assert (marked["kind"], marked["done"], [*clean.left()]) == ("orphaned", "", ["security-group"])
    clean.ok("reap", "--yes", "--now")
    assert (clean.left(), clean.identities()) == ({}, [])


@every_cloud
def test_an_interrupted_launch_is_recovered(clean: Sandbox, cloud: str) -> None:
    running = Moment("before-instance", line="instance start", cloud=cloud).of_up(clean)
    running.send(signal.SIGKILL)
    running.end()
    (done,) = clean.ok("reap", "--yes", "-o", "json").document
    assert (done["kind"], done["action"], clean.left()) == ("half-created", "recover", {})


@every_cloud
def test_a_launch_that_goes_on_is_not_hit(clean: Sandbox, here: Context, tmp_path: Path, cloud: str) -> None:
    elsewhere = replace(here, state=State(tmp_path))
    before = Moment("", line="instance start", cloud=cloud, profile="minimal", scenario=SLOW_MACHINES)
    running = before.of_up(clean)
    (seen,) = reap.carry_out(elsewhere, reap.survey(elsewhere))  # known to be ours by its owner tag alone
    assert "it may be a launch that goes on" in seen.remains
    assert clean.ok("reap", "--yes", "--now", "--all-owners", "-o", "json").document == []
    assert running.end().rc == 0
    assert clean.machine("brief")["state"] == "running"
    assert reap.survey(elsewhere, all_owners=True, now=True).findings == []


def test_watching_goes_on_until_a_signal(clean: Sandbox) -> None:
    running = clean.start("reap", "--watch", "--yes")
    running.until(lambda: running.said("there is nothing to reap"))
    running.send(signal.SIGTERM)
    assert running.end().rc == 143
