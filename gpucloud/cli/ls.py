"""gpucloud ls (also: status)"""

from __future__ import annotations

from typing import Annotated

import typer

from gpucloud.cli import app
from gpucloud.cli.options import Output
from gpucloud.cli.render import Format


@app.app.command("ls")
@app.app.command("status", hidden=True)
def ls(
    ctx: typer.Context,
    all_regions: Annotated[bool, typer.Option("--all-regions", help="Look in every region of the account.")] = False,
    output: Output = Format.TABLE,
) -> None:
    """List machines: state, type, GPU, region, up since, expires, cost."""
    from gpucloud.cli import show
    from gpucloud.ops import listing, undo

    context = app.context(ctx)
    machines = listing.machines(context, all_regions=all_regions)
    show.machines(context, machines, output)
    show.interrupted(context, undo.interrupted(context))
