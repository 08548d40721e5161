"""Wires the verbs together and turns global options into the context that the use cases need."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING, Annotated

import typer

from gpucloud import __version__

if TYPE_CHECKING:
    from gpucloud.config import Config
    from gpucloud.ops.context import Context, Remark
    from gpucloud.progress import Report

app = typer.Typer(
    name="gpucloud",
    no_args_is_help=True,
    rich_markup_mode=None,  # rich help costs 0.1 s on every --help and typing error
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@dataclass(frozen=True)
class Globals:
    """The options that stand before the verb."""

    sandbox: bool
    cloud: str
    region: str
    command: list[str]  # what stands after `--`
    remarks: set[str] = field(default_factory=set)  # what has been said on stderr


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"gpucloud {__version__}")
        raise typer.Exit


@app.callback()
def options(
    ctx: typer.Context,
    sandbox: Annotated[bool, typer.Option("--sandbox", help="Use the embedded cloud: no account, no cost.")] = False,
    cloud: Annotated[str, typer.Option(help="Only aws, azure or hosts; default: all that can be asked.")] = "",
    region: Annotated[str, typer.Option(help="Region, such as us-east-1 or eastus.")] = "",
    debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks.")] = False,
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Show version.")] = False,
) -> None:
    """One command to a verified NVIDIA GPU machine on AWS or Azure, and no forgotten bills."""
    ctx.obj = Globals(sandbox, cloud, region, ctx.obj or [])


def settings(ctx: typer.Context) -> Config:
    """The settings in force: file, environment, flags."""
    from gpucloud import config

    return config.load({"cloud": ctx.obj.cloud, "region": ctx.obj.region})


def context(ctx: typer.Context, report: Report | None = None, remark: Remark | None = None) -> Context:
    """The world that the command works in: the real clouds, or the sandbox. Remarks go to stderr, each one once."""
    from gpucloud.cli.live import quiet
    from gpucloud.ops import context as worlds

    make = worlds.sandbox if ctx.obj.sandbox else worlds.real
    return make(settings(ctx), report or quiet, remark or partial(write_remark, ctx))


def write_remark(ctx: typer.Context, text: str) -> None:
    """A line on stderr, once in the life of a command."""
    from gpucloud.cli.render import for_world

    if text not in ctx.obj.remarks:
        ctx.obj.remarks.add(text)
        sys.stderr.write(for_world(text, simulated=ctx.obj.sandbox) + "\n")


VERBS = (
    (
        "up",
        "verify",
        "ls",
        "ssh",
        "exec",
        "logs",
        "stop",
        "start",
        "extend",
        "down",
        "reap",
        "recover",
    )  # a machine's life
    + ("types", "profile", "doctor", "sandbox")
)
"""In the order of --help. Each verb's module adds itself to `app` when it is imported."""

for verb in VERBS:
    import_module(f"gpucloud.cli.{verb}")
