"""gpucloud profile"""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from gpucloud.cli import app
from gpucloud.cli.options import Output
from gpucloud.cli.render import Format, document, rows

group = typer.Typer(no_args_is_help=True, help="What is installed on a machine.", rich_markup_mode=None)
app.app.add_typer(group, name="profile")

Which = Annotated[str, typer.Argument(metavar="PROFILE", help="A name, or the path of a YAML file.")]


@group.command("ls")
def ls(output: Output = Format.TABLE) -> None:
    """List the bundled profiles and your own.

    Yours are the YAML files in ~/.config/gpucloud/profiles.
    """
    from gpucloud import profile

    names = dict.fromkeys([*profile.own(), *profile.bundled()])
    listed = [
        {
            "name": name,
            "from": "you" if name in profile.own() else "gpucloud",
            "description": profile.load(name).description,
        }
        for name in names
    ]
    rows(listed, output, {"name": "name", "from": "from", "description": "description"})


@group.command("show")
def show(name: Which, output: Output = Format.YAML) -> None:
    """Show a profile with everything filled in."""
    from gpucloud import profile

    document(profile.load(name).model_dump(), Format.YAML if output is Format.TABLE else output)


@group.command("validate")
def validate(name: Which) -> None:
    """Check a profile; an error names the path of the key."""
    from gpucloud import profile

    loaded = profile.load(name)
    sys.stdout.write(f"{name}: fine, stages {', '.join(stage.id for stage in loaded.stages)}\n")
