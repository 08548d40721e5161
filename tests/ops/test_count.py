"""Several machines at once: each with a rollback of its own, all of them with one interruption."""

from __future__ import annotations

import builtins
import os
import signal
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from threading import Barrier, Event, Thread
from typing import Any, cast

import pytest

from gpucloud import journal, signals
from gpucloud.config import Config
from gpucloud.errors import (
    CapacityError,
    ExitStatus,
    GpucloudError,
    MayStillCost,
    PreflightFailed,
    Problem,
    SomeFailed,
    StageFailed,
    UsageError,
)
from gpucloud.machine import Machine, Spec, State
from gpucloud.ops import fleet, up
from gpucloud.ops.context import Context
from gpucloud.ops.parallel import Relay
from gpucloud.ops.request import Request
from gpucloud.ops.up import Outcome, Prepared
from gpucloud.progress import Progress
from gpucloud.providers.base import Provider
from gpucloud.saga import Facts, Step
from gpucloud.state import State as LocalState
from gpucloud.verify.report import Report
from gpucloud.waiting import Waiter
from tests.conftest import FakeClock

LIMIT = 20.0
"""Seconds after which a thread of a test is taken for hung."""


@dataclass
class Cloud:
    """A provider that remembers what it made. `making` runs in the midst of every creating call."""

    making: Callable[[str, Spec], None] = lambda step, spec: None
    undoing: Callable[[str, Spec], None] = lambda step, spec: None
    made: list[str] = field(default_factory=list)
    left: set[str] = field(default_factory=set)
    asked: list[Spec] = field(default_factory=list)
    machines: list[Machine] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    guest_ends_billing: bool = True

    def preflight(self, spec: Spec) -> list[Problem]:
        self.asked.append(spec)
        return list(self.problems)

    def list(self) -> builtins.list[Machine]:
        return self.machines

    def launch_steps(self, spec: Spec, run: str) -> builtins.list[Step]:
        return [self._step(step, f"gpucloud-{run}-{step}", spec) for step in ("security-group", "instance")]

    def _step(self, step: str, name: str, spec: Spec) -> Step:
        def do(facts: Facts) -> Facts:
            self.made.append(name)
            self.left.add(name)
            self.making(step, spec)
            return {"id": name}

        def undo(facts: Facts) -> bool:
            self.undoing(step, spec)
            self.left.discard(name)
            return True

        return Step(step, name, do, undo)


@dataclass(frozen=True)
class World(Context):
    """A context with one cloud in it."""

    cloud_of_all: Cloud = field(default_factory=Cloud)

    def provider(self, cloud: str = "", region: str = "", *, regions: Sequence[str] = ()) -> Provider:
        one: Any = self.cloud_of_all
        return cast(Provider, one)


@pytest.fixture(autouse=True)
def handlers(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    monkeypatch.setattr(signals, "_rollbacks", 0)
    signals.install()
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture
def told() -> list[Progress]:
    return []


@pytest.fixture
def cloud() -> Cloud:
    return Cloud()


@pytest.fixture
def world(tmp_path: Path, clock: FakeClock, told: list[Progress], cloud: Cloud) -> World:
    config = Config(region="us-east-1", ssh_config="off")
    return World(
        config, LocalState(tmp_path), {}, told.append, waiter=Waiter(clock.time, clock.sleep), cloud_of_all=cloud
    )


def batch(world: World, count: int = 3, **request: Any) -> list[Prepared]:
    wanted = fleet.plans(world, Request("g4dn.xlarge", name="box", **request), count)
    return fleet.prepare(world, wanted, named=True)


def proofs(monkeypatch: pytest.MonkeyPatch, proof: Callable[[str], None]) -> None:
    """In place of the way over SSH: `proof` is called with the machine's name, and may fail or wait."""

    def prove(context: Context, prepared: Prepared, machine_id: str) -> Outcome:
        name = prepared.plan.spec.name
        proof(name)
        machine = Machine(machine_id, name, prepared.plan.run, "aws", "us-east-1", "a", "g4dn.xlarge", State.RUNNING)
        return Outcome(machine, {}, Report((), False, name), None, 0.0)

    monkeypatch.setattr(up, "_prove", prove)


def endings(world: World) -> dict[str, str]:
    """How the journal of each machine ended."""
    entries = [journal.read(path) for path in world.state.journal_paths()]
    return {each[0]["name"]: journal.status_of(each) for each in entries}


def interrupt_when(reached: Callable[[], object]) -> None:
    """Send this process a SIGINT once something has happened."""

    def wait() -> None:
        reached()
        os.kill(os.getpid(), signal.SIGINT)

    Thread(target=wait, daemon=True).start()


def test_names_and_runs_are_numbered(world: World) -> None:
    named = fleet.plans(world, Request("g4dn.xlarge", name="box", run="ci"), 2)
    assert [(plan.spec.name, plan.run) for plan in named] == [("box-1", "ci-1"), ("box-2", "ci-2")]
    assert [plan.stages["run"] for plan in named] == ["ci-1", "ci-2"]

    others = fleet.plans(world, Request("g4dn.xlarge"), 2)
    assert len({plan.run for plan in others}) == len({plan.spec.name for plan in others}) == 2
    assert all(plan.spec.name.startswith("gpu-") for plan in others)


@pytest.mark.parametrize("count", [0, -1, fleet.MOST + 1])
def test_a_count_that_makes_no_sense_is_refused(world: World, count: int) -> None:
    with pytest.raises(UsageError, match=f"--count {count}"):
        fleet.with_type_of_existing(world, Request("g4dn.xlarge"), count)


def test_one_preflight_stands_for_all(world: World, cloud: Cloud) -> None:
    batch(world, 3)
    assert [(spec.name, spec.count) for spec in cloud.asked] == [("box-1", 3)]


def test_a_machine_that_this_computer_made_is_mended_and_anybody_elses_is_in_the_way(
    world: World, cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    proofs(monkeypatch, lambda name: None)
    fleet.carry_out(world, batch(world, 1))
    here = Machine("i-1", "box-1", "ours", "aws", "us-east-1", "a", "g4dn.xlarge", State.RUNNING)
    cloud.machines = [here]
    assert [each.existing for each in batch(world, 3)] == [here, None, None]
    assert [(spec.name, spec.count) for spec in cloud.asked][-1] == ("box-2", 2)

    cloud.machines = [here, replace(here, id="i-3", name="box-3", run="theirs")]
    cloud.problems = [Problem("the quota is too small")]
    with pytest.raises(PreflightFailed) as failed:
        batch(world, 3)
    assert [problem.what for problem in failed.value.problems] == [
        "the quota is too small",
        "the name box-3 is taken in us-east-1",
    ]


def test_all_are_made_at_the_same_time(world: World, cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    creating, proving = Barrier(3, timeout=LIMIT), Barrier(3, timeout=LIMIT)
    cloud.making = lambda step, spec: cast(None, creating.wait())
    proofs(monkeypatch, lambda name: cast(None, proving.wait()))
    ends = fleet.carry_out(world, batch(world))

    assert list(ends) == ["box-1", "box-2", "box-3"]
    fleet.require_all(ends)
    assert endings(world) == dict.fromkeys(ends, "committed")


def test_one_that_fails_is_removed_and_the_others_stay(
    world: World, cloud: Cloud, told: list[Progress], monkeypatch: pytest.MonkeyPatch
) -> None:
    def proof(name: str) -> None:
        if name == "box-2":
            raise StageFailed("driver failed")

    proofs(monkeypatch, proof)
    ends = fleet.carry_out(world, batch(world))

    assert endings(world) == {"box-1": "committed", "box-2": "rolled_back", "box-3": "committed"}
    assert sorted(name[-10:] for name in cloud.left if name.endswith("instance")) == ["1-instance", "3-instance"]
    assert not [name for name in cloud.left if "-2-" in name]
    assert any(event.machine == "box-2" and "driver failed" in event.text for event in told)
    with pytest.raises(SomeFailed, match="1 of 3 machines failed: box-2") as failed:
        fleet.require_all(ends)
    assert failed.value.status == ExitStatus.STAGE_FAILED


@pytest.mark.parametrize(
    ("errors", "status"),
    [
        ([CapacityError("none left"), StageFailed("driver")], ExitStatus.CAPACITY),
        ([CapacityError("none left"), MayStillCost("a disk")], ExitStatus.MAY_STILL_COST),
    ],
)
def test_the_first_error_decides_unless_one_may_still_cost(errors: list[GpucloudError], status: ExitStatus) -> None:
    ends: dict[str, fleet.End] = {f"box-{number}": error for number, error in enumerate(errors)}
    with pytest.raises(SomeFailed) as failed:
        fleet.require_all(ends)
    assert failed.value.status == status


def test_an_interruption_removes_what_is_not_verified_and_keeps_what_is(
    world: World, cloud: Cloud, told: list[Progress], monkeypatch: pytest.MonkeyPatch
) -> None:
    waiting, never = Barrier(3, timeout=LIMIT), Event()

    def proof(name: str) -> None:
        if name != "box-1":
            waiting.wait()
            never.wait(LIMIT)  # a silent stage: nothing asks whether it should go on

    def reached() -> None:
        waiting.wait()
        Waiter(longest=0.02).until(lambda: "committed" in endings(world).values(), LIMIT)

    proofs(monkeypatch, proof)
    wanted = batch(world)
    interrupt_when(reached)
    with pytest.raises(signals.Interrupted, match="SIGINT"):
        fleet.carry_out(world, wanted)
    never.set()

    assert endings(world) == {"box-1": "committed", "box-2": "rolled_back", "box-3": "rolled_back"}
    assert all("-1-" in name for name in cloud.left) and len(cloud.left) == 2
    assert [event.machine for event in told if "it stays" in event.text] == ["box-1"]


def test_a_creating_call_on_its_way_is_waited_for_and_undone_and_no_other_is_begun(
    world: World, cloud: Cloud, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_flight, answered = Barrier(4, timeout=LIMIT), Event()

    def making(step: str, spec: Spec) -> None:
        in_flight.wait()
        assert answered.wait(LIMIT)

    cloud.making = making
    real_interrupt = Relay.interrupt

    def interrupt(relay: Relay) -> None:
        real_interrupt(relay)
        answered.set()

    monkeypatch.setattr(Relay, "interrupt", interrupt)
    wanted = batch(world)
    interrupt_when(in_flight.wait)
    with pytest.raises(signals.Interrupted):
        fleet.carry_out(world, wanted)

    assert sorted(name[-14:] for name in cloud.made) == ["security-group"] * 3
    assert cloud.left == set()
    assert endings(world) == dict.fromkeys(["box-1", "box-2", "box-3"], "rolled_back")
    assert clock.now == 0  # the answers came: nothing has to be looked for


def test_what_cannot_be_removed_outweighs_the_interruption(
    world: World, cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    def undoing(step: str, spec: Spec) -> None:
        if (step, spec.name) == ("instance", "box-2"):
            raise CapacityError("not now")

    waiting = Barrier(4, timeout=LIMIT)
    cloud.undoing = undoing
    proofs(monkeypatch, lambda name: cast(None, (waiting.wait(), Event().wait(LIMIT))))
    wanted = batch(world)
    interrupt_when(waiting.wait)
    with pytest.raises(MayStillCost, match="box-2.*not now") as failed:
        fleet.carry_out(world, wanted)
    assert isinstance(failed.value.__cause__, signals.Interrupted)
    assert endings(world) == {"box-1": "rolled_back", "box-2": "open", "box-3": "rolled_back"}


def test_a_bug_in_one_thread_leaves_nothing_of_the_others(
    world: World, cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    def proof(name: str) -> None:
        if name == "box-2":
            raise ZeroDivisionError
        Event().wait(LIMIT)

    proofs(monkeypatch, proof)
    with pytest.raises(ZeroDivisionError):
        fleet.carry_out(world, batch(world))
    assert (cloud.left, set(endings(world).values())) == (set(), {"rolled_back"})


def test_what_is_to_be_kept_on_failure_is_kept_but_not_on_an_interruption(
    world: World, cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    never = Event()

    def proof(name: str) -> None:
        if name == "box-2":
            never.wait(LIMIT)
        raise StageFailed("driver failed")

    proofs(monkeypatch, proof)
    wanted = batch(world, 2)
    interrupt_when(lambda: Waiter(longest=0.02).until(lambda: "committed" in endings(world).values(), LIMIT))
    with pytest.raises(signals.Interrupted):
        fleet.carry_out(world, wanted, keep_on_failure=True)
    never.set()
    assert endings(world) == {"box-1": "committed", "box-2": "rolled_back"}
