"""Several machines: one line for each on the live view, and the error of each that failed."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from gpucloud.cli import live
from gpucloud.cli.render import error_text
from gpucloud.errors import CapacityError, SomeFailed, StageFailed
from gpucloud.progress import Progress, Status


def shown(board: live._Board) -> list[str]:
    out = io.StringIO()
    Console(file=out, width=100).print(board.render())
    return [" ".join(line.split()) for line in out.getvalue().splitlines()]


@pytest.fixture
def board() -> live._Board:
    made = live._Board(Console(file=io.StringIO()))
    made.several = True
    return made


def test_a_line_for_each_machine_says_what_it_is_at(board: live._Board) -> None:
    for event in (
        Progress("box-1", "instance", Status.DONE),
        Progress("box-2", "instance", Status.DONE),
        Progress("box-1", "driver", Status.START),
        Progress("box-1", "torch", Status.START),
        Progress("box-1", "torch", Status.LINE, "Downloading"),
        Progress("box-2", "verify", Status.DONE, "verified: 15 ok"),
        Progress("box-2", "ssh alias", Status.NOTE, "a remark"),
    ):
        board.report(event)
    first, second, footer = shown(board)
    assert first.startswith("… box-1 ") and first.endswith("torch Downloading")
    assert second.startswith("✓ box-2 ") and second.endswith("verify verified: 15 ok")
    assert footer == "0s"


def test_a_machine_that_failed_and_was_removed_shows_why(board: live._Board) -> None:
    for step, status, text in (
        ("torch", Status.START, ""),
        ("driver", Status.FAIL, "exit code 1"),
        ("undo instance", Status.START, ""),
        ("undo instance", Status.DONE, ""),
        ("up", Status.FAIL, "driver failed: exit code 1"),
    ):
        board.report(Progress("box-1", step, status, text))
    line = shown(board)[0]
    assert line.startswith("✗ box-1 ") and line.endswith("up driver failed: exit code 1")


def test_the_error_of_each_machine_is_told_with_its_remedy() -> None:
    failed = StageFailed("stage driver failed", "exit code 1", "look at its log", tail=["error: no compiler"])
    none_left = CapacityError("none to be had", "", "try later", [("a", "full")])
    assert error_text(SomeFailed({"box-1": failed, "box-3": none_left}, 3)).splitlines() == [
        "error: box-1: stage driver failed: exit code 1",
        "  | error: no compiler",
        "fix: look at its log",
        "error: box-3: none to be had",
        "  a: full",
        "fix: try later",
    ]
