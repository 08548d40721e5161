"""SIGINT, SIGTERM and SIGHUP end a command through one exception, so that every rollback runs; a second one waits."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from gpucloud.errors import ExitStatus

_HANDLED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Interrupted(BaseException):
    """A signal asked the command to end. No Exception, so that nothing catches it by accident."""

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.number = number

    @property
    def status(self) -> ExitStatus:
        return ExitStatus.INTERRUPTED if self.number == signal.SIGINT else ExitStatus.TERMINATED


def install() -> None:
    """Turn the first signal into Interrupted; answer later ones with a line, because a rollback must not be cut short.

    A signal that the parent process chose to ignore (`nohup` ignores SIGHUP) stays ignored.
    """
    for number in _HANDLED:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _first)


@contextmanager
def last_to_interrupt() -> Iterator[None]:
    """Once the body has failed, for whatever reason, signals wait as if one had come: what follows is a rollback."""
    try:
        yield
    except BaseException:
        _wait_from_now_on()
        raise


def _first(number: int, frame: FrameType | None) -> None:
    _wait_from_now_on()
    raise Interrupted(number)


def _wait_from_now_on() -> None:
    for each in _HANDLED:
        if signal.getsignal(each) is _first:
            signal.signal(each, _later)


def _later(number: int, frame: FrameType | None) -> None:
    print("still cleaning up; `kill -9` leaves that to `gpucloud recover`", file=sys.stderr)  # noqa: T201
