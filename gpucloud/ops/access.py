"""Log in to a machine: its address from the cloud; its keys and pinned host key from the local state if it is ours."""

from __future__ import annotations

from gpucloud.errors import NotFound, Unreachable
from gpucloud.machine import Machine, State
from gpucloud.ops.context import Context
from gpucloud.providers.base import Provider
from gpucloud.remote.base import Remote, RemoteUnreachable
from gpucloud.remote.failures import HostKeyChanged

BOOT_TIMEOUT = 600.0
"""Seconds from `running` to a login: Ubuntu takes 20-60 s; the largest GPU instances take minutes to boot."""


LOOK_EVERY = 20.0
"""Seconds of trying to log in between two questions to the cloud."""


def address_of(machine: Machine) -> str:
    """The public address. Raises Unreachable for a machine at rest: it has none, or nothing that answers there."""
    if machine.address is None or machine.state in (State.STOPPED, State.HALTED):
        what = f"{machine.name} has no address" if machine.address is None else f"{machine.name} does not run"
        raise Unreachable(what, f"it is {machine.state}", f"start it with `gpucloud start {machine.name}`")
    return machine.address


def wait_for_login(context: Context, machine: Machine, timeout: float) -> Remote:
    """A connection to the machine, as soon as it lets us in. Raises RemoteUnreachable after `timeout` seconds.

    A machine that is not ours is tried once, with the user's own keys and known hosts.
    """
    from gpucloud.remote import foreign, ssh

    if not machine.is_ours:
        return foreign.connect(
            address_of(machine), machine.ssh_user, machine.ssh_port, machine.ssh_key, timeout=timeout
        )
    identity = context.state.identity(machine.run)
    return ssh.wait_for_ssh(
        address_of(machine),
        machine.ssh_user,
        machine.ssh_port,
        identity.private_key,
        identity.host_key,
        waiter=context.waiter,
        timeout=timeout,
    )


def first_login(context: Context, provider: Provider, machine: Machine) -> Remote:
    """A connection to a machine that boots. Asks the cloud every now and then whether it still does.

    Raises HostKeyChanged, or Unreachable once the machine has ended or after BOOT_TIMEOUT seconds.
    """
    deadline = context.waiter.clock() + BOOT_TIMEOUT
    while True:
        try:
            return wait_for_login(context, machine, timeout=LOOK_EVERY)
        except HostKeyChanged:
            raise
        except RemoteUnreachable as exc:
            if context.waiter.clock() > deadline:
                what = f"{machine.name} did not let us in within {BOOT_TIMEOUT:.0f} s"
                raise Unreachable(what, str(exc), exc.remedy) from exc
        machine = _still_running(provider, machine)


def _still_running(provider: Provider, machine: Machine) -> Machine:
    """The machine as it is now. Raises Unreachable if it has ended."""
    try:
        now = provider.get(machine.id)
    except NotFound as exc:
        why = exc.why or "the cloud ended it while it booted"
        raise Unreachable(f"{machine.name} is gone", why, "try again") from exc
    if now.state is not State.RUNNING:
        raise Unreachable(f"{machine.name} went to {now.state} while it booted", provider.console(machine.id)[-300:])
    return now


def connect(context: Context, provider: Provider, machine: Machine) -> Remote:
    """A connection to a machine that should be up. The address is asked for anew: it changes with every start."""
    return wait_for_login(context, provider.get(machine.id), timeout=30.0)
