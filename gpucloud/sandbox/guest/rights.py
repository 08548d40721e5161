"""How this process gets the right to mount, and the few jobs that need it apart from running a guest.

Three ways, the first that works here is taken: to be root; `sudo -n`, where the sudoers file asks for no password; a
user namespace of our own (`userns`), in which fuse-overlayfs stands in for the kernel's overlays, because the kernel
does not change files there that belong to the host's root. With the first two a guest's files are root's.
"""

from __future__ import annotations

import functools
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from gpucloud.errors import CloudError, ConfigError
from gpucloud.sandbox.guest import base, leftovers, rootfs
from gpucloud.sandbox.guest import syscalls as sys_

PACKAGE = "gpucloud.sandbox.guest"
OVERLAY_LIKE = ("overlay", "overlayfs", "fuse.fuse-overlayfs", "aufs")
REMEDY = (
    "run gpucloud as root, or allow it `sudo` without a password, or give this user `apt-get install fuse-overlayfs "
    "uidmap`, a range in /etc/subuid and /etc/subgid, and access to /dev/fuse"
)


@dataclass(frozen=True)
class Rights:
    """`prefix` goes before a command that needs to mount, `fuse` says how overlays are made, `name` is for people."""

    name: str
    prefix: tuple[str, ...] = ()
    fuse: bool = False

    def command(self, module: str, *arguments: str) -> list[str]:
        """A module of this package as a command with these rights; it leaves no compiled files of root's behind."""
        python = [sys.executable, "-B"] if self.prefix else [sys.executable]
        return [*self.prefix, *python, "-m", f"{PACKAGE}.{module}", *arguments]


def ways() -> list[Rights]:
    """The ways that are worth a trial."""
    if os.geteuid() == 0:
        return [Rights("root")]
    ours = f"PYTHONPATH={Path(__file__).parents[3]}"
    # With -k a password that was typed a moment ago does not count: it would be forgotten before the guests end.
    sudo = Rights("sudo", ("sudo", "-n", "-k", "env", ours))
    own = Rights("a user namespace", (sys.executable, "-m", f"{PACKAGE}.userns"), fuse=True)
    return [way for way, program in ((sudo, "sudo"), (own, "newuidmap")) if shutil.which(program)]


@functools.cache
def available() -> Rights:
    """The way that works here. Raises ConfigError with what each of them met."""
    met = []
    for way in ways():
        trial = subprocess.run(way.command("trial", *(["fuse"] if way.fuse else [])), capture_output=True, text=True)
        if trial.returncode == 0:
            return way
        met.append(f"{way.name}: {last_line(trial.stderr)}")
    why = "; ".join(met) or "an ordinary user may not mount file systems, and has neither sudo nor newuidmap"
    in_container = "in a container, run it with --privileged"
    raise ConfigError("this host does not let us make guests", why, in_container if os.geteuid() == 0 else REMEDY)


def last_line(text: str) -> str:
    return (text.strip().splitlines() or ["it said nothing"])[-1]


def run(rights: Rights, job: str, path: Path) -> None:
    """Do `job` on `path`; as another process where that has more rights."""
    if not rights.prefix:
        JOBS[job](path)
        return
    done = subprocess.run(rights.command("rights", job, str(path)), capture_output=True, text=True)
    if done.returncode:
        raise CloudError(f"the sandbox could not {job} {path}", last_line(done.stderr))


def make_base(path: Path) -> None:
    from gpucloud.sandbox.mirror import commands_dir

    base.build(path, commands_dir())


def make_disk(path: Path) -> None:
    """A folder, or a tmpfs where the file system cannot hold the upper layer of an overlay (in a container)."""
    path.mkdir()
    if file_system(path) in OVERLAY_LIKE:
        sys_.mount("tmpfs", path, "tmpfs", 0, "mode=755")
    rootfs.prepare_disk(path)
    shutil.copytree("/etc/skel", path / "tree/root", dirs_exist_ok=True)
    base.offer_python(path / "local/local")


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


def reap(root: Path) -> None:
    leftovers.kill(root)
    unmount(root)


JOBS = {"make-base": make_base, "make-disk": make_disk, "unmount": unmount, "remove": remove, "reap": reap}


if __name__ == "__main__":
    os.umask(0o022)
    JOBS[sys.argv[1]](Path(sys.argv[2]))
