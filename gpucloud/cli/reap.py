"""gpucloud reap"""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from gpucloud.cli import app
from gpucloud.cli.options import Output, Yes, confirm
from gpucloud.cli.render import Format


@app.app.command()
def reap(
    ctx: typer.Context,
    all_owners: Annotated[bool, typer.Option("--all-owners", help="Also what others left without a machine.")] = False,
    all_regions: Annotated[bool, typer.Option("--all-regions", help="Look in every region of the account.")] = False,
    most: Annotated[int | None, typer.Option("--max", min=1, metavar="N", help="At most N runs in one pass.")] = None,
    now: Annotated[bool, typer.Option("--now", help="Do not wait 10 minutes to see whether it is a launch.")] = False,
    watch: Annotated[bool, typer.Option("--watch", help="Again every 5 minutes, until a signal.")] = False,
    yes: Yes = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be done.")] = False,
    output: Output = Format.TABLE,
) -> None:
    """End what is overdue, left behind, or halted but billed.

    Removes machines past their lifetime, runs that were interrupted, and what is left of runs without a machine; stops
    machines that are halted but billed. For cron and CI: exits with 10 while something billable may remain.
    """
    from gpucloud.cli.render import error_text, for_world
    from gpucloud.errors import GpucloudError, UsageError
    from gpucloud.ops import reap as ops

    if watch and output is not Format.TABLE:
        raise UsageError("--watch makes no single document", "", "leave out --watch or --output")
    scope = {"all_owners": all_owners, "all_regions": all_regions, "now": now, "dry_run": dry_run}
    for _ in ops.passes(app.context(ctx), again=watch):
        try:
            _once(ctx, scope, most, yes, output)
        except GpucloudError as error:
            if not watch or isinstance(error, UsageError):
                raise
            sys.stderr.write(for_world(error_text(error), simulated=ctx.obj.sandbox) + "\n")


def _once(ctx: typer.Context, scope: dict[str, bool], most: int | None, yes: bool, output: Format) -> None:
    from gpucloud.cli import show_reap
    from gpucloud.cli.live import view
    from gpucloud.ops import reap as ops

    context = app.context(ctx)
    survey = ops.survey(context, **scope)
    to_do = [] if scope["dry_run"] else survey.to_do(most)
    if to_do:
        confirm(f"{show_reap.in_words(to_do)}?", yes)
        with view() as screen:
            results = ops.carry_out(app.context(ctx, screen.report), survey, most)
    else:
        results = ops.carry_out(context, survey, most, dry_run=scope["dry_run"])
    show_reap.results(context, results, output)
    ops.require_done(results, survey.unasked)
