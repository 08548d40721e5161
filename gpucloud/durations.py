"""Durations as people write them: `30m`, `8h`, `2d`, `1h30m`."""

from __future__ import annotations

import re

from gpucloud.errors import UsageError

_DURATION = re.compile(r"(?:(?P<d>\d{1,4})d)?(?:(?P<h>\d{1,4})h)?(?:(?P<m>\d{1,5})m)?", re.ASCII)
_MINUTES = {"d": 24 * 60, "h": 60, "m": 1}


def parse_duration(text: str) -> int:
    """The duration in minutes, at least one. Raises UsageError that says what is allowed."""
    match = _DURATION.fullmatch(text.strip())
    minutes = sum(int(number) * _MINUTES[unit] for unit, number in match.groupdict("0").items()) if match else 0
    if minutes < 1:
        raise UsageError(f"bad duration {text!r}", "", "use minutes, hours and days, such as 30m, 8h, 1h30m or 2d")
    return minutes


def format_duration(minutes: int) -> str:
    """The shortest form that `parse_duration` reads back: 90 → `1h30m`. Nothing is `0m`."""
    parts = []
    for unit, size in _MINUTES.items():
        number, minutes = divmod(minutes, size)
        if number:
            parts.append(f"{number}{unit}")
    return "".join(parts) or "0m"
