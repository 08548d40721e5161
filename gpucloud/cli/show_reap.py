"""How a pass of `reap` looks."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from gpucloud.cli.render import Format, document, paint, table

if TYPE_CHECKING:
    from gpucloud.ops.context import Context
    from gpucloud.ops.reap import Finding, Result

HEADING = ("what", "name", "cloud", "region", "owner", "$/h", "why", "done")


def in_words(findings: Sequence[Finding]) -> str:
    """What is about to be done: `remove box (expired, of me@here), stop other (halted, of nobody known)`."""
    from gpucloud.ops.reap import ACTIONS

    return ", ".join(
        f"{ACTIONS[each.kind]} {each.name} ({each.kind}, of {each.owner or 'nobody known'})" for each in findings
    )


def results(context: Context, found: Sequence[Result], output: Format) -> None:
    """Each finding with its reason, what was done about it, and in red what remains."""
    if output is not Format.TABLE:
        document([each.to_dict() for each in found], output)
        return
    if not found:
        sys.stderr.write("there is nothing to reap\n")
        return
    table([HEADING, *(_line(each) for each in found)])
    if context.simulated:
        sys.stderr.write("[simulated] sandbox machines; prices are what the real ones would cost\n")


def _line(result: Result) -> tuple[str, ...]:
    finding = result.finding
    price = "unknown" if finding.usd_per_hour is None else f"{finding.usd_per_hour:.4g}"
    remains = paint(result.remains, "31" if result.failed else "33")
    done = "; ".join(filter(None, (result.done, remains)))
    place = (finding.name, finding.cloud, finding.region, finding.owner)
    return (finding.kind.value, *place, price, finding.why, done)
