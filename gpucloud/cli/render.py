"""How results look: tables for people, one JSON or YAML document for programs, errors for everyone."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from enum import StrEnum, unique
from typing import Any

from gpucloud.errors import CapacityError, GpucloudError, PreflightFailed, Problem, SomeFailed, StageFailed


@unique
class Format(StrEnum):
    """The value of `-o`."""

    TABLE = "table"
    JSON = "json"
    YAML = "yaml"


_STYLE = re.compile(r"\033\[[0-9;]*m")
_COMMAND = re.compile(r"`gpucloud (?!--sandbox|sandbox )")


def for_world(text: str, *, simulated: bool) -> str:
    """Commands that are quoted in a message must reach the world it is about: in the sandbox they need its flag."""
    return _COMMAND.sub("`gpucloud --sandbox ", text) if simulated else text


def error_text(error: GpucloudError) -> str:
    """The error as people read it: what and why, then what to do; every problem of a preflight, every machine."""
    if isinstance(error, SomeFailed):
        return "\n".join(_of_machine(name, each) for name, each in error.errors.items())
    if isinstance(error, PreflightFailed):
        return "\n".join(_finding(problem) for problem in error.problems)
    details: list[str] = []
    if isinstance(error, CapacityError):
        details = [f"  {zone}: {reason}" for zone, reason in error.attempts]
    if isinstance(error, StageFailed):
        details = [f"  | {line}" for line in error.tail]
    return _finding(error, details)


def _of_machine(name: str, error: GpucloudError) -> str:
    return re.sub("^error: ", f"error: {name}: ", error_text(error), flags=re.MULTILINE)


def _finding(found: GpucloudError | Problem, details: Sequence[str] = ()) -> str:
    what = f"error: {found.what}" + (f": {found.why}" if found.why else "")
    return "\n".join([what, *details, *([f"fix: {found.remedy}"] if found.remedy else [])])


def document(data: object, form: Format) -> None:
    """Write exactly one JSON or YAML document to stdout."""
    if form is Format.YAML:
        import yaml

        yaml.safe_dump(data, sys.stdout, sort_keys=False)
        return
    import json

    sys.stdout.write(json.dumps(data, indent=2) + "\n")


def rows(data: Sequence[Mapping[str, Any]], form: Format, columns: Mapping[str, str], empty: str = "") -> None:
    """Records: a table of `columns` (key → heading) for people, everything for programs."""
    if form is not Format.TABLE:
        document(list(data), form)
    elif data:
        table([list(columns.values()), *([_cell(record.get(key)) for key in columns] for record in data)])
    elif empty:
        sys.stderr.write(empty + "\n")


def table(lines: Sequence[Sequence[str]]) -> None:
    """Columns on stdout; the first line is the heading, bold on a terminal. Nothing is cut, piped or not."""
    for number, text in enumerate(aligned(lines)):
        sys.stdout.write(f"\033[1m{text}\033[0m\n" if number == 0 and colours() else f"{text}\n")


def aligned(lines: Sequence[Sequence[str]]) -> Iterator[str]:
    """The lines with their cells in columns."""
    widths = [max(_width(line[column]) for line in lines) for column in range(len(lines[0]))]
    for line in lines:
        cells = [cell + " " * (width - _width(cell)) for cell, width in zip(line, widths, strict=True)]
        yield "  ".join(cells).rstrip()


def _width(cell: str) -> int:
    """Columns that it takes on a terminal: a style takes none."""
    return len(_STYLE.sub("", cell))


def colours() -> bool:
    """Does stdout show colours? NO_COLOR (https://no-color.org) and dumb terminals say no."""
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def paint(text: str, code: str) -> str:
    """The text in an ANSI style (`31` red, `32` green, `1` bold, `2` faint), where stdout shows colours."""
    return f"\033[{code}m{text}\033[0m" if colours() and code else text


def _cell(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else ""
    if isinstance(value, float):
        return f"{value:.4g}"
    return "" if value is None else str(value)
