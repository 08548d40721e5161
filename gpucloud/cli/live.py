"""Show long work while it happens: a live table on a terminal, one plain line per event elsewhere. All on stderr."""

from __future__ import annotations

import io
import os
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from typing import IO, TYPE_CHECKING, Protocol, cast

from gpucloud.progress import Progress, Status

if TYPE_CHECKING:
    from rich.console import Console, Group

_MARKS = {Status.DONE: "✓", Status.SKIP: "·", Status.FAIL: "✗", Status.START: "…", Status.NOTE: "i", Status.LINE: " "}
_STYLES = {Status.DONE: "green", Status.SKIP: "dim", Status.FAIL: "red", Status.START: "cyan", Status.NOTE: "yellow"}
_SMALLEST = (40, 12)
"""Columns and lines below which a live table would only flicker."""


def quiet(_: Progress) -> None:
    """For commands that show only their result."""


class View(Protocol):
    """Shows progress until the command is over. `say` prints a line above it; `hourly_usd` adds the cost so far.

    `several` says that it is about many machines: one line for each has to do then.
    """

    hourly_usd: float | None
    several: bool

    def report(self, event: Progress) -> None: ...
    def say(self, text: str) -> None: ...


@contextmanager
def view() -> Iterator[View]:
    """A View that fits where stderr goes."""
    if not _live_possible():
        yield _Plain()
        return
    from rich.console import Console
    from rich.live import Live

    console = Console(
        file=cast("IO[str]", _Terminal()),
        force_terminal=True,
        no_color=bool(os.environ.get("NO_COLOR")),
        highlight=False,
    )
    board = _Board(console)
    with Live(get_renderable=board.render, console=console, refresh_per_second=8) as live:
        yield board
        live.refresh()


def _live_possible() -> bool:
    if not sys.stderr.isatty() or os.environ.get("TERM") == "dumb":
        return False
    size = os.get_terminal_size(sys.stderr.fileno())
    return size.columns >= _SMALLEST[0] and size.lines >= _SMALLEST[1]


class _Terminal(io.TextIOBase):
    """stderr, for as long as somebody listens. A terminal that was closed or a pipe that ended is no reason to stop
    working, and least of all to stop a rollback."""

    def __init__(self) -> None:
        # The stream of this moment: rich puts one of its own into sys.stderr, which leads back to this.
        self._stream = sys.stderr

    def write(self, text: str) -> int:
        with suppress(OSError, ValueError):
            return self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        with suppress(OSError, ValueError):
            self._stream.flush()

    def fileno(self) -> int:
        return self._stream.fileno()

    def isatty(self) -> bool:
        return self._stream.isatty()


class _Plain:
    """One line per event: seconds since the start, machine, step, what happened. `gpucloud logs` has the output."""

    def __init__(self) -> None:
        self.hourly_usd: float | None = None
        self.several = False
        self._begun = time.monotonic()

    def report(self, event: Progress) -> None:
        if event.status is Status.LINE:  # output of apt and the like; an error brings its last lines along
            return
        took = time.monotonic() - self._begun
        self.say(f"{took:6.1f}s  {event.machine:<12} {event.step:<20} {event.status:<5} {event.text}".rstrip())

    def say(self, text: str) -> None:
        terminal = _Terminal()
        terminal.write(text + "\n")
        terminal.flush()


@dataclass
class _Row:
    begun: float
    status: Status = Status.START
    ended: float | None = None
    text: str = ""


@dataclass
class _Board:
    """The state behind the live table: one row per machine and step, in order of appearance."""

    console: Console
    hourly_usd: float | None = None
    several: bool = False
    begun: float = field(default_factory=time.monotonic)
    rows: dict[tuple[str, str], _Row] = field(default_factory=dict)

    def say(self, text: str) -> None:
        self.console.print(text)

    def report(self, event: Progress) -> None:
        now = time.monotonic()
        if event.step.startswith("undo "):  # what was going on has been left
            for (machine, step), left in list(self.rows.items()):
                if machine == event.machine and step != event.step:
                    left.ended = left.ended or now
        row = self.rows.setdefault((event.machine, event.step), _Row(now))
        row.text = event.text or row.text
        if event.status is Status.LINE:
            return
        row.status = event.status
        if event.status is Status.START:
            row.begun, row.ended = now, None
        else:
            row.ended = now
            row.text = event.text

    def render(self) -> Group:
        from rich.console import Group
        from rich.table import Table
        from rich.text import Text

        now, rows = time.monotonic(), list(self.rows.items())  # a copy: events arrive while this is drawn
        lines = _by_machine(rows) if self.several else [(step, row) for (_, step), row in rows]
        grid = Table.grid(padding=(0, 2), expand=True)
        for column in range(3):  # these are never squeezed: only the text of the last column is
            width = None if column != 1 else max((len(label) for label, _ in lines), default=1)
            grid.add_column(no_wrap=True, min_width=width or 1, justify="right" if column == 2 else "left")
        grid.add_column(no_wrap=True, overflow="ellipsis", ratio=1)
        for label, row in lines:
            style = _STYLES.get(row.status, "")
            took = (row.ended or now) - row.begun
            elapsed = "" if row.status is Status.NOTE else f"{took:.1f}s"
            grid.add_row(
                Text(_MARKS[row.status], style=style), label, Text(elapsed, style="dim"), Text(row.text, "dim")
            )
        return Group(grid, Text(self._footer(now), style="dim"))

    def _footer(self, now: float) -> str:
        passed = now - self.begun
        cost = f" · ${self.hourly_usd * passed / 3600:.4f} so far" if self.hourly_usd is not None else ""
        return f"{passed:.0f}s{cost}"


def _by_machine(rows: Sequence[tuple[tuple[str, str], _Row]]) -> list[tuple[str, _Row]]:
    """One line for each machine: the step that it is at, and the time since its first one."""
    steps: dict[str, list[tuple[str, _Row]]] = {}
    for (machine, step), row in rows:
        steps.setdefault(machine, []).append((step, row))
    return [(machine, _at(each)) for machine, each in steps.items()]


def _at(steps: Sequence[tuple[str, _Row]]) -> _Row:
    """What began last of what goes on; else what ended last, remarks aside."""
    going = [(step, row) for step, row in steps if row.ended is None]
    ended = [(step, row) for step, row in steps if row.status is not Status.NOTE] or steps
    step, row = max(going, key=lambda each: each[1].begun) if going else max(ended, key=lambda each: each[1].ended or 0)
    return replace(row, begun=steps[0][1].begun, text=f"{step}  {row.text}")
