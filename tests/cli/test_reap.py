"""`reap`: what it prints, what it asks, and what it exits with. The clouds are in memory."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from gpucloud.errors import ExitStatus
from gpucloud.machine import State
from gpucloud.ops import context as worlds
from gpucloud.ops import reap
from tests.cli.conftest import Cli
from tests.ops.conftest import NO_AZURE, THROTTLED, World, world
from tests.ops.leftovers import Leaving, aws, azure

__all__ = ["aws", "azure", "world"]

PAST = datetime.now(UTC) - timedelta(hours=1)
KEYS = ["kind", "name", "run", "cloud", "region", "owner", "why", "usd_per_hour", "billable", "action", "done"]


@pytest.fixture(autouse=True)
def only_these_clouds(world: World, aws: Leaving, azure: Leaving, monkeypatch: pytest.MonkeyPatch) -> None:
    def context(config: Any, report: Any, remark: Any) -> worlds.Context:
        made = world.context(config)
        return worlds.Context(config, made.state, made.settings, report, waiter=made.waiter, remark=remark)

    monkeypatch.setattr(worlds, "real", context)


def test_with_nothing_to_do_it_asks_nothing_and_exits_with_0(cli: Cli) -> None:
    ran = cli("reap")
    assert (ran.code, ran.out, ran.err) == (0, "", "there is nothing to reap\n")
    assert json.loads(cli("reap", "-o", "json").out) == []


def test_it_says_what_why_and_what_was_done(cli: Cli, aws: Leaving, azure: Leaving) -> None:
    aws.add("one", expires_at=PAST)
    azure.add("two", state=State.HALTED)
    ran = cli("reap", "--yes")
    heading, one, two = ran.out.splitlines()
    assert ran.code == 0
    assert heading.split() == ["what", "name", "cloud", "region", "owner", "$/h", "why", "done"]
    assert one.startswith("expired  one") and "its lifetime ended at" in one and "removed 1 resource" in one
    assert two.startswith("halted   two") and "still bills it" in two and "stopped: disk and address" in two


def test_the_document_has_a_record_for_each_finding(cli: Cli, aws: Leaving) -> None:
    aws.add("one", expires_at=PAST)
    aws.leave("r-old")
    ran = cli("reap", "--yes", "-o", "json")
    expired, orphaned = json.loads(ran.out)
    assert list(expired) == [*KEYS, "remains"]
    assert (expired["kind"], expired["action"], expired["done"]) == ("expired", "remove", "removed 1 resource")
    assert (orphaned["kind"], orphaned["usd_per_hour"], orphaned["billable"]) == ("orphaned", None, True)
    assert ran.code == ExitStatus.MAY_STILL_COST
    assert "error: something billable may remain: orphaned r-old (it may be a launch that goes on" in ran.err


def test_what_costs_nothing_may_wait_without_an_alarm(cli: Cli, aws: Leaving) -> None:
    aws.leave("r-old", "security-group", costs=False)
    ran = cli("reap", "--yes")
    assert (ran.code, "removed if it is still there at" in ran.out) == (0, True)


def test_without_a_terminal_it_needs_to_be_told_that_it_may(cli: Cli, aws: Leaving) -> None:
    aws.add("one", expires_at=PAST, tags={"gpucloud-owner": "alice@lab"})
    ran = cli("reap")
    assert (ran.code, aws.changes) == (ExitStatus.USAGE, [])
    assert "not done: remove one (expired, of alice@lab)?" in ran.err
    assert cli("reap", "--watch").code == ExitStatus.USAGE


def test_a_dry_run_shows_it_and_is_an_alarm_too(cli: Cli, aws: Leaving) -> None:
    aws.add("one", expires_at=PAST)
    ran = cli("reap", "--dry-run")
    assert (ran.code, "dry run: would remove it" in ran.out, aws.changes) == (ExitStatus.MAY_STILL_COST, True, [])


def test_max_acts_on_so_many_and_says_what_is_left(cli: Cli, aws: Leaving) -> None:
    aws.add("one", expires_at=PAST)
    aws.add("two", expires_at=PAST)
    ran = cli("reap", "--yes", "--max", "1")
    assert ([each.name for each in aws.machines.values()], ran.code) == (["two"], ExitStatus.MAY_STILL_COST)
    assert "left to the next pass: --max 1" in ran.out
    assert cli("reap", "--yes", "--max", "1").code == 0
    assert cli("reap", "--max", "0").code == ExitStatus.USAGE


def test_a_cloud_that_is_left_out_is_one_line_and_one_that_does_not_answer_an_alarm(cli: Cli, azure: Leaving) -> None:
    azure.refuses = NO_AZURE
    ran = cli("reap", "--yes")
    assert (ran.code, ran.err.splitlines()[0]) == (
        0,
        "azure: left out: no Azure credentials: none found; fix: `az login`",
    )
    azure.refuses = THROTTLED
    assert cli("reap", "--yes").code == ExitStatus.MAY_STILL_COST
    assert cli("reap", "--yes", "--cloud", "azure").code == ExitStatus.UNREACHABLE


def test_watching_survives_a_cloud_that_is_away_for_a_while(
    cli: Cli, aws: Leaving, azure: Leaving, monkeypatch: pytest.MonkeyPatch
) -> None:
    def thrice(context: worlds.Context, *, again: bool) -> Iterator[None]:
        assert again
        aws.refuses, azure.refuses = THROTTLED, THROTTLED
        yield
        aws.refuses, azure.refuses = None, None
        aws.add("one", expires_at=PAST)
        yield
        yield

    monkeypatch.setattr(reap, "passes", thrice)
    ran = cli("reap", "--watch", "--yes")
    assert "no cloud can be asked" in ran.err
    assert ("removed 1 resource" in ran.out, "nothing to reap" in ran.err, ran.code) == (True, True, 0)


def test_watching_is_no_single_document(cli: Cli) -> None:
    assert cli("reap", "--watch", "-o", "json").code == ExitStatus.USAGE
