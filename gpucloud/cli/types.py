"""gpucloud types"""

from __future__ import annotations

from typing import Annotated

import typer

from gpucloud.cli import app
from gpucloud.cli.options import Output
from gpucloud.cli.render import Format, rows

_COLUMNS = {
    "type": "type",
    "gpu": "GPU",
    "count": "GPUs",
    "memory_gb": "GB each",
    "vcpus": "vCPU",
    "ram_gib": "RAM GiB",
    "usd_per_hour": "$/h",
    "spot_usd_per_hour": "spot $/h",
    "region": "priced in",
    "usd_as_of": "as of",
    "spot_usd_as_of": "spot as of",
}


@app.app.command()
def types(
    ctx: typer.Context,
    gpu: Annotated[str, typer.Option(help="T4, A10G, H100 … or T4:4.")] = "",
    memory: Annotated[float | None, typer.Option(help="Least memory of one GPU, in GB.")] = None,
    max_price: Annotated[float | None, typer.Option(help="Most USD per hour.")] = None,
    output: Output = Format.TABLE,
) -> None:
    """List the GPU instance types of every cloud, cheapest first.

    List prices without tax, in the configured region of each cloud; unknown values are empty.
    """
    from dataclasses import asdict

    from gpucloud.ops import listing
    from gpucloud.ops.request import Request, split_gpu

    wanted, count = split_gpu(gpu)
    request = Request(gpu=wanted, gpu_count=count, memory_gb=memory, max_price=max_price)
    found = listing.prices(app.settings(ctx), request)
    rows([asdict(row) for row in found], output, _COLUMNS, empty="no type fits")
