"""One command of a stage: its own process group, its output in a log file, a time limit."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections import deque
from pathlib import Path
from typing import Deque, Dict, List, Optional, Sequence

GRACE = 5.0
"""Seconds between SIGTERM and SIGKILL."""


class Process:
    """A running command.

    The output goes into the log file itself and is read back from there. A pipe would stay open for as long as any
    daemon that the stage starts, and would break when the runner dies.
    """

    def __init__(self, argv: Sequence[str], cwd: Path, env: Dict[str, str], log: Path, timeout: float) -> None:
        words = ["bash", *argv] if argv[0].endswith(".sh") else list(argv)
        with log.open("ab") as output:
            self._reader = log.open("rb")
            self._reader.seek(0, os.SEEK_END)
            self._popen = subprocess.Popen(
                words,
                cwd=cwd,
                env=env,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self.pid = self._popen.pid
        self.tail: Deque[str] = deque(maxlen=100)
        self.timed_out = False
        self._deadline = time.monotonic() + timeout
        self._partial = b""

    def poll(self) -> Optional[int]:
        """The exit code once the command has ended (-N: by signal N), else None. Enforces the time limit."""
        rc = self._popen.poll()
        if rc is None and time.monotonic() > self._deadline:
            self._signal(signal.SIGKILL if self.timed_out else signal.SIGTERM)
            self.timed_out, self._deadline = True, time.monotonic() + GRACE
        if rc is not None and (rc != 0 or self.timed_out):
            self._signal(signal.SIGKILL)
        return rc

    def lines(self) -> List[str]:
        """What the command has printed since the last call, whole lines only until it has ended."""
        ended = self._popen.returncode is not None
        data = self._partial + self._reader.read()
        *whole, self._partial = data.split(b"\n")
        if ended and self._partial:
            whole, self._partial = [*whole, self._partial], b""
        # Progress bars rewrite their line with \r: only the last state is worth an event.
        texts = [line.rstrip(b"\r").rpartition(b"\r")[2].decode(errors="replace") for line in whole]
        self.tail.extend(text for text in texts if text.strip())
        return texts

    def close(self) -> None:
        """Release the log file. The command has ended."""
        self._reader.close()

    def stop(self) -> None:
        """End the command and everything that it started, within GRACE seconds."""
        self._signal(signal.SIGTERM)
        try:
            self._popen.wait(GRACE)
        except subprocess.TimeoutExpired:
            self._signal(signal.SIGKILL)
            self._popen.wait()
        self._signal(signal.SIGKILL)

    def _signal(self, number: int) -> None:
        kill_group(self.pid, number)


def kill_group(pid: int, number: int) -> None:
    """Send a signal to the process group that `pid` leads. It may have ended already."""
    try:
        os.killpg(pid, number)
    except ProcessLookupError:
        return
