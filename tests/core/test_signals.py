"""The first signal ends a command; none cuts the rollback short that follows it, or that follows an error."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import pytest

from gpucloud import signals
from gpucloud.errors import CloudError

HANDLED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@pytest.fixture(autouse=True)
def handlers() -> Iterator[None]:
    before = {number: signal.getsignal(number) for number in HANDLED}
    signals.install()
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("number", HANDLED)
def test_the_first_signal_raises_and_later_ones_only_answer(
    number: signal.Signals, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(signals.Interrupted, match=number.name):
        os.kill(os.getpid(), number)
    for later in HANDLED:
        os.kill(os.getpid(), later)
    assert capsys.readouterr().err.count("still cleaning up") == 3


def test_no_signal_interrupts_what_follows_an_error(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(CloudError), signals.last_to_interrupt():
        raise CloudError("no")
    os.kill(os.getpid(), signal.SIGINT)
    assert "still cleaning up" in capsys.readouterr().err


def test_without_a_failure_the_first_signal_still_interrupts() -> None:
    with signals.last_to_interrupt():
        pass
    with pytest.raises(signals.Interrupted):
        os.kill(os.getpid(), signal.SIGINT)
