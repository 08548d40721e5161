"""A signal in the middle of `up` ends it after a rollback that nothing can stop: nothing billable remains."""

from __future__ import annotations

import signal

import pytest

from tests.e2e.support import TYPES, Moment, Sandbox, every_moment

pytestmark = pytest.mark.slow


@every_moment
def test_nothing_is_left_after_ctrl_c(clean: Sandbox, moment: Moment) -> None:
    running = moment.of_up(clean)
    running.send(signal.SIGINT)
    done = running.end()

    assert done.rc == 130, done.err
    assert "interrupted by SIGINT" in done.err
    assert done.out == ""
    assert clean.left() == {}
    assert clean.identities() == []
    assert [clean.events(path)[-1] for path in clean.journals()] in ([], ["rolled_back"])


@pytest.mark.parametrize("cloud", TYPES)
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_other_signals_roll_back_too(clean: Sandbox, number: signal.Signals, cloud: str) -> None:
    running = clean.start("up", TYPES[cloud], "-n", "brief")
    running.until(lambda: running.said("system start"))
    running.send(number)
    done = running.end()

    assert (done.rc, clean.left(), clean.identities()) == (143, {}, []), done.err
    assert f"interrupted by {number.name}" in done.err


@pytest.mark.parametrize("cloud", TYPES)
def test_a_second_signal_does_not_stop_the_rollback(clean: Sandbox, cloud: str) -> None:
    running = Moment("system", line="system start", cloud=cloud).of_up(clean)
    running.send(signal.SIGINT)
    running.until(lambda: running.said("undo"))
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        running.send(number)
    done = running.end()

    assert (done.rc, clean.left(), clean.identities()) == (130, {}, []), done.err
    assert "still cleaning up" in done.err
