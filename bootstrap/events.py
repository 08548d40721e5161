"""The event log: what a client reads to know how the bootstrap goes, line by line and over reboots."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any, Dict, List


class EventLog:
    """Appends JSON objects, one a line, each with one write. `n` goes on from the last line of the file."""

    def __init__(self, path: Path) -> None:
        self._path = path
        path.touch(exist_ok=True)
        _drop_torn_line(path)
        history = self.read()
        self._n = history[-1]["n"] if history else 0
        self._fd = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC)

    def write(self, event: str, **fields: Any) -> None:
        """Append one event."""
        self._n += 1
        record = {"n": self._n, "t": round(time.time(), 3), "event": event, **fields}
        os.write(self._fd, (json.dumps(record) + "\n").encode())

    def read(self) -> List[Dict[str, Any]]:
        """Every event so far."""
        return [json.loads(line) for line in self._path.read_text().splitlines()]


def _drop_torn_line(path: Path) -> None:
    """Remove a last line without its newline: power went away in the middle of it, and nobody can read it."""
    data = path.read_bytes()
    whole = data.rfind(b"\n") + 1
    if whole < len(data):
        os.truncate(path, whole)
