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
    watch: Annotated[bool, typer.Option("--watch", help="Again every few seconds, until Ctrl-C.")] = False,
    output: Output = Format.TABLE,
) -> None:
    """List machines: state, type, GPU, region, up since, expires, cost."""
    from gpucloud.cli import show
    from gpucloud.errors import UsageError
    from gpucloud.ops import listing, undo

    if watch and output is not Format.TABLE:
        raise UsageError("--watch makes no single document", "", "leave out --watch or --output")
    context = app.context(ctx)
    for machines in listing.watch(context, all_regions=all_regions, again=watch):
        if watch:
            show.fresh_page()
        show.machines(context, machines, output)
        show.interrupted(context, undo.interrupted(context))
