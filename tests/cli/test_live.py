"""The live view on a real terminal (a pty), and what becomes of it when the terminal goes away."""

from __future__ import annotations

import fcntl
import os
import select
import struct
import subprocess
import sys
import termios
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

PROGRAM = """
import sys
from gpucloud.cli.live import view
from gpucloud.progress import Progress, Status
with view() as screen:
    screen.hourly_usd = 0.526
    screen.say("box: g4dn.xlarge")
    for step in ("preflight", "instance"):
        screen.report(Progress("box", step, Status.START))
        screen.report(Progress("box", step, Status.LINE, "Unpacking"))
        screen.report(Progress("box", step, Status.DONE, f"{step} is fine"))
    sys.stderr.write("a stray warning\\n")
    if len(sys.argv) > 1:
        sys.stdin.readline()
        for number in range(50):
            screen.report(Progress("box", f"step {number}", Status.DONE))
raise SystemExit(7)
"""


@dataclass
class Terminal:
    """Our end of a pty, and the program on its other end."""

    fd: int
    process: subprocess.Popen[bytes]

    def read_until(self, wanted: bytes, seconds: float = 20) -> bytes:
        """Everything shown up to and including `wanted`; less if it ends or nothing comes for so long."""
        shown = b""
        while wanted not in shown and select.select([self.fd], [], [], seconds)[0]:
            try:
                shown += os.read(self.fd, 65536)
            except OSError:  # Linux's way of saying that the other end is closed
                break
        return shown


def run(columns: int, lines: int, *arguments: str) -> Iterator[Terminal]:
    ours, theirs = os.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
    environment = {**os.environ, "TERM": "xterm-256color", "COLUMNS": str(columns), "LINES": str(lines)}
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, *arguments], stdin=subprocess.PIPE, stderr=theirs, env=environment
    )
    os.close(theirs)
    yield Terminal(ours, process)
    process.kill()
    process.communicate()
    os.close(ours)


@pytest.mark.parametrize(("columns", "lines"), [(100, 30), (45, 14), (30, 8)])
def test_every_step_is_shown_and_the_program_goes_on(columns: int, lines: int) -> None:
    for terminal in run(columns, lines):
        shown = terminal.read_until(b"no such text")
        assert terminal.process.wait(20) == 7
        for text in (b"box: g4dn.xlarge", b"preflight", b"instance", b"a stray warning"):
            assert text in shown


@pytest.mark.parametrize(("columns", "lines"), [(100, 30), (30, 8)])
def test_a_terminal_that_goes_away_does_not_end_the_work(columns: int, lines: int) -> None:
    for terminal in run(columns, lines, "wait"):
        assert b"a stray warning" in terminal.read_until(b"a stray warning")
        os.close(terminal.fd)
        terminal.fd = os.open(os.devnull, os.O_RDONLY)
        assert terminal.process.stdin is not None
        terminal.process.stdin.write(b"go on\n")
        terminal.process.stdin.flush()
        assert terminal.process.wait(20) == 7
