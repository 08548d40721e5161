"""Finding and ending the processes of guests whose daemon is gone."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterator
from pathlib import Path

from gpucloud.waiting import Waiter


def kill(root: Path) -> None:
    """Kill what runs in guests under `root`, and wait for it. Raises RuntimeError when something stays."""
    for pid in inhabitants(root.resolve()):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    if not Waiter(first=0.01).until(lambda: not list(inhabitants(root.resolve())), timeout=10):
        raise RuntimeError(f"processes of earlier guests under {root} do not end")


def inhabitants(root: Path) -> Iterator[int]:
    """Processes in the mount namespaces of guests under `root`: there, and not in ours, overlays name their folders.

    With fuse-overlayfs it is its own process that names them; that one lives as long as the guest.
    """
    own, mark = os.readlink("/proc/self/ns/mnt"), f"upperdir={root}/"
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            with contextlib.suppress(OSError):
                texts = ((folder / name).read_text(errors="replace") for name in ("mounts", "cmdline"))
                if os.readlink(folder / "ns/mnt") != own and any(mark in text for text in texts):
                    yield int(folder.name)
