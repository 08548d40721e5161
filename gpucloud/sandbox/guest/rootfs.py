"""A guest's file system, put together in the guest's own mount namespace and left behind with it.

`disk` is what the guest keeps from boot to boot:
    tree/     its root directory: /home, /root, /var, /opt …, and the mount points of what follows
    upper/    what it changed in the host's /usr, in the prepared /etc and in the host's dpkg database
    local/    plain folders over parts of the host's /usr that a fresh cloud image does not have
Everything else (/dev /proc /sys /run /tmp) is new on each boot.
"""

from __future__ import annotations

import os
import stat
import subprocess
from dataclasses import dataclass
from pathlib import Path

from gpucloud.sandbox.guest import syscalls as sys_
from gpucloud.sandbox.guest.syscalls import MS_NODEV, MS_NOEXEC, MS_NOSUID, MS_RDONLY, bind, mount
from gpucloud.waiting import Waiter

# Where this host's Python, asyncssh and the guest's own programs are in the guest.
PRIVATE = "usr/lib/gpucloud-guest"
ROOT_LINKS = ("bin", "sbin", "lib", "lib32", "lib64", "libx32")
PLAIN_FOLDERS = ("boot", "dev", "home", "media", "mnt", "opt", "proc", "root", "run", "srv", "sys", "tmp", "usr", "etc")
VAR_FOLDERS = [
    "backups",
    "cache/apt/archives/partial",
    "cache/debconf",
    "cache/ldconfig",
    "cache/man",
    "lib/apt/lists/partial",
    "lib/dpkg",
    "lib/misc",
    "lib/pam",
    "lib/python",
    "lib/systemd/timers",
    "lib/ucf",
    "lib/cloud",
    "local",
    "log/apt",
    "mail",
    "opt",
    "spool/cron/crontabs",
    "tmp",
]
# A cloud image has nothing of its own here, and the host may have anything.
EMPTY_IN_USR = ("local", "lib/modules", "src")
DPKG_LOCKS = ("lock", "lock-frontend", "triggers/Lock")
# In a user namespace the files of the host's users are nobody's (65534): fuse-overlayfs shows them as root's.
# For what is written the last entry counts, so that root's new files are root's.
OWNERS = "uidmapping=65534:0:1:0:0:65534,gidmapping=65534:0:1:0:0:65534"
DEVICES = ("null", "zero", "full", "random", "urandom", "tty")
DEVICE_LINKS = {"fd": "/proc/self/fd", "stdin": "fd/0", "stdout": "fd/1", "stderr": "fd/2", "ptmx": "pts/ptmx"}
# As container runtimes do; nothing in them is simulated and some of them write to the host's kernel.
MASKED_FILES = (
    "kcore",
    "kallsyms",
    "kmsg",
    "keys",
    "sysrq-trigger",
    "timer_list",
    "sched_debug",
    "kpagecount",
    "kpageflags",
)
MASKED_FOLDERS = ("acpi", "scsi", "driver")
READ_ONLY = ("sys", "bus", "fs", "irq", "tty")
# /proc files that say what the simulated hardware says: name in /run/gpucloud-sim/proc -> place in /proc.
SHOWN = {
    "osrelease": "sys/kernel/osrelease",
    "boot_id": "sys/kernel/random/boot_id",
    "version": "version",
    "modules": "modules",
    "cmdline": "cmdline",
}


@dataclass(frozen=True)
class Layout:
    """Where the parts of one guest are on the host. `holder` is an empty folder, the root's mount point.

    Of the folder `python`, our interpreter's prefix, the guest sees `python_parts`.
    """

    base: Path
    disk: Path
    holder: Path
    python: Path
    python_parts: list[str]
    fuse: bool

    @property
    def root(self) -> Path:
        return self.holder / "guest"


def prepare_disk(disk: Path) -> None:
    """Make what a disk has before its first boot; harmless afterwards."""
    tree = disk / "tree"
    for folder in (*PLAIN_FOLDERS, *("var/" + name for name in VAR_FOLDERS)):
        (tree / folder).mkdir(parents=True, exist_ok=True)
    for folder in EMPTY_IN_USR:
        (disk / "local" / folder).mkdir(parents=True, exist_ok=True)
    for folder in ("bin", "sbin", "lib", "share", "etc", "include", "src"):
        (disk / "local/local" / folder).mkdir(exist_ok=True)
    (tree / "root").chmod(0o700)
    (tree / "var/tmp").chmod(0o1777)
    # The host's are readable to root only, and where root is not ours nobody can open them for writing.
    for name in DPKG_LOCKS:
        place = disk / "upper/var-lib-dpkg" / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.touch(0o640)
    # The one would keep services from starting, the other is the driver of this host's own GPU.
    for name in ("sbin/policy-rc.d", "bin/nvidia-smi"):
        hide(disk / "upper/usr", name)
    for name, target in {"var/run": "/run", "var/lock": "/run/lock"}.items():
        if not os.path.lexists(tree / name):
            (tree / name).symlink_to(target)


def hide(upper: Path, name: str) -> None:
    """A whiteout, where this host's /usr has `name`."""
    place = Path("/usr", name).resolve()
    if place.exists() and place.is_relative_to("/usr"):
        whiteout = upper / place.relative_to("/usr")
        whiteout.parent.mkdir(parents=True, exist_ok=True)
        os.mknod(whiteout, stat.S_IFCHR, os.makedev(0, 0))


def overlay(lower: list[Path], upper: Path, work: Path, target: Path, *, fuse: bool) -> None:
    options = f"lowerdir={':'.join(map(str, lower))},upperdir={upper},workdir={work}"
    if fuse:
        fuse_overlay(options + f",{OWNERS}", target)
    else:
        mount("overlay", target, "overlay", 0, options)


def fuse_overlay(options: str, target: Path) -> None:
    """Mount with fuse-overlayfs; its process ends with ours."""
    argv = ["fuse-overlayfs", "-f", "-o", options, str(target)]
    server = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=2, preexec_fn=sys_.die_with_parent)
    mounted = Waiter(first=0.005).until(lambda: os.path.ismount(target) or server.poll() is not None, timeout=10)
    if not mounted or server.poll() is not None:
        raise OSError(f"fuse-overlayfs did not mount {target}")


def mount_disk(layout: Layout) -> None:
    """Mount everything that the guest's disk and this host's files make up, at `layout.root`."""
    mount("none", "/", flags=sys_.MS_REC | sys_.MS_PRIVATE)
    mount("tmpfs", layout.holder, "tmpfs", MS_NOSUID | MS_NODEV, "mode=755")
    root, base, disk = layout.root, layout.base, layout.disk
    root.mkdir()
    bind(disk / "tree", root, MS_NODEV | MS_NOSUID)
    layers: dict[str, list[Path]] = {"usr": [base / "usr", Path("/usr")], "etc": [base / "etc"]}
    layers["var/lib/dpkg"] = [Path("/var/lib/dpkg")]
    for name in ROOT_LINKS:
        if (source := Path("/", name)).is_symlink():
            link(root / name, os.readlink(source))
        elif source.is_dir():
            (root / name).mkdir(exist_ok=True)
            layers[name] = [source]
    for name, lower in layers.items():
        upper, work = (disk / kind / name.replace("/", "-") for kind in ("upper", "work"))
        upper.mkdir(parents=True, exist_ok=True)
        work.mkdir(parents=True, exist_ok=True)
        overlay(lower, upper, work, mount_point(root, name), fuse=layout.fuse)
    for name in EMPTY_IN_USR:
        bind(disk / "local" / name, mount_point(root, "usr/" + name), MS_NODEV)
    mount_python(layout)


def mount_python(layout: Layout) -> None:
    """Our interpreter, read-only, over the empty folder that `base` has for it."""
    place = mount_point(layout.root, PRIVATE + "/python")
    flags = MS_RDONLY | MS_NODEV | MS_NOSUID
    if layout.python_parts == ["."]:
        bind(layout.python, place, flags)
        return
    mount("tmpfs", place, "tmpfs", MS_NOSUID | MS_NODEV, "mode=755")
    for part in layout.python_parts:
        target, source = place / part, layout.python / part
        target.parent.mkdir(exist_ok=True)
        target.mkdir() if source.is_dir() else target.touch()
        bind(source, target, flags)
    link(place / "bin/python3", layout.python_parts[0].removeprefix("bin/"))


def mount_system(root: Path, shown: dict[str, str]) -> None:
    """Mount /dev /proc /sys /run /tmp, from inside the guest's PID namespace. `shown`: text of each file in SHOWN."""
    for name, options in {"run": "mode=755", "tmp": "mode=1777", "sys": "mode=755"}.items():
        mount("tmpfs", mount_point(root, name), "tmpfs", MS_NOSUID | MS_NODEV, options)
    (root / "run/lock").mkdir(mode=0o1777)
    (root / "run/systemd/system").mkdir(parents=True)
    mount_dev(mount_point(root, "dev"))
    files = root / "run/gpucloud-sim/proc"
    files.mkdir(parents=True)
    for name, text in shown.items():
        (files / name).write_text(text)
    mount_proc(mount_point(root, "proc"), files)


def mount_dev(dev: Path) -> None:
    mount("tmpfs", dev, "tmpfs", MS_NOSUID | MS_NOEXEC, "mode=755")
    for name in DEVICES:
        (dev / name).touch()
        bind(Path("/dev", name), dev / name, MS_NOSUID | MS_NOEXEC)
    for name, target in DEVICE_LINKS.items():
        (dev / name).symlink_to(target)
    for name, kind, options in (
        ("pts", "devpts", "newinstance,ptmxmode=0666,mode=0620,gid=5"),
        ("shm", "tmpfs", "mode=1777"),
    ):
        (dev / name).mkdir()
        mount(kind, dev / name, kind, MS_NOSUID | MS_NOEXEC | (MS_NODEV if kind == "tmpfs" else 0), options)


def mount_proc(proc: Path, files: Path) -> None:
    mount("proc", proc, "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC)
    for name in READ_ONLY:
        if (proc / name).exists():
            bind(proc / name, proc / name, MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC)
    for name in MASKED_FILES:
        if (proc / name).exists():
            bind("/dev/null", proc / name)
    for name in MASKED_FOLDERS:
        if (proc / name).exists():
            mount("tmpfs", proc / name, "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, "mode=755")
    for name, place in SHOWN.items():
        # A kernel built without modules has no /proc/modules, and nobody can add a file to /proc.
        if (proc / place).exists():
            bind(files / name, proc / place)


def link(place: Path, target: str) -> None:
    if not os.path.lexists(place):
        place.symlink_to(target)


def mount_point(root: Path, name: str) -> Path:
    """The folder `name` under `root`, made if need be. Refuses links: a guest may have left one that leads out."""
    place = root
    for part in Path(name).parts:
        place = place / part
        if place.is_symlink():
            raise OSError(f"{name} of the guest is a link; it must be a folder to be mounted on")
        place.mkdir(exist_ok=True)
    return place


def enter(layout: Layout) -> None:
    """Leave the host's file system for good.

    The root becomes the holder, then the guest by chroot: in a chroot the kernel refuses new user namespaces, and the
    guest has no SYS_CHROOT to leave it with; what is above is an empty folder anyway.
    """
    sys_.pivot_root(layout.holder)
    os.chroot("/guest")
    os.chdir("/")
