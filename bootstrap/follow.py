#!/usr/bin/env python3
"""follow.py STATE OFFSET SECONDS: print what is new in STATE/events.ndjson, for at most SECONDS.

First line: `boot ID`. Then one line an event: `OFFSET JSON`, where OFFSET is the byte after the event, from which
the next call goes on. Ends after an `end` event, after SECONDS, or with exit code 3 when nothing new has come for
QUIET seconds and no runner is at work.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import Sequence

ROOT = Path(os.environ.get("GPUCLOUD_ROOT", "/"))
POLL = 0.1
"""Seconds between two looks at the file: the runner's own rhythm."""
QUIET = float(os.environ.get("GPUCLOUD_QUIET", "10"))
"""Seconds after which a silent machine without a runner counts as given up. Python's start on a busy disk takes 2."""
NO_RUNNER = 3


def main(argv: Sequence[str]) -> int:
    """The command line."""
    state, offset, seconds = Path(argv[0]), int(argv[1]), float(argv[2])
    print("boot", (ROOT / "proc/sys/kernel/random/boot_id").read_text().strip(), flush=True)
    now = time.monotonic()
    deadline, quiet_until = now + seconds, now + QUIET
    while now < deadline:
        new = read(state / "events.ndjson", offset)
        for line in new.splitlines(True):
            offset += len(line)
            print(offset, line.decode(errors="replace").rstrip("\n"), flush=True)
            if json.loads(line)["event"] == "end":
                return 0
        now = time.monotonic()
        if new:
            quiet_until = now + QUIET
        elif now > quiet_until and not runner_at_work(state):
            return NO_RUNNER
        time.sleep(POLL)
    return 0


def read(path: Path, offset: int) -> bytes:
    """The whole lines after `offset`; a line that is being written is left for the next look."""
    if not path.exists():
        return b""
    with path.open("rb") as file:
        file.seek(offset)
        data = file.read()
    return data[: data.rfind(b"\n") + 1]


def runner_at_work(state: Path) -> bool:
    """Whether a process runs our runner. Trying its lock instead could keep a runner from starting just then."""
    wanted = f"{state}/bundle/runner.py\0run\0".encode()
    return any(wanted in command_line(process) for process in Path("/proc").glob("[0-9]*"))


def command_line(process: Path) -> bytes:
    """The arguments of a process; empty if it has ended meanwhile."""
    try:
        return (process / "cmdline").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return b""


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
