"""SIGINT, SIGTERM and SIGHUP end a command through one exception, so that every rollback runs, and runs to its end."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from threading import current_thread, main_thread
from types import FrameType

from gpucloud.errors import ExitStatus

_HANDLED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

_rollbacks = 0
"""How many bodies are under way that have a rollback to come."""


class Interrupted(BaseException):
    """A signal asked the command to end. No Exception, so that nothing catches it by accident."""

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.number = number

    @property
    def status(self) -> ExitStatus:
        return ExitStatus.INTERRUPTED if self.number == signal.SIGINT else ExitStatus.TERMINATED


def install() -> None:
    """Turn the first signal into Interrupted. A later one ends the process at once, unless there is a rollback to do.

    A signal that the parent process chose to ignore (`nohup` ignores SIGHUP) stays ignored.
    """
    for number in _HANDLED:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _first)


@contextmanager
def rollback_to_come() -> Iterator[None]:
    """For a body whose failure is undone by what encloses this: only one thing interrupts it, be it a signal or an
    error, and from then on signals wait.

    No signal interrupts any thread but the main one, which has a rollback of its own to come while it waits for them.
    """
    global _rollbacks
    if current_thread() is not main_thread():
        yield
        return
    _rollbacks += 1
    try:
        yield
    except BaseException:
        _wait_from_now_on()
        raise
    else:
        _rollbacks -= 1


def _first(number: int, frame: FrameType | None) -> None:
    _wait_from_now_on()
    raise Interrupted(number)


def _wait_from_now_on() -> None:
    for each in _HANDLED:
        if signal.getsignal(each) is _first:
            signal.signal(each, _later)


def _later(number: int, frame: FrameType | None) -> None:
    if not _rollbacks:
        os._exit(Interrupted(number).status)
    # No print: it is not reentrant, and the terminal that sent SIGHUP may be gone.
    with suppress(OSError):
        os.write(2, b"still cleaning up; `kill -9` leaves that to `gpucloud recover`\n")
