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
    """List machines of every cloud: state, type, GPU, age, cost.

    Exits with 6 if a cloud that should answer does not; the others are listed all the same.
    """
    from gpucloud.cli import show
    from gpucloud.errors import ExitStatus, UsageError
    from gpucloud.ops import clouds, listing, undo

    if watch and output is not Format.TABLE:
        raise UsageError("--watch makes no single document", "", "leave out --watch or --output")
    remarks: list[str] = []
    context = app.context(ctx, remark=remarks.append)
    try:
        for answers in listing.watch(context, all_regions=all_regions, again=watch):
            if watch and show.fresh_page():
                ctx.obj.remarks.clear()  # they went with the old page
            show.machines(context, clouds.together(answers.given), output)
            _say(ctx, remarks)
            show.interrupted(context, undo.interrupted(context))
    finally:
        _say(ctx, remarks)
    if answers.missing:
        raise typer.Exit(ExitStatus.UNREACHABLE)


def _say(ctx: typer.Context, remarks: list[str]) -> None:
    while remarks:
        app.write_remark(ctx, remarks.pop(0))
