"""gpucloud exec"""

from __future__ import annotations

from typing import Annotated

import typer

from gpucloud.cli import app
from gpucloud.cli.options import Names


@app.app.command("exec")
def exec_(
    ctx: typer.Context,
    names: Names,
    timeout: Annotated[float, typer.Option(help="Seconds that the command may take.")] = 3600.0,
) -> None:
    """Run a command on machines, in parallel.

    The command stands after `--`: `gpucloud exec NAME... -- CMD`. Exits with its highest exit code.
    """
    import sys

    from gpucloud.errors import GpucloudError
    from gpucloud.ops import find, shell

    context = app.context(ctx)
    command = shell.require_command(ctx.obj.command)

    def show(machine: str, line: str) -> None:
        sys.stdout.write(f"{machine}: {line}\n" if len(names) > 1 else f"{line}\n")
        sys.stdout.flush()

    results = shell.run(context, find.machines(context, names), command, timeout, show)
    done = [result for result in results if not isinstance(result, GpucloudError)]
    for result in done:
        sys.stderr.buffer.write(result.stderr)
    for error in results:
        if isinstance(error, GpucloudError):
            raise error
    raise typer.Exit(max(result.rc for result in done))
