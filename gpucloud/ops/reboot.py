"""Reboot a machine and prove that it has been rebooted: a machine that cannot survive that is not finished."""

from __future__ import annotations

from gpucloud.errors import GpucloudError, Unreachable
from gpucloud.machine import Machine
from gpucloud.ops import access
from gpucloud.ops.context import Context
from gpucloud.progress import Status
from gpucloud.providers.base import Provider
from gpucloud.remote.base import Remote, RemoteUnreachable, check

_BOOT_ID = "/proc/sys/kernel/random/boot_id"
_TIMEOUT = 60.0


def reboot(context: Context, provider: Provider, machine: Machine) -> None:
    """Reboot, and return when the machine lets us in again under another boot id. Raises Unreachable."""
    context.tell(machine.name, "reboot", Status.START)
    remote = access.connect(context, provider, machine)
    try:
        before = _boot_id(remote)
        _order(remote)
    finally:
        remote.close()
    if not context.waiter.until(lambda: _is_another_boot(context, provider, machine, before), access.BOOT_TIMEOUT):
        why = f"no new boot id within {access.BOOT_TIMEOUT:.0f} s"
        raise Unreachable(f"{machine.name} did not come back", why, f"`gpucloud logs {machine.name} --console`")
    context.tell(machine.name, "reboot", Status.DONE)


def _order(remote: Remote) -> None:
    """The connection may go before the answer comes, and the command may be ended by the very shutdown that it
    ordered (rc 128 and above): whether it worked is seen from the boot id."""
    try:
        result = remote.run(["systemctl", "reboot"], timeout=_TIMEOUT, sudo=True)
    except RemoteUnreachable:
        return
    if result.rc < 128:
        check(result)


def _is_another_boot(context: Context, provider: Provider, machine: Machine, before: str) -> bool:
    try:
        remote = access.wait_for_login(context, provider.get(machine.id), timeout=5.0)
    except RemoteUnreachable:
        return False
    try:
        return _boot_id(remote) != before
    except GpucloudError:  # let in by a system that was still on its way down
        return False
    finally:
        remote.close()


def _boot_id(remote: Remote) -> str:
    return check(remote.run(["cat", _BOOT_ID], timeout=_TIMEOUT)).stdout.decode().strip()
