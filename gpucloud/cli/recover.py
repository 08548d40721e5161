"""gpucloud recover"""

from __future__ import annotations

from typing import Annotated

import typer

from gpucloud.cli import app
from gpucloud.cli.options import Output
from gpucloud.cli.render import Format


@app.app.command()
def recover(
    ctx: typer.Context,
    run: Annotated[str, typer.Argument(metavar="[RUN]", help="One run; default: every interrupted one.")] = "",
    output: Output = Format.TABLE,
) -> None:
    """Finish the rollback of runs that were killed before they ended."""
    from gpucloud.cli import show
    from gpucloud.cli.live import view
    from gpucloud.ops import undo

    with view() as screen:
        context = app.context(ctx, screen.report)
        removed = {run: undo.recover(context, run)} if run else undo.recover_all(context)
    show.recovered(removed, output)
