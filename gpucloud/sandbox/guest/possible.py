"""Whether guests can run on this host, and cleaning up after a daemon that was killed."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import platform
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from gpucloud.sandbox.guest import rights, syscalls
from gpucloud.waiting import Waiter

NEEDED_PROGRAMS = ("apt-get", "dpkg", "setpriv", "setsid", "bash")
# A mount namespace and one overlay, tried in a process of its own that is gone afterwards.
TRIAL = """
import sys
from pathlib import Path
from gpucloud.sandbox.guest import syscalls as s
s.unshare(s.CLONE_NEWNS | s.CLONE_NEWUTS | s.CLONE_NEWIPC | s.CLONE_NEWPID)
s.mount("none", "/", flags=s.MS_REC | s.MS_PRIVATE)
s.mount("tmpfs", "/mnt", "tmpfs")
for name in ("upper", "work", "root"):
    Path("/mnt", name).mkdir()
s.mount("overlay", "/mnt/root", "overlay", 0, "lowerdir=/usr,upperdir=/mnt/upper,workdir=/mnt/work")
"""


def possible() -> str | None:
    """None where guests can run; otherwise the reason, with what to do about it."""
    if sys.platform != "linux":
        return f"guests are Linux processes and this is {platform.system()}: use a Linux machine or a Linux VM"
    if platform.machine() not in syscalls.PIVOT_ROOT:
        return f"guests run on x86_64 and aarch64, not on {platform.machine()}"
    missing = [name for name in NEEDED_PROGRAMS if not shutil.which(name, path="/usr/sbin:/usr/bin:/sbin:/bin")]
    if missing:
        return f"guests are made of this host's Debian or Ubuntu, and it has no {', '.join(missing)}: use such a host"
    if importlib.util.find_spec("asyncssh") is None:
        return "asyncssh is not installed: `pip install 'gpucloud[sandbox]'`"
    return missing_rights()


def missing_rights() -> str | None:
    if os.geteuid() != 0:
        return "guests need to mount file systems, which an ordinary user may not: run gpucloud as root (`sudo`)"
    trial = subprocess.run([sys.executable, "-c", TRIAL], capture_output=True, text=True)
    if trial.returncode:
        why = trial.stderr.strip().splitlines()[-1]
        return f"this host does not let us make a guest ({why}): in a container, run it with --privileged"
    return None


def reap_leftovers(root: Path) -> None:
    """Kill the guests of a daemon that is gone and unmount what it left under `root`; their files stay.

    Guests die with their supervisor and supervisors with the daemon; this is for the moment in between and tmpfs disks.
    A process is ours only if its mount namespace has a mount of `root`, and is not our own namespace.
    """
    if not root.exists():
        return
    for pid in inhabitants(root.resolve()):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    gone = Waiter(first=0.01).until(lambda: not list(inhabitants(root.resolve())), timeout=10)
    if not gone:
        raise RuntimeError(f"processes of earlier guests under {root} do not end")
    rights.run(rights.available(), "unmount", root, root)


def inhabitants(root: Path) -> Iterator[int]:
    """Processes in the mount namespaces of guests under `root`: inside, a guest's overlays name their folders."""
    own = os.readlink("/proc/self/ns/mnt")
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            with contextlib.suppress(OSError):
                if os.readlink(folder / "ns/mnt") != own and f"upperdir={root}/" in (folder / "mounts").read_text():
                    yield int(folder.name)
