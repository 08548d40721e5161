"""gpucloud logs"""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from gpucloud.cli import app
from gpucloud.cli.options import Name


@app.app.command()
def logs(
    ctx: typer.Context,
    name: Name,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on until the bootstrap ends.")] = False,
    console: Annotated[bool, typer.Option("--console", help="The cloud's boot log instead.")] = False,
) -> None:
    """Show what the bootstrap did, and does."""
    from gpucloud.ops import find
    from gpucloud.ops import logs as ops

    context = app.context(ctx)
    machine = find.machine(context, name)

    def show(line: str) -> None:
        sys.stdout.write(line + "\n")
        sys.stdout.flush()

    if not console:
        ops.bootstrap(context, machine, show, follow=follow)
        return
    for line in ops.console(context, machine):
        show(line)
