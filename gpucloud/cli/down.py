"""gpucloud down"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from gpucloud.cli import app
from gpucloud.cli.options import MaybeNames, Output, Yes, confirm
from gpucloud.cli.render import Format

if TYPE_CHECKING:
    from gpucloud.ops.down import Target


@app.app.command()
def down(
    ctx: typer.Context,
    names: MaybeNames = None,
    all_machines: Annotated[bool, typer.Option("--all", help="Every machine of ours.")] = False,
    run_id: Annotated[str, typer.Option(help="What this run made, whether or not `up` got to its end.")] = "",
    yes: Yes = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be removed.")] = False,
    output: Output = Format.TABLE,
) -> None:
    """Terminate machines and remove all that `up` made for them.

    Prints a receipt. Exits with 10 if something billable may remain.
    """
    from gpucloud.cli import show
    from gpucloud.cli.live import view
    from gpucloud.ops import down as ops

    context = app.context(ctx)
    wanted = ops.wanted(context, names or [], all_machines, run_id)
    if dry_run or not wanted.targets:
        show.would_remove(wanted, output)
        ops.require_gone([], wanted.unasked)
        return
    confirm(f"terminate and remove {_listed(wanted.targets)}?", yes)
    with view() as screen:
        screen.several = len(wanted.targets) > 1
        receipts = ops.down(app.context(ctx, screen.report), wanted.targets)
    show.receipts(receipts, output)
    ops.require_gone(receipts, wanted.unasked)


def _listed(targets: Sequence[Target]) -> str:
    return ", ".join(f"{target.name} ({target.what})" for target in targets)
