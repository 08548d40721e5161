"""What the use cases tell while they work; whoever shows it decides how."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum, unique


@unique
class Status(StrEnum):
    START = "start"
    LINE = "line"  # a line of output of a step that goes on
    DONE = "done"
    SKIP = "skip"
    FAIL = "fail"
    NOTE = "note"  # a remark that belongs to no step


@dataclass(frozen=True)
class Progress:
    """One thing that happened to `machine`: `step` names it (`instance`, `ssh`, `stage driver`, `undo instance` …)."""

    machine: str
    step: str
    status: Status
    text: str = ""


Report = Callable[[Progress], None]
