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
    image: Annotated[str, typer.Option(help="ubuntu-22.04, ubuntu-24.04, dlami or ami-….")] = "",
    disk: Annotated[int | None, typer.Option(help="Root disk, in GB.")] = None,
    ttl: Annotated[str, typer.Option(help="Terminate after 30m, 8h, 2d, whatever happens to this computer.")] = "",
    spot: Annotated[bool, typer.Option("--spot", help="A spot instance; never falls back to on-demand.")] = False,
    subnet: Annotated[str, typer.Option(help="A subnet, instead of the default VPC's.")] = "",
    zone: Annotated[str, typer.Option(help="Only this availability zone.")] = "",
    allow_ssh_from: Annotated[str, typer.Option(help="CIDR; default: your own address.")] = "",
    keep_on_failure: Annotated[bool, typer.Option("--keep-on-failure", help="Do not remove what failed.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Plan and check, change nothing.")] = False,
    run_id: Annotated[str, typer.Option(help="Name the run yourself, for `down --run-id`.")] = "",
    output: Annotated[Format, typer.Option("--output", "-o", help="How to print the result.")] = Format.TABLE,
) -> None:
    """Create a GPU machine, install the stack and prove that it works."""
    from gpucloud.ops.request import Request, split_gpu

    wanted, count = split_gpu(gpu)
    request = Request(
        type,
        wanted,
        count,
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
    _up(ctx, request, keep_on_failure, dry_run, output)


def _up(ctx: typer.Context, request: Request, keep: bool, dry_run: bool, output: Format) -> None:
    from gpucloud.cli import show
    from gpucloud.cli.live import view
    from gpucloud.ops import planning, up

    with view() as screen:
        context = app.context(ctx, screen.report)
        plan = planning.make(context, request)
        prepared = up.prepare(context, plan, named=bool(request.name))
        if prepared.existing is None:
            show.plan(plan, context, screen)
        else:
            show.existing(prepared.existing, plan, screen)
        if not dry_run:
            screen.hourly_usd = plan.price.usd if plan.price and not context.simulated else None
            outcome = up.carry_out(context, prepared, keep_on_failure=keep)
    if dry_run:
        show.prepared(plan, prepared.existing is not None, output)
    else:
        show.outcome(outcome, output)
