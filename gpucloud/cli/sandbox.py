"""gpucloud sandbox"""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from gpucloud.cli import app
from gpucloud.cli.options import Output, Yes, confirm
from gpucloud.cli.render import Format

group = typer.Typer(no_args_is_help=True, help="The embedded cloud: no account, no cost.", rich_markup_mode=None)
app.app.add_typer(group, name="sandbox")

Scenario = Annotated[str, typer.Option(help="A bundled scenario (`sandbox scenarios`) or a YAML file.")]


@group.command("start")
def start(ctx: typer.Context, scenario: Scenario = "", output: Output = Format.TABLE) -> None:
    """Start it, or put another scenario in force. `--sandbox` does this on demand."""
    from gpucloud.cli import show
    from gpucloud.ops import sandbox

    show.sandbox(sandbox.start(scenario or app.settings(ctx).scenario), output)


@group.command("status")
def status(output: Output = Format.TABLE) -> None:
    """Say whether it runs, where, and with which scenario. Exits 9 if it does not run."""
    from gpucloud.cli import show
    from gpucloud.ops import sandbox

    show.sandbox(sandbox.status(), output)


@group.command("stop")
def stop() -> None:
    """Stop it and its machines; all of them are kept.

    After the next start the machines are stopped: `gpucloud --sandbox start NAME`.
    """
    from gpucloud.ops import sandbox

    sys.stderr.write("stopped\n" if sandbox.stop() else "it was not running\n")


@group.command("reset")
def reset(yes: Yes = False) -> None:
    """Remove every simulated machine and resource."""
    from gpucloud.ops import sandbox

    confirm("remove everything in the sandbox?", yes)
    sandbox.reset()
    sys.stderr.write("the sandbox is empty\n")


@group.command("scenarios")
def scenarios(output: Output = Format.TABLE) -> None:
    """List the bundled scenarios."""
    from gpucloud.cli.render import rows
    from gpucloud.ops import sandbox

    rows(sandbox.scenarios(), output, {"name": "name", "description": "description"})
