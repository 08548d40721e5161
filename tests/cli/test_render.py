from __future__ import annotations

import json

import pytest

from gpucloud.cli.render import Format, error_text, for_world, rows
from gpucloud.errors import CapacityError, ExitStatus, NotFound, PreflightFailed, Problem, StageFailed


def test_an_error_is_what_why_and_fix() -> None:
    assert error_text(NotFound("no machine", "it is gone", "`gpucloud ls`")) == (
        "error: no machine: it is gone\nfix: `gpucloud ls`"
    )


def test_every_problem_of_a_preflight_is_told() -> None:
    error = PreflightFailed([Problem("a", "b", "c"), Problem("d")])
    assert error_text(error) == "error: a: b\nfix: c\nerror: d"


def test_the_exit_code_of_a_preflight_is_that_of_its_problems_if_they_agree() -> None:
    quota = Problem("q", status=ExitStatus.CAPACITY)
    assert PreflightFailed([quota, quota]).status == ExitStatus.CAPACITY
    assert PreflightFailed([quota, Problem("p")]).status == ExitStatus.PREFLIGHT


def test_the_zones_that_were_tried_stand_between_error_and_fix() -> None:
    error = CapacityError("none", "2 zones tried", "later", [("a", "full"), ("b", "full")])
    assert error_text(error).splitlines() == ["error: none: 2 zones tried", "  a: full", "  b: full", "fix: later"]


def test_a_failed_stage_shows_its_last_lines() -> None:
    error = StageFailed("apt failed", "no space", "more disk", "driver", ["E: no space left"])
    assert "  | E: no space left\n" in error_text(error)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("`gpucloud down box`", "`gpucloud --sandbox down box`"),
        ("`gpucloud sandbox start`", "`gpucloud sandbox start`"),
        ("`gpucloud --sandbox ls`", "`gpucloud --sandbox ls`"),
        ("gpucloud is fine", "gpucloud is fine"),
    ],
)
def test_commands_in_messages_reach_the_sandbox_they_are_about(text: str, shown: str) -> None:
    assert for_world(text, simulated=True) == shown
    assert for_world(text, simulated=False) == text


def test_a_listing_without_records_is_an_empty_document(capsys: pytest.CaptureFixture[str]) -> None:
    rows([], Format.JSON, {"name": "name"}, empty="no machines")
    captured = capsys.readouterr()
    assert (json.loads(captured.out), captured.err) == ([], "")


def test_a_table_is_never_cut(capsys: pytest.CaptureFixture[str]) -> None:
    rows([{"name": "x" * 300, "count": 2.0, "spot": False}], Format.TABLE, {"name": "N", "count": "#", "spot": "s"})
    heading, line = capsys.readouterr().out.splitlines()
    assert heading.startswith("N ")
    assert line == "x" * 300 + "  2"
