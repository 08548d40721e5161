"""gpucloud up"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from gpucloud.cli import app
from gpucloud.cli.render import Format

if TYPE_CHECKING:
    from gpucloud.ops.request import Request


@app.app.command()
def up(
    ctx: typer.Context,
    type: Annotated[str, typer.Argument(metavar="[TYPE]", help="Instance type, such as g4dn.xlarge.")] = "",
    gpu: Annotated[str, typer.Option(help="Instead of a type: T4, A10G, H100 … or T4:4.")] = "",
    memory: Annotated[float | None, typer.Option(help="Least memory of one GPU, in GB.")] = None,
    max_price: Annotated[float | None, typer.Option(help="Most USD per hour.")] = None,
    name: Annotated[str, typer.Option("--name", "-n", help="Its name. The same name again finishes or mends it.")] = "",
    profile: Annotated[str, typer.Option("--profile", "-p", help="What to install.")] = "",
    image: Annotated[str, typer.Option(help="ubuntu-22.04, ubuntu-24.04, dlami (AWS), hpc (Azure), id or URN.")] = "",
    disk: Annotated[int | None, typer.Option(help="Root disk, in GB.")] = None,
    ttl: Annotated[str, typer.Option(help="End after 30m, 8h, 2d, whatever happens to this computer.")] = "",
    spot: Annotated[bool, typer.Option("--spot", help="A spot instance; never falls back to on-demand.")] = False,
    subnet: Annotated[str, typer.Option(help="A subnet, instead of the default VPC's.")] = "",
    zone: Annotated[str, typer.Option(help="Only this availability zone.")] = "",
    allow_ssh_from: Annotated[str, typer.Option(help="CIDR; default: your own address.")] = "",
    keep_on_failure: Annotated[bool, typer.Option("--keep-on-failure", help="Do not remove what failed.")] = False,
    count: Annotated[int, typer.Option(help="So many at once: NAME-1, NAME-2 …; what is good stays.")] = 1,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Plan and check, change nothing.")] = False,
    run_id: Annotated[str, typer.Option(help="Name the run yourself, for `down --run-id`.")] = "",
    output: Annotated[Format, typer.Option("--output", "-o", help="How to print the result.")] = Format.TABLE,
) -> None:
    """Create a GPU machine, install the stack and prove that it works."""
    from gpucloud.cli import fleet
    from gpucloud.ops.request import Request, split_gpu

    wanted, gpus = split_gpu(gpu)
    request = Request(
        type,
        wanted,
        gpus,
        memory,
        max_price,
        name,
        profile,
        image,
        disk,
        ttl,
        spot,
        subnet,
        zone,
        allow_ssh_from,
        run_id,
    )
    if count == 1:
        _up(ctx, request, keep_on_failure, dry_run, output)
    else:
        fleet.up(ctx, request, count, keep_on_failure, dry_run, output)


def _up(ctx: typer.Context, request: Request, keep: bool, dry_run: bool, output: Format) -> None:
    from gpucloud.cli import show
    from gpucloud.cli.live import view
    from gpucloud.ops import offers, planning, up
    from gpucloud.ops.up import Outcome, Prepared

    with view() as screen:
        context = app.context(ctx, screen.report)
        request = offers.with_type_of_existing(context, request)
        considered = [] if request.type else offers.survey(context, request)
        if considered:
            show.offers(considered, screen)
            prepared = offers.cheapest(considered).prepared
        else:
            prepared = up.prepare(context, planning.make(context, request), named=bool(request.name))

        def make(prepared: Prepared) -> Outcome:
            show.intent(prepared, context, screen)
            price = prepared.plan.price
            screen.hourly_usd = price.usd if price and not context.simulated else None
            return up.carry_out(context, prepared, keep_on_failure=keep)

        if dry_run:
            show.intent(prepared, context, screen)
        else:
            outcome = offers.take(context, considered, make) if considered else make(prepared)
    if dry_run:
        show.prepared(prepared.plan, prepared.existing is not None, output, considered)
    else:
        show.outcome(outcome, output)
