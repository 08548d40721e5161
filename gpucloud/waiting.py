"""The one place that waits. Everything else asks a Waiter, so that tests can own the clock."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

T = TypeVar("T")


@dataclass(frozen=True)
class Waiter:
    """Polls with a growing pause: `first` seconds, times `growth`, at most `longest` seconds."""

    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    first: float = 0.25
    growth: float = 1.4
    longest: float = 5.0

    def until(self, probe: Callable[[], T | None], timeout: float) -> T | None:
        """The first truthy answer of `probe`, or its last answer once `timeout` seconds have passed."""
        deadline, pause = self.clock() + timeout, self.first
        while True:
            answer = probe()
            left = deadline - self.clock()
            if answer or left <= 0:
                return answer
            self.sleep(min(pause, left))
            pause = min(pause * self.growth, self.longest)
