"""Whether guests can run on this host, and cleaning up after a daemon that was killed."""

from __future__ import annotations

import importlib.util
import platform
import shutil
import sys
from pathlib import Path

from gpucloud.errors import ConfigError
from gpucloud.sandbox.guest import base, leftovers, rights, syscalls

NEEDED_PROGRAMS = ("apt-get", "dpkg", "setpriv", "setsid", "bash")


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
    if base.offers_python() and sys.version_info.minor not in base.TORCH_MINORS:
        return (
            f"PyTorch needs Python 3.11 to 3.13 in a guest, and this host has only 3.{sys.version_info.minor}: "
            "run gpucloud with one of them, such as `uv tool install --python 3.13 'gpucloud[sandbox]'`"
        )
    try:
        rights.available()
    except ConfigError as error:
        return f"{error.what} ({error.why}): {error.remedy}"
    return None


def reap_leftovers(root: Path) -> None:
    """Kill the guests of a daemon that is gone and unmount what it left under `root`; their files stay.

    Guests die with their supervisor and supervisors with the daemon; this is for the moment in between and tmpfs disks.
    A process is ours only if its mount namespace has a mount of `root`, and is not our own namespace.
    """
    if not root.exists():
        return
    way = rights.available()
    if way.fuse:
        # Our user has all rights over its own namespaces, and another namespace of its has none; nothing is mounted.
        leftovers.kill(root)
    else:
        rights.run(way, "reap", root)
