from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import pytest

from gpucloud.config import Config
from gpucloud.errors import NotFound, Unreachable
from gpucloud.machine import Machine, State
from gpucloud.ops import power
from gpucloud.ops.context import Context
from gpucloud.progress import Progress
from gpucloud.providers.base import Provider
from gpucloud.saga import CONSISTENCY_WINDOW
from gpucloud.state import State as LocalState
from gpucloud.waiting import Waiter
from tests.conftest import FakeClock
from tests.ops.conftest import World


def machine(state: State, address: str | None = None) -> Machine:
    return Machine("i-1", "box", "r1", "aws", "us-east-1", "us-east-1a", "g4dn.xlarge", state, address)


class Answers:
    """A provider whose `get` answers as a function of the time says."""

    def __init__(self, clock: FakeClock, answer: Callable[[float], Machine]) -> None:
        self.clock, self.answer = clock, answer

    def get(self, machine_id: str) -> Machine:
        return self.answer(self.clock.now)

    def console(self, machine_id: str) -> str:
        return "kernel panic"


@pytest.fixture
def told() -> list[Progress]:
    return []


@pytest.fixture
def context(tmp_path: Path, waiter: Waiter, told: list[Progress]) -> Context:
    return Context(Config(), LocalState(tmp_path), {}, told.append, waiter=waiter)


def wait(context: Context, clock: FakeClock, answer: Callable[[float], Machine]) -> Machine:
    provider: Any = Answers(clock, answer)
    return power.wait_until_running(context, cast(Provider, provider), "i-1", "box")


def test_a_machine_just_made_may_not_be_listed_yet(context: Context, clock: FakeClock) -> None:
    def answer(now: float) -> Machine:
        if now < 2:
            raise NotFound("no machine i-1")
        return machine(State.RUNNING, "192.0.2.1") if now > 9 else machine(State.PENDING)

    assert wait(context, clock, answer).address == "192.0.2.1"


def test_absence_is_believed_after_the_window(context: Context, clock: FakeClock) -> None:
    def answer(now: float) -> Machine:
        raise NotFound("no machine i-1")

    with pytest.raises(NotFound):
        wait(context, clock, answer)
    assert clock.now > CONSISTENCY_WINDOW


def test_a_machine_that_stops_instead_is_told_with_its_boot_log(context: Context, clock: FakeClock) -> None:
    with pytest.raises(Unreachable, match="terminating instead of running: kernel panic"):
        wait(context, clock, lambda _: machine(State.TERMINATING))


def test_a_machine_just_started_may_still_be_listed_as_stopped(context: Context, clock: FakeClock) -> None:
    found = wait(context, clock, lambda now: machine(State.RUNNING, "192.0.2.1") if now > 4 else machine(State.STOPPED))
    assert found.state is State.RUNNING


def test_a_machine_that_never_runs_is_given_up(context: Context, clock: FakeClock) -> None:
    with pytest.raises(Unreachable, match="not running after 900 s"):
        wait(context, clock, lambda _: machine(State.PENDING))


def test_running_without_an_address_is_not_enough(context: Context, clock: FakeClock) -> None:
    found = wait(context, clock, lambda now: machine(State.RUNNING, "192.0.2.1" if now > 3 else None))
    assert (found.address, clock.now > 3) == ("192.0.2.1", True)


def test_a_machine_that_halts_instead_is_told_with_what_the_cloud_says_of_it(
    context: Context, clock: FakeClock
) -> None:
    with pytest.raises(Unreachable, match="halted instead of running: OSProvisioningTimedOut"):
        wait(context, clock, lambda _: replace(machine(State.HALTED), reason="OSProvisioningTimedOut"))
    assert clock.now > CONSISTENCY_WINDOW


@pytest.mark.parametrize(("hours", "warned"), [(-1, True), (1, False)])
def test_starting_after_the_end_of_its_lifetime_is_warned_of(hours: int, warned: bool) -> None:
    late = replace(machine(State.STOPPED), expires_at=datetime.now(UTC) + timedelta(hours=hours))
    assert ("it ends in 10 minutes unless you `gpucloud extend box" in power.lifetime_note(late, True)) is warned
    assert ("another day unless you `gpucloud extend box" in power.lifetime_note(late, False)) is warned


def test_a_halted_machine_is_stopped_to_end_its_billing_and_started_like_a_stopped_one(world: World) -> None:
    halted = world.azure.add("box", state=State.HALTED)
    stopped = power.stop(world.context(), halted)
    assert (stopped.state, world.told[-1].text) == (
        State.STOPPED,
        "compute billing has stopped; disk and address still cost",
    )
    again = world.azure.add("box", state=State.HALTED)
    assert power.start(world.context(), again).state is State.RUNNING
