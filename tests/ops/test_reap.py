"""`reap`: what it finds, what it leaves alone, and what it says about what remains."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path

import pytest

from gpucloud.errors import ConfigError, MayStillCost
from gpucloud.journal import Journal, read, status_of
from gpucloud.machine import TAG_OWNER, Spec, State
from gpucloud.ops import marks, reap
from gpucloud.ops.reap import Finding, Kind, Result
from tests.conftest import FakeClock
from tests.ops.conftest import NO_AZURE, THROTTLED, World
from tests.ops.leftovers import Leaving, aws, azure

__all__ = ["aws", "azure"]

NOW = datetime.now(UTC)
PAST, YESTERDAY, LATER = NOW - timedelta(minutes=1), NOW - timedelta(days=1), NOW + timedelta(hours=1)


@pytest.fixture(autouse=True)
def both(aws: Leaving, azure: Leaving) -> None:
    """Every test has both clouds, even one that looks at one of them only."""


def found(world: World, **options: bool) -> list[tuple[Kind, str]]:
    return [(each.kind, each.run) for each in reap.survey(world.context(), **options).findings]


def reaped(world: World, most: int | None = None, **options: bool) -> list[Result]:
    context = world.context()
    return reap.carry_out(context, reap.survey(context, **options), most, dry_run=options.get("dry_run", False))


def mark(world: World, run: str, at: datetime) -> Path:
    path = world.state.root / "reap.json"
    path.write_text(json.dumps({run: at.isoformat()}))
    return path


def interrupted(world: World, run: str, cloud: str) -> Path:
    path = world.state.journal_path(run)
    spec = Spec("box", "here", "g4dn.xlarge").journal_form()
    with Journal.create(path, {"run": run, "name": "box", "cloud": cloud, "region": "here", "spec": spec}) as log:
        log.intent("instance", f"gpucloud-{run}-instance")
    return path


@pytest.fixture
def at_work(world: World) -> Iterator[str]:
    """A run that a process of this computer holds at this moment."""
    world.journal("busy", "azure", run="r-busy")
    with Journal.open(world.state.journal_path("r-busy")):
        yield "r-busy"


def test_what_is_well_is_no_finding(world: World, aws: Leaving, azure: Leaving) -> None:
    aws.add("one")
    azure.add("two", expires_at=LATER)
    azure.leave("r-two")
    azure.add("stopped", state=State.STOPPED)
    assert (reaped(world), aws.changes, azure.changes) == ([], [], [])


@pytest.mark.parametrize("state", [State.RUNNING, State.STOPPED, State.HALTED])
def test_a_machine_past_its_lifetime_goes_with_its_whole_run(world: World, azure: Leaving, state: State) -> None:
    azure.add("box", expires_at=PAST, state=state, launched_at=YESTERDAY, tags={TAG_OWNER: "somebody"})
    azure.leave("r-box")
    (result,) = reaped(world)
    assert (result.finding.kind, result.done, result.remains) == (Kind.EXPIRED, "removed 2 resources", "")
    assert (result.finding.owner, result.finding.billable) == ("somebody", True)
    assert not (azure.machines or azure.left)


def test_a_machine_on_its_way_out_is_left_to_go(world: World, aws: Leaving) -> None:
    aws.add("box", expires_at=PAST, state=State.TERMINATING)
    aws.leave("r-box", "security-group", costs=False)
    assert reaped(world, now=True) == []


def test_a_machine_started_after_its_end_gets_ten_minutes_for_an_extend(world: World, aws: Leaving) -> None:
    aws.add("box", expires_at=YESTERDAY, launched_at=datetime.now(UTC) - timedelta(minutes=9))
    assert found(world) == []
    aws.add("box", expires_at=YESTERDAY, launched_at=datetime.now(UTC) - timedelta(minutes=11))
    assert found(world) == [(Kind.EXPIRED, "r-box")]


def test_a_machine_that_was_extended_while_people_were_asked_stays(world: World, aws: Leaving) -> None:
    aws.add("box", expires_at=PAST)
    survey = reap.survey(world.context())
    aws.add("box", expires_at=LATER)
    (result,) = reap.carry_out(world.context(), survey)
    assert (result.done, result.remains, aws.changes) == ("nothing: it is running by now", "", [])


def test_a_halted_machine_is_stopped_and_kept(world: World, azure: Leaving) -> None:
    box = azure.add("box", state=State.HALTED)
    (result,) = reaped(world)
    assert (result.finding.kind, result.done) == (Kind.HALTED, "stopped: disk and address still cost")
    assert azure.machines[box.id].state is State.STOPPED
    assert found(world) == []


def test_a_halted_machine_that_somebody_started_meanwhile_runs_on(world: World, azure: Leaving) -> None:
    azure.add("box", state=State.HALTED)
    survey = reap.survey(world.context())
    azure.add("box", state=State.RUNNING)
    assert reap.carry_out(world.context(), survey)[0].done == "nothing: it is running by now"
    assert azure.changes == []


def test_an_orphan_is_marked_first_and_removed_ten_minutes_later(world: World, azure: Leaving) -> None:
    azure.leave("r-old")
    first = reaped(world)
    assert "removed if it is still there at" in first[0].remains
    assert reaped(world)[0].remains == first[0].remains
    assert azure.changes == []
    mark(world, "r-old", datetime.now(UTC) - marks.SETTLED)
    assert [each.done for each in reaped(world)] == ["removed 1 resource"]
    assert azure.left == []


def test_an_orphan_goes_at_once_with_now(world: World, aws: Leaving) -> None:
    aws.leave("r-old", "security-group", costs=False)
    (result,) = reaped(world, now=True)
    assert (result.finding.kind, result.finding.usd_per_hour, result.done) == (Kind.ORPHANED, 0.0, "removed 1 resource")


def test_a_run_that_got_its_machine_loses_its_mark(world: World, aws: Leaving) -> None:
    aws.leave("r-box", "security-group", costs=False)
    path = mark(world, "r-box", YESTERDAY)
    aws.add("box")
    reaped(world)
    assert json.loads(path.read_text()) == {}


def test_marks_of_what_is_not_seen_any_more_are_forgotten_after_a_day(world: World) -> None:
    path = mark(world, "r-1", NOW - timedelta(hours=23))
    reaped(world)
    assert list(json.loads(path.read_text())) == ["r-1"]
    mark(world, "r-1", NOW - timedelta(hours=25))
    reaped(world)
    assert json.loads(path.read_text()) == {}


def test_marks_that_cannot_be_read_are_an_error_that_names_the_file(world: World) -> None:
    (world.state.root / "reap.json").write_text("[1]")
    with pytest.raises(ConfigError, match="reap.json cannot be read"):
        reaped(world)


def test_a_machine_that_appears_among_the_leftovers_saves_them(world: World, aws: Leaving) -> None:
    aws.leave("r-new", "security-group", costs=False)
    survey = reap.survey(world.context(), now=True)
    aws.add("new")
    (result,) = reap.carry_out(world.context(), survey)
    assert (result.failed, "just being made" in result.remains, aws.changes) == (True, True, [])


def test_what_another_process_is_at_work_on_is_left_to_it(world: World, azure: Leaving, at_work: str) -> None:
    azure.leave(at_work)
    assert found(world, now=True) == []
    azure.add("busy", expires_at=PAST)
    (result,) = reaped(world, now=True)
    assert (result.remains, azure.changes) == ("another process is at work on it", [])


def test_orphans_of_others_are_named_and_left_alone(world: World, azure: Leaving) -> None:
    azure.leave("r-theirs", owner="alice@lab")
    azure.leave("r-nobodys", owner="")
    assert (reaped(world, now=True), azure.changes) == ([], [])
    assert world.remarks == ["2 orphaned runs of alice@lab, nobody known left alone: add --all-owners"]
    assert {each.finding.owner for each in reaped(world, now=True, all_owners=True)} == {"alice@lab", ""}
    assert azure.left == []


def test_a_run_is_ours_by_any_of_its_tags_and_by_our_journal(world: World, azure: Leaving) -> None:
    azure.leave("r-1", "nothing-tagged", owner="")
    azure.leave("r-1")
    azure.leave("r-box", owner="me@old-name-of-this-computer")
    world.journal("box", "azure")
    assert found(world, now=True) == [(Kind.ORPHANED, "r-1"), (Kind.ORPHANED, "r-box")]


def test_what_carries_no_run_id_of_ours_is_not_ours(world: World, aws: Leaving) -> None:
    aws.leave("../x")
    aws.leave("")
    aws.add("box", run="No Run", expires_at=PAST)
    assert found(world, now=True, all_owners=True) == []


def test_an_interrupted_launch_is_recovered_whatever_else_is_wrong_with_it(world: World, aws: Leaving) -> None:
    path = interrupted(world, "r-box", "aws")
    aws.add("box", expires_at=PAST)
    aws.leave("r-box")
    (result,) = reaped(world, now=True)
    assert (result.finding.kind, result.finding.usd_per_hour) == (Kind.HALF_CREATED, 0.526)
    assert (status_of(read(path)), result.done) == ("rolled_back", "nothing was left of it")


def test_a_dry_run_changes_neither_the_clouds_nor_this_computer(world: World, aws: Leaving, azure: Leaving) -> None:
    aws.add("box", expires_at=PAST)
    azure.add("other", state=State.HALTED)
    azure.leave("r-old")
    interrupted(world, "r-half", "aws")
    before = sorted(world.state.root.rglob("*"))
    results = reaped(world, now=True, dry_run=True)
    assert {each.remains.removeprefix("dry run: would ") for each in results} == {
        "remove it",
        "stop it",
        "recover it",
    }
    assert (aws.changes, azure.changes, sorted(world.state.root.rglob("*"))) == ([], [], before)
    with pytest.raises(MayStillCost):
        reap.require_done(results, {})


def test_the_most_expensive_and_then_the_oldest_come_first(world: World, aws: Leaving) -> None:
    for name, type_ in (("b", "g4dn.xlarge"), ("a", "g4dn.xlarge"), ("big", "g4dn.12xlarge")):
        aws.add(name, type=type_, expires_at=PAST)
    aws.leave("r-0", "security-group", costs=False)
    results = reaped(world, most=2, now=True)
    assert [each.finding.run for each in results] == ["r-big", "r-a", "r-b", "r-0"]
    assert [each.remains for each in results[2:]] == ["left to the next pass: --max 2"] * 2
    with pytest.raises(MayStillCost, match="expired b .left to the next pass"):
        reap.require_done(results, {})


def test_one_that_fails_does_not_stop_the_others(world: World, aws: Leaving, azure: Leaving) -> None:
    azure.leave("r-1")
    azure.held.add("disk-r-1")
    aws.leave("r-2", "security-group", costs=False)
    bad, good = reaped(world, now=True)
    assert (good.done, good.remains) == ("removed 1 resource", "")
    assert (bad.done, bad.remains, bad.failed) == ("", "disk disk-r-1 (still there)", True)
    with pytest.raises(MayStillCost, match="orphaned r-1 .disk disk-r-1"):
        reap.require_done([bad, good], {})


def finding(billable: bool) -> Finding:
    return Finding(Kind.ORPHANED, "r", "r", "aws", "here", "", "", None, billable)


@pytest.mark.parametrize(
    ("result", "fine"),
    [
        (Result(finding(True), done="removed"), True),
        (Result(finding(True), remains="waits"), False),
        (Result(finding(False), remains="waits"), True),
        (Result(finding(False), remains="held by somebody", failed=True), False),
    ],
)
def test_it_ends_well_unless_something_billable_remains_or_could_not_be_removed(result: Result, fine: bool) -> None:
    if fine:
        reap.require_done([result], {})
        return
    with pytest.raises(MayStillCost):
        reap.require_done([result], {})


def test_a_cloud_that_cannot_be_asked_is_not_called_clean(world: World, aws: Leaving, azure: Leaving) -> None:
    aws.add("box", expires_at=PAST)
    azure.refuses = THROTTLED
    survey = reap.survey(world.context())
    assert reap.carry_out(world.context(), survey)[0].done
    with pytest.raises(MayStillCost, match="whatever is in azure"):
        reap.require_done([], survey.unasked)


def test_a_cloud_that_is_not_in_use_here_is_no_matter(world: World, azure: Leaving) -> None:
    azure.refuses = NO_AZURE
    assert not reap.survey(world.context()).unasked


def test_it_comes_back_every_five_minutes_if_asked_to(world: World, clock: FakeClock) -> None:
    assert (len([*reap.passes(world.context(), again=False)]), clock.sleeps) == (1, [])
    assert len([*islice(reap.passes(world.context(), again=True), 3)]) == 3
    assert clock.sleeps == [300.0, 300.0]
