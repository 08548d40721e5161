"""What a machine says about itself: its bootstrap's events, or the cloud's boot log."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from gpucloud import guest
from gpucloud.errors import NotFound
from gpucloud.machine import Machine
from gpucloud.ops import access
from gpucloud.ops.context import Context

_TIMEOUT = 60.0


def console(context: Context, machine: Machine) -> Iterator[str]:
    """The lines of the boot log."""
    yield from context.provider(machine.cloud, machine.region).console(machine.id).splitlines()


def bootstrap(context: Context, machine: Machine, show: Callable[[str], None], *, follow: bool) -> None:
    """Show the events so far as lines; with `follow` also those to come, for as long as a bootstrap is at work.

    Raises NotFound for a machine that is not ours and never had one.
    """

    def take(event: Mapping[str, Any]) -> None:
        show(_line(event))

    remote = access.connect(context, context.provider(machine.cloud, machine.region), machine)
    try:
        if follow:
            position = guest.Position()
            while guest.follow(remote, position, take):
                continue
            return
        log = remote.run(["cat", f"{guest.STATE}/events.ndjson"], timeout=_TIMEOUT, sudo=True)
        if log.rc and not machine.is_ours:
            raise NotFound(f"no bootstrap of gpucloud has run on {machine.name}", log.stderr.decode().strip())
        for line in log.stdout.splitlines() if log.rc == 0 else ():
            take(json.loads(line))
    finally:
        remote.close()


def _line(event: Mapping[str, Any]) -> str:
    rest = " ".join(str(event[key]) for key in ("text", "what", "why", "seconds") if event.get(key))
    return f"{event.get('stage', ''):<8} {event['event']:<14} {rest}".rstrip()
