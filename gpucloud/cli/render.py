"""How results look: tables for people, one JSON or YAML document for programs, errors for everyone."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from enum import StrEnum, unique
from typing import TYPE_CHECKING, Any

from gpucloud.errors import CapacityError, GpucloudError, PreflightFailed, Problem

if TYPE_CHECKING:
    from rich.console import Console


@unique
class Format(StrEnum):
    """The value of `-o`."""

    TABLE = "table"
    JSON = "json"
    YAML = "yaml"


def error_text(error: GpucloudError) -> str:
    """The error as people read it: what and why, then what to do; every problem of a preflight."""
    if isinstance(error, PreflightFailed):
        return "\n".join(_finding(problem) for problem in error.problems)
    lines = [_finding(error)]
    if isinstance(error, CapacityError):
        lines[1:1] = [f"  {zone}: {reason}" for zone, reason in error.attempts]
    return "\n".join(lines)


def _finding(found: GpucloudError | Problem) -> str:
    text = f"error: {found.what}" + (f": {found.why}" if found.why else "")
    return text + (f"\nfix: {found.remedy}" if found.remedy else "")


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
        table([columns.values(), *([_cell(record.get(key)) for key in columns] for record in data)])
    elif empty:
        sys.stderr.write(empty + "\n")


def table(lines: Sequence[Any]) -> None:
    """A table on stdout; the first line is its heading. Piped output is never cut to a terminal's width."""
    from rich.table import Table

    heading, *body = (list(line) for line in lines)
    grid = Table(*heading, box=None, pad_edge=False, header_style="bold")
    for line in body:
        grid.add_row(*line)
    stdout_console().print(grid)


def stdout_console() -> Console:
    """Rich on stdout: colour only on a terminal, full width elsewhere."""
    from rich.console import Console

    return Console(width=None if sys.stdout.isatty() else 1000, highlight=False, soft_wrap=False)


def _cell(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else ""
    if isinstance(value, float):
        return f"{value:g}"
    return "" if value is None else str(value)
