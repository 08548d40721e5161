"""When each run without a machine was first seen: what may be a launch that goes on is not touched at first sight."""

from __future__ import annotations

import json
from collections.abc import Collection
from datetime import UTC, datetime, timedelta
from pathlib import Path

from gpucloud.errors import ConfigError
from gpucloud.state import State, write_private

SETTLED = timedelta(minutes=10)
"""For how long resources without a machine may be a launch that goes on. The machine follows the first of them within
seconds on AWS, and within one or two minutes on Azure, where several zones may be tried one after the other."""

FORGOTTEN = timedelta(days=1)
"""After this the mark of something that is not seen any more is dropped; no launch takes that long."""


def note(state: State, seen: Collection[str], *, alive: Collection[str], write: bool) -> dict[str, datetime]:
    """When each of these runs, and some more, was first seen. A run that is `alive`, with a machine, loses its mark.

    Two processes at the same time may lose each other's marks, which only makes something wait for longer.
    """
    path, now = state.root / "reap.json", datetime.now(UTC)
    before = _read(path)
    kept = {run: at for run, at in before.items() if run in seen or (run not in alive and now - at < FORGOTTEN)}
    marks = {**dict.fromkeys(seen, now), **kept}
    if write and marks != before:
        write_private(path, json.dumps({run: at.isoformat() for run, at in marks.items()}, indent=2) + "\n")
    return marks


def _read(path: Path) -> dict[str, datetime]:
    """Raises ConfigError for a file that we did not write."""
    try:
        written = json.loads(path.read_text(encoding="utf-8"))
        return {run: datetime.fromisoformat(at).astimezone(UTC) for run, at in written.items()}
    except FileNotFoundError:
        return {}
    except (ValueError, TypeError, AttributeError) as exc:
        why = f"it should hold when each run was first seen without a machine: {exc}"
        raise ConfigError(f"{path} cannot be read", why, "delete it") from exc
