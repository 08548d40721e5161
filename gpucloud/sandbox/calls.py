"""What was asked of the API: the proof that a dry run changed nothing, and the count for the benchmark."""

from __future__ import annotations

from collections import Counter, deque
from threading import Lock
from typing import Any, Protocol

KEPT = 2000  # calls kept in full; the counts go on


class Call(Protocol):
    """What the log wants to know of a call of any cloud."""

    @property
    def service(self) -> str: ...
    @property
    def region(self) -> str: ...
    @property
    def action(self) -> str: ...
    @property
    def permission(self) -> str:
        """What a role or policy must allow for the call."""
        ...

    @property
    def mutating(self) -> bool:
        """Whether the call would change the account. A dry run never does."""
        ...

    @property
    def dry_run(self) -> bool: ...


class CallLog:
    """Counts every call by action and by whether it could change the account."""

    def __init__(self) -> None:
        self._lock = Lock()
        self.clear()

    def clear(self) -> None:
        self._counts: Counter[str] = Counter()
        self._mutating: Counter[str] = Counter()
        self._calls: deque[dict[str, Any]] = deque(maxlen=KEPT)

    def count(self, action: str) -> int:
        """How often `action` was called so far."""
        return self._counts[action]

    def begin(self, call: Call) -> int:
        """Count a call; returns its number among the calls of its action, from 1."""
        with self._lock:
            self._counts[call.action] += 1
            if call.mutating:
                self._mutating[call.action] += 1
            return self._counts[call.action]

    def end(self, call: Call, started: float, seconds: float, status: int, error: str) -> None:
        """Keep what came of a call; `started` is a unix time."""
        entry = {
            "service": call.service,
            "region": call.region,
            "action": call.action,
            "permission": call.permission,
            "mutating": call.mutating,
            "dry_run": call.dry_run,
            "status": status,
            "error": error,
            "started": started,
            "seconds": round(seconds, 4),
        }
        with self._lock:
            self._calls.append(entry)

    def report(self) -> dict[str, Any]:
        with self._lock:
            return {
                "total": self._counts.total(),
                "mutating": self._mutating.total(),
                "by_action": dict(self._counts),
                "mutating_by_action": dict(self._mutating),
                "calls": list(self._calls),
            }
