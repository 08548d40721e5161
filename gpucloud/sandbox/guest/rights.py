"""How this process gets the right to mount, and the few jobs that need it apart from running a guest.

Root has it. An ordinary user borrows it through `sudo -n`.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from gpucloud.errors import CloudError
from gpucloud.sandbox.guest import base, rootfs
from gpucloud.sandbox.guest import syscalls as sys_

PACKAGE = "gpucloud.sandbox.guest"
OVERLAY_LIKE = ("overlay", "overlayfs", "fuse.fuse-overlayfs", "aufs")


@dataclass(frozen=True)
class Rights:
    """`prefix` goes before a command that needs to mount."""

    prefix: tuple[str, ...] = ()

    def command(self, module: str, *arguments: str) -> list[str]:
        return [*self.prefix, sys.executable, "-m", f"{PACKAGE}.{module}", *arguments]


def available() -> Rights:
    """The way that works here; no prefix for an ordinary user means that there is none."""
    if os.geteuid() == 0 or not shutil.which("sudo"):
        return Rights()
    allowed = subprocess.run(["sudo", "-n", "true"], capture_output=True).returncode == 0
    return Rights(("sudo", "-n")) if allowed else Rights()


def run(rights: Rights, job: str, path: Path, root: Path) -> None:
    """Do `job` on `path`, which lies in the manager's folder `root`; as another process where that has more rights."""
    if not rights.prefix:
        JOBS[job](path)
        return
    done = subprocess.run(rights.command("rights", job, str(path), str(root)), capture_output=True, text=True)
    if done.returncode:
        raise CloudError(f"the sandbox could not {job} {path}", done.stderr.strip().splitlines()[-1])


def make_base(path: Path) -> None:
    from gpucloud.sandbox.mirror import commands_dir

    base.build(path, commands_dir())


def make_disk(path: Path) -> None:
    """A folder, or a tmpfs where the file system cannot hold the upper layer of an overlay (in a container)."""
    path.mkdir()
    if file_system(path) in OVERLAY_LIKE and os.geteuid() == 0:
        sys_.mount("tmpfs", path, "tmpfs", 0, "mode=755")
    rootfs.prepare_disk(path)
    base.make_homes(path / "tree")


def file_system(path: Path) -> str:
    """The type of the file system that `path` is on."""
    mounts = [line.split() for line in Path("/proc/self/mounts").read_text().splitlines()]
    within = [(fields[1], fields[2]) for fields in mounts if path.resolve().is_relative_to(unescaped(fields[1]))]
    return max(enumerate(within), key=lambda found: (len(found[1][0]), found[0]))[1][1]


def unescaped(place: str) -> str:
    return place.encode().decode("unicode_escape")


def unmount(path: Path) -> None:
    """Unmount everything below `path`, the innermost first."""
    below = [unescaped(line.split()[1]) for line in Path("/proc/self/mounts").read_text().splitlines()]
    for place in reversed([place for place in below if Path(place).is_relative_to(path.resolve())]):
        sys_.unmount(place)


def remove(path: Path) -> None:
    unmount(path)
    shutil.rmtree(path)


JOBS = {"make-base": make_base, "make-disk": make_disk, "unmount": unmount, "remove": remove}


if __name__ == "__main__":
    JOBS[sys.argv[1]](Path(sys.argv[2]))
