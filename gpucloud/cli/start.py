"""gpucloud start"""

from __future__ import annotations

import typer

from gpucloud.cli import app
from gpucloud.cli.options import Names, Output
from gpucloud.cli.render import Format


@app.app.command()
def start(ctx: typer.Context, names: Names, output: Output = Format.TABLE) -> None:
    """Bring stopped machines back. On AWS their address is a new one."""
    from gpucloud.cli import show
    from gpucloud.cli.live import view
    from gpucloud.ops import find, power

    with view() as screen:
        screen.several = len(names) > 1
        context = app.context(ctx, screen.report)
        machines = power.each(power.start, context, find.machines(context, names))
    show.machines(context, machines, output)
