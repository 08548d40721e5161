"""Time in the cloud: one thread that does things when they are due, and chores that run in order per machine."""

from __future__ import annotations

import heapq
import itertools
import logging
import time
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from threading import Condition, Lock, Thread

log = logging.getLogger(__name__)
Action = Callable[[], None]


class Timers:
    """Calls functions at unix times, one after another, on a thread of its own."""

    def __init__(self) -> None:
        self._due: list[tuple[float, int, Action]] = []
        self._order = itertools.count()
        self._changed = Condition()
        self._closed = False
        self._thread = Thread(target=self._run, name="timers", daemon=True)
        self._thread.start()

    def at(self, when: float, action: Action) -> None:
        with self._changed:
            heapq.heappush(self._due, (when, next(self._order), action))
            self._changed.notify()

    def clear(self) -> None:
        with self._changed:
            self._due.clear()

    def close(self) -> None:
        with self._changed:
            self._closed = True
            self._changed.notify()
        self._thread.join()

    def _next(self) -> Action | None:
        """The next action once it is due; None when closed."""
        with self._changed:
            while not self._closed:
                wait = self._due[0][0] - time.time() if self._due else None
                if wait is not None and wait <= 0:
                    return heapq.heappop(self._due)[2]
                self._changed.wait(wait)
            return None

    def _run(self) -> None:
        while action := self._next():
            try:
                action()
            except Exception:
                # One broken transition must not stop the clock of every other machine; it is in the daemon's log.
                log.exception("a timed transition failed")


def _told(error: Exception) -> None:
    """Nobody else has to hear of a failure that is in the daemon's log."""


class Chores:
    """Slow work on guests, side by side for different machines and in order for each one."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(max_workers=8, thread_name_prefix="guest")
        self._last: dict[str, Future[None]] = {}
        self._lock = Lock()

    def add(self, machine: str, chore: Action, failed: Callable[[Exception], None]) -> None:
        with self._lock:
            before = self._unfinished([machine])
            self._last[machine] = self._pool.submit(self._do, before, chore, failed)

    def after(self, machines: Iterable[str], action: Action) -> None:
        """Do `action` when all the work is done that was given for these machines: at once where there is none."""
        with self._lock:
            before = self._unfinished(machines)
        if before:
            self._pool.submit(self._do, before, action, _told)
        else:
            action()

    def _unfinished(self, machines: Iterable[str]) -> list[Future[None]]:
        return [self._last[machine] for machine in machines if machine in self._last and not self._last[machine].done()]

    @staticmethod
    def _do(before: list[Future[None]], chore: Action, failed: Callable[[Exception], None]) -> None:
        for earlier in before:
            earlier.result()
        try:
            chore()
        except Exception as error:
            log.exception("work on a guest failed")
            failed(error)

    def drain(self) -> None:
        """Wait until all the work that was given has been done."""
        with self._lock:
            pending = list(self._last.values())
        for future in pending:
            future.result()
        with self._lock:
            self._last = {machine: future for machine, future in self._last.items() if not future.done()}

    def close(self) -> None:
        self._pool.shutdown(wait=True)
