"""Arguments and options that several verbs share, and the question before something is destroyed."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from gpucloud.cli.render import Format
from gpucloud.errors import UsageError


def complete_name(incomplete: str) -> list[str]:
    """Machine names for the shell, from the local journals: completion must not wait for a cloud."""
    from gpucloud.ops.listing import local_names

    return [name for name in local_names() if name.startswith(incomplete)]


Name = Annotated[str, typer.Argument(metavar="NAME", help="Machine name or id.", autocompletion=complete_name)]
Names = Annotated[
    list[str], typer.Argument(metavar="NAME...", help="Machine names or ids.", autocompletion=complete_name)
]
MaybeNames = Annotated[
    list[str] | None, typer.Argument(metavar="[NAME...]", help="Machine names or ids.", autocompletion=complete_name)
]
Output = Annotated[Format, typer.Option("--output", "-o", help="table, json or yaml.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]


def confirm(question: str, yes: bool) -> None:
    """Ask before destroying something; a no ends with exit 1. Raises UsageError without a terminal and --yes."""
    if yes:
        return
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise UsageError(f"not done: {question}", "there is no terminal to ask on", "add --yes if you are sure")
    typer.confirm(question, abort=True, err=True)
