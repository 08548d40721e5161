"""gpucloud extend"""

from __future__ import annotations

from typing import Annotated

import typer

from gpucloud.cli import app
from gpucloud.cli.options import Name, Output
from gpucloud.cli.render import Format


@app.app.command()
def extend(
    ctx: typer.Context,
    name: Name,
    duration: Annotated[str, typer.Argument(metavar="DURATION", help="From now: 30m, 8h, 2d.")],
    output: Output = Format.TABLE,
) -> None:
    """Move the end of a machine that was made with --ttl."""
    from gpucloud.cli import show
    from gpucloud.durations import parse_duration
    from gpucloud.ops import extend as ops
    from gpucloud.ops import find

    minutes = parse_duration(duration)
    context = app.context(ctx)
    show.machines(context, [ops.extend(context, find.machine(context, name), minutes)], output)
