"""Log in to a machine of ours: its address from the cloud, its keys and pinned host key from the local state."""

from __future__ import annotations

from gpucloud.errors import Unreachable
from gpucloud.machine import Machine
from gpucloud.ops.context import Context
from gpucloud.providers.base import Provider
from gpucloud.remote.base import Remote

BOOT_TIMEOUT = 600.0
"""Seconds from `running` to a login: Ubuntu takes 20-60 s; the largest GPU instances take minutes to boot."""


def address_of(machine: Machine) -> str:
    """The public address. Raises Unreachable if there is none, as for a stopped machine."""
    if machine.address is None:
        raise Unreachable(
            f"{machine.name} has no address", f"it is {machine.state}", f"start it with `gpucloud start {machine.name}`"
        )
    return machine.address


def wait_for_login(context: Context, machine: Machine, timeout: float = BOOT_TIMEOUT) -> Remote:
    """A connection to the machine, as soon as it lets us in. Raises RemoteUnreachable after `timeout` seconds."""
    from gpucloud.remote import ssh

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


def connect(context: Context, provider: Provider, machine: Machine) -> Remote:
    """A connection to a machine that should be up. The address is asked for anew: it changes with every start."""
    return wait_for_login(context, provider.get(machine.id), timeout=30.0)
