"""`gpucloud up --count N`: what it shows while it works, and in the end."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import typer

from gpucloud.cli import app, show
from gpucloud.cli.render import Format, document, for_world

if TYPE_CHECKING:
    from gpucloud.cli.live import View
    from gpucloud.ops.context import Context
    from gpucloud.ops.fleet import End
    from gpucloud.ops.offers import Offer
    from gpucloud.ops.request import Request
    from gpucloud.ops.up import Outcome, Prepared


def up(ctx: typer.Context, request: Request, count: int, keep: bool, dry_run: bool, output: Format) -> None:
    """`up` for several machines."""
    from gpucloud.cli.live import view
    from gpucloud.ops import fleet, offers

    with view() as screen:
        screen.several = True
        context = app.context(ctx, screen.report)
        request = fleet.with_type_of_existing(context, request, count)
        considered = [] if request.type else offers.survey(context, request, count)
        if considered:
            show.offers(considered, screen)
            request = replace(request, type=offers.cheapest(considered).plan.spec.type)
        batch = fleet.prepare(context, fleet.plans(context, request, count), named=bool(request.name))
        _show_plans(batch, context, screen)
        if not dry_run:
            screen.hourly_usd = None if context.simulated else hourly_usd(batch)
            ends = fleet.carry_out(context, batch, keep_on_failure=keep)
    if dry_run:
        _show_prepared(batch, considered, output)
        return
    _show_ends(ends, output)
    fleet.require_all(ends)


def hourly_usd(batch: Sequence[Prepared]) -> float | None:
    """USD per hour of all of them; None where no source states a price."""
    price = batch[0].plan.price
    return len(batch) * price.usd if price else None


def _show_plans(batch: Sequence[Prepared], context: Context, screen: View) -> None:
    """The first new machine's plan, the names of those that will be like it, what is there already, and the price."""
    new = [each.plan for each in batch if each.existing is None]
    if new:
        show.plan(new[0], context, screen)
    if new[1:]:
        screen.say(f"{', '.join(plan.spec.name for plan in new[1:])}: the same")
    for each in batch:
        if each.existing is not None:
            show.existing(each.existing, each.plan, screen)
    together = hourly_usd(batch)
    real = "; sandbox machines cost nothing" if context.simulated else ""
    screen.say(f"all {len(batch)}: {f'{together:.4g} USD/h' if together is not None else 'price unknown'}{real}")


def _show_prepared(batch: Sequence[Prepared], considered: Sequence[Offer], output: Format) -> None:
    """The end of a dry run. `considered` are the offers among which the type was chosen."""
    if output is not Format.TABLE:
        listed = [{**show.plan_facts(each.plan), "exists": each.existing is not None} for each in batch]
        choice = {"offers": [each.to_dict() for each in considered]} if considered else {}
        document({"machines": listed, **choice, "usd_per_hour": hourly_usd(batch), "dry_run": True}, output)
        return
    new = sum(each.existing is None for each in batch)
    sys.stdout.write(f"dry run: every check passed. `up` would make {new} of the {len(batch)}. Nothing was changed.\n")


def _show_ends(ends: Mapping[str, End], output: Format) -> None:
    """The machines that are verified, and how to use them. In JSON also those that failed."""
    from gpucloud.errors import GpucloudError

    good = {name: end for name, end in ends.items() if not isinstance(end, GpucloudError)}
    if output is not Format.TABLE:
        failed = [_failure(name, end) for name, end in ends.items() if isinstance(end, GpucloudError)]
        document({"machines": [show.outcome_facts(end) for end in good.values()], "failed": failed}, output)
        return
    for end in good.values():
        sys.stdout.write(f"{end.report.summary}\n")
    if good:
        sys.stdout.write(_how_to_use(good, len(ends)) + "\n")


def _failure(name: str, error: Any) -> dict[str, Any]:
    return {
        "name": name,
        "exit_status": int(error.status),
        "error": str(error),
        "remedy": error.remedy,
    }


def _how_to_use(good: Mapping[str, Outcome], of: int) -> str:
    seconds = max(end.seconds for end in good.values())
    ready = f"{len(good)} of {of} ready in {seconds:.0f} s: `gpucloud ssh {next(iter(good))}`"
    text = f"{ready}; when done: `gpucloud down {' '.join(good)}`"
    return for_world(text, simulated=any(end.report.simulated for end in good.values()))
