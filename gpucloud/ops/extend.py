"""Move the end of a machine's lifetime: on the machine, if it ends itself, and in its cloud, which tells others."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from gpucloud.errors import UsageError, not_made
from gpucloud.machine import Machine
from gpucloud.ops import access
from gpucloud.ops.context import Context
from gpucloud.providers.base import Provider
from gpucloud.remote.base import check
from gpucloud.userdata import extend_commands

_TIMEOUT = 60.0


def extend(context: Context, machine: Machine, minutes: int) -> Machine:
    """The machine with its new end, `minutes` from now. Raises UsageError if it was made without --ttl, or not
    by us.

    The machine first: should the tag fail, it lives as long as was asked for and is merely listed wrongly.
    """
    if not machine.is_ours:
        raise not_made(machine.name, "end")
    if machine.expires_at is None:
        why = "it was made without --ttl: nothing is armed that could be moved"
        raise UsageError(f"{machine.name} has no end to move", why, "`gpucloud stop` or `gpucloud down` it by hand")
    end = datetime.now(UTC).replace(microsecond=0) + timedelta(minutes=minutes)
    provider = context.provider(machine.cloud, machine.region)
    if provider.guest_ends_billing:
        _extend_on_machine(context, provider, machine, end)
    provider.expire_at(machine.id, end)
    return replace(machine, expires_at=end)


def _extend_on_machine(context: Context, provider: Provider, machine: Machine, end: datetime) -> None:
    remote = access.connect(context, provider, machine)
    try:
        script = extend_commands(end).encode()
        check(remote.run(["bash", "-s"], timeout=_TIMEOUT, stdin=script, sudo=True))
    finally:
        remote.close()
