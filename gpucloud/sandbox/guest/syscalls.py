"""The few Linux calls that Python 3.11 has no name for: namespaces, mounts, pivot_root, capabilities.

Constants are those of <sched.h>, <sys/mount.h>, <linux/prctl.h> and <linux/capability.h>.
"""

from __future__ import annotations

import ctypes
import os
import platform
import signal
import struct
from pathlib import Path

CLONE_NEWNS, CLONE_NEWUTS, CLONE_NEWIPC = 0x00020000, 0x04000000, 0x08000000
CLONE_NEWUSER, CLONE_NEWPID = 0x10000000, 0x20000000
MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC, MS_REMOUNT = 1, 2, 4, 8, 32
MS_BIND, MS_REC, MS_PRIVATE = 4096, 16384, 1 << 18
MNT_DETACH = 2
PR_SET_PDEATHSIG, PR_CAPBSET_DROP = 1, 24
# <linux/landlock.h>; the same numbers on every architecture.
LANDLOCK_CREATE_RULESET, LANDLOCK_RESTRICT_SELF = 444, 446
LANDLOCK_VERSION, LANDLOCK_SCOPES_SINCE = 1, 6
SCOPE_ABSTRACT_UNIX_SOCKET, SCOPE_SIGNAL = 1, 2
PIVOT_ROOT = {"x86_64": 155, "aarch64": 41}

# What apt, dpkg and sudo need. Everything else is gone for good: no mount, mknod, module, raw socket, chroot, ptrace
# of others. With user namespaces barred as well (see rootfs.enter) there is no way to get one back.
KEPT_CAPABILITIES = {
    "CHOWN": 0,
    "DAC_OVERRIDE": 1,
    "FOWNER": 3,
    "FSETID": 4,
    "KILL": 5,
    "SETGID": 6,
    "SETUID": 7,
}

libc = ctypes.CDLL(None, use_errno=True)


def call(what: str, result: int) -> None:
    """Raise OSError with `what` when the C call that returned `result` failed."""
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")


def unshare(flags: int) -> None:
    call("unshare", libc.unshare(flags))


def mount(source: str | Path, target: str | Path, kind: str = "", flags: int = 0, data: str = "") -> None:
    arguments = str(source).encode(), str(target).encode(), kind.encode() or None, ctypes.c_ulong(flags)
    call(f"mount {source} on {target}", libc.mount(*arguments, data.encode() or None))


def bind(source: str | Path, target: str | Path, flags: int = 0) -> None:
    """Show `source` at `target`; `flags` (read-only, nosuid …) need a second call: the kernel ignores them at first."""
    mount(source, target, flags=MS_BIND)
    if flags:
        mount("none", target, flags=MS_BIND | MS_REMOUNT | flags)


def unmount(target: str | Path) -> None:
    call(f"umount {target}", libc.umount2(str(target).encode(), MNT_DETACH))


def pivot_root(new: Path) -> None:
    """Make `new`, a mount point, the root of this mount namespace; the old root is gone afterwards."""
    os.chdir(new)
    call("pivot_root", libc.syscall(PIVOT_ROOT[platform.machine()], b".", b"."))
    unmount(".")
    os.chdir("/")


def landlock_version() -> int:
    """The version of Landlock's interface; -1 for a kernel without it."""
    return int(libc.syscall(LANDLOCK_CREATE_RULESET, None, 0, LANDLOCK_VERSION))


def keep_to_own_processes() -> None:
    """No abstract Unix sockets and no signals of processes outside, for us and all that we start.

    These sockets belong to the network, which a guest shares with the host. Kernels before 6.12 cannot do this.
    """
    if landlock_version() < LANDLOCK_SCOPES_SINCE:
        return
    rules = struct.pack("QQQ", 0, 0, SCOPE_ABSTRACT_UNIX_SOCKET | SCOPE_SIGNAL)
    descriptor = libc.syscall(LANDLOCK_CREATE_RULESET, rules, len(rules), 0)
    call("landlock", int(descriptor < 0))
    call("landlock", libc.syscall(LANDLOCK_RESTRICT_SELF, descriptor, 0))
    os.close(descriptor)


def last_capability() -> int:
    return int(Path("/proc/sys/kernel/cap_last_cap").read_text())


def drop_capabilities(last: int) -> None:
    """Take all but KEPT_CAPABILITIES out of the bounding set (numbers up to `last`); the next exec loses them."""
    for capability in range(last + 1):
        if capability not in KEPT_CAPABILITIES.values():
            call("drop capability", libc.prctl(PR_CAPBSET_DROP, capability, 0, 0, 0))


def die_with_parent() -> None:
    call("prctl", libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0))
