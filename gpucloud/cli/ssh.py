"""gpucloud ssh"""

from __future__ import annotations

import typer

from gpucloud.cli import app
from gpucloud.cli.options import Name


@app.app.command()
def ssh(ctx: typer.Context, name: Name) -> None:
    """Log in with OpenSSH, or run one command there.

    The command stands after `--`: `gpucloud ssh NAME -- CMD`.
    """
    import os

    from gpucloud.ops import find, shell

    context = app.context(ctx)
    argv = shell.openssh(context, find.machine(context, name), ctx.obj.command)
    os.execvp(argv[0], argv)
