"""gpucloud doctor"""

from __future__ import annotations

from typing import Annotated

import typer

from gpucloud.cli import app
from gpucloud.cli.options import Output
from gpucloud.cli.render import Format, document, rows


@app.app.command()
def doctor(
    ctx: typer.Context,
    policy: Annotated[
        str, typer.Option(help="Print the least-privilege policy for `aws` or `azure` and do nothing else.")
    ] = "",
    output: Output = Format.TABLE,
) -> None:
    """Look at what gpucloud needs, and change nothing.

    Looks at OpenSSH, the sandbox, the credentials, permissions and quota of each cloud, and logs in to each host.
    Exits with 3 if something fails; a cloud without credentials does not count as long as another one has them.
    """
    from gpucloud.errors import ExitStatus
    from gpucloud.ops import doctor as ops

    if policy:
        document(ops.policy(policy), Format.YAML if output is Format.YAML else Format.JSON)
        return
    findings = ops.examine(app.settings(ctx), lambda: app.context(ctx), ctx.obj.sandbox)
    rows(
        [each.to_dict() for each in findings], output, {"status": "", "what": "what", "found": "found", "remedy": "fix"}
    )
    if any(each.status == "fail" for each in findings):
        raise typer.Exit(ExitStatus.PREFLIGHT)
