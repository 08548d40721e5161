"""Reads the catalogue's CSV files. Each begins with comment lines that name its columns, sources and dates."""

from __future__ import annotations

import csv
from importlib.resources import files


def rows(name: str) -> list[list[str]]:
    """The lines of a table without comments and heading, in the order of the file."""
    text = files("gpucloud.catalog").joinpath(name).read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    return list(csv.reader(lines))[1:]


def number(text: str) -> float | None:
    """A number, or None where the table has nothing."""
    return float(text) if text else None


def whole(text: str) -> int | None:
    """A whole number, or None where the table has nothing."""
    return int(text) if text else None
