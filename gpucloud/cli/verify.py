"""gpucloud verify"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gpucloud.cli import app
from gpucloud.cli.options import MaybeNames, Output, Yes, confirm
from gpucloud.cli.render import Format

if TYPE_CHECKING:
    from gpucloud.verify.report import Report


@app.app.command()
def verify(
    ctx: typer.Context,
    names: MaybeNames = None,
    deep: Annotated[bool, typer.Option("--deep", help="Also measure bandwidth and matmul speed.")] = False,
    reboot: Annotated[bool, typer.Option("--reboot", help="Reboot first: does the stack survive it?")] = False,
    yes: Yes = False,
    junit: Annotated[Path | None, typer.Option(help="Write a JUnit XML report too.")] = None,
    local: Annotated[bool, typer.Option("--local", help="Verify this machine.")] = False,
    host: Annotated[str, typer.Option(metavar="USER@ADDR", help="Verify any machine over SSH.")] = "",
    facts: Annotated[Path | None, typer.Option(help="Also write the raw facts, as JSON.")] = None,
    output: Output = Format.TABLE,
) -> None:
    """Prove the GPU stack of machines, layer by layer.

    The layers: PCI, kernel module, nvidia-smi, device nodes, torch, container, health. Exits with 8 if one is broken.
    """
    from gpucloud.cli import show
    from gpucloud.cli.live import view
    from gpucloud.ops import verify as ops

    targets = ops.targets(names or [], local, host, reboot)
    if reboot:
        confirm(f"reboot {', '.join(targets.names)}? What runs there ends.", yes)
    with view() as screen:
        proofs = ops.verify(lambda: app.context(ctx, screen.report), targets, deep=deep, with_reboot=reboot)
    found = [report for _, report in proofs]
    if junit is not None:
        ops.write_junit(junit, found)
    if facts is not None:
        ops.write_facts(facts, [document for document, _ in proofs])
    show.reports(found, output)
    _exit(found)


def _exit(found: list[Report]) -> None:
    from gpucloud.errors import ExitStatus

    if not all(report.ok for report in found):
        raise typer.Exit(ExitStatus.VERIFY_FAILED)
