"""Durations, read and written."""

from __future__ import annotations

import pytest

from gpucloud.durations import format_duration, parse_duration
from gpucloud.errors import UsageError


@pytest.mark.parametrize(("text", "minutes"), [("30m", 30), ("8h", 480), ("2d", 2880), ("1h30m", 90), (" 8h ", 480)])
def test_a_duration_is_read_in_minutes(text: str, minutes: int) -> None:
    assert parse_duration(text) == minutes


@pytest.mark.parametrize(
    "text", ["", "8", "h", "8 h", "0m", "-8h", "8H", "30m8h", "1.5h", "99999999999h", "٣h", "8h\n8h"]
)
def test_anything_else_is_a_usage_error_that_says_what_is_allowed(text: str) -> None:
    with pytest.raises(UsageError, match="bad duration") as caught:
        parse_duration(text)
    assert "30m, 8h" in caught.value.remedy


@pytest.mark.parametrize("minutes", [1, 59, 60, 90, 480, 1440, 1501, 2880, 100_000])
def test_what_is_written_is_read_back(minutes: int) -> None:
    assert parse_duration(format_duration(minutes)) == minutes


def test_the_shortest_form_is_written() -> None:
    assert [format_duration(minutes) for minutes in (0, 30, 480, 90, 2880)] == ["0m", "30m", "8h", "1h30m", "2d"]
