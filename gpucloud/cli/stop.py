"""gpucloud stop"""

from __future__ import annotations

import typer

from gpucloud.cli import app
from gpucloud.cli.options import Names, Output, Yes, confirm
from gpucloud.cli.render import Format


@app.app.command()
def stop(ctx: typer.Context, names: Names, yes: Yes = False, output: Output = Format.TABLE) -> None:
    """Stop billing for compute and keep the disk, which still costs.

    On Azure the address is kept, too, and costs.
    """
    from gpucloud.cli import show
    from gpucloud.cli.live import view
    from gpucloud.ops import find, power

    confirm(f"stop {', '.join(names)}? What runs there ends.", yes)
    with view() as screen:
        screen.several = len(names) > 1
        context = app.context(ctx, screen.report)
        machines = power.each(power.stop, context, find.machines(context, names))
    show.machines(context, machines, output)
