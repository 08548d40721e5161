"""What every guest shares, made once for a manager: the /etc of a fresh cloud image and the guest's own programs.

Secrets of the host stay out by two rules. From /etc comes only what every user of the host may read, less LEFT_OUT;
of /var nothing but the dpkg database is shown (rootfs.py).
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import stat
import sys
from collections.abc import Iterable
from pathlib import Path

from gpucloud.sandbox.guest.rootfs import PRIVATE

# Credentials, the host's identity, its services, and settings that would lead a guest past the mirror (proxies, pins).
LEFT_OUT = frozenset(
    [
        "shadow",
        "shadow-",
        "gshadow",
        "gshadow-",
        "passwd",
        "passwd-",
        "group",
        "group-",
        "subuid",
        "subuid-",
        "subgid",
        "subgid-",
        "ssh",
        "ssl/private",
        "sudoers",
        "sudoers.d",
        "pip.conf",
        "npmrc",
        "wgetrc",
        "curlrc",
        "gitconfig",
        "environment",
        "environment.d",
        "profile.d",
        "fstab",
        "mtab",
        "hostname",
        "hosts",
        "machine-id",
        "os-release",
        "lsb-release",
        "debian_version",
        "issue",
        "issue.net",
        "motd",
        "update-motd.d",
        "apt",
        "docker",
        "containerd",
        "kubernetes",
        "letsencrypt",
        "NetworkManager",
        "netplan",
        "wireguard",
        "openvpn",
        "ppp",
        "ipsec.d",
        "samba",
        "mysql",
        "postgresql",
        "apache2",
        "nginx",
        "lighttpd",
        "cloud",
        "krb5.keytab",
        "ldap",
        "cron.d",
        "cron.daily",
        "cron.hourly",
        "cron.weekly",
        "cron.monthly",
        "crontab",
        "systemd",
        "modprobe.d",
        "modules-load.d",
        "gpucloud",
        "gpucloud-sim",
        "nvidia-container-runtime",
        "cdi",
        "aws",
        "azure",
        "google-cloud",
        "boto.cfg",
        "rc.local",
        "maven",
    ]
)
APT_SETTINGS = ("01autoremove", "70debconf", "docker-clean")
# The guest's SSH server is asyncssh; these are it and what it imports.
SERVER_PACKAGES = ("asyncssh", "cryptography", "cffi", "_cffi_backend", "pycparser", "typing_extensions")
USER_ID = 1000
USER_GROUPS = ("adm", "sudo")
NOBODY = 65534
# Versions 3.x that the wheels of the newest PyTorch in the catalogue are for (catalog/stack.py).
TORCH_MINORS = (11, 12, 13)
COMMANDS = Path(__file__).parent / "commands"
# One program answers to all of these names: it asks the guest's service manager.
CONTROL_NAMES = ["systemctl", "systemd-run", "shutdown", "poweroff", "reboot", "halt", "cloud-init", "journalctl"]


def build(base: Path, extra_commands: Path | None) -> None:
    """Make the folder `base` anew. `extra_commands` holds more programs for /usr/sbin."""
    if base.exists():
        shutil.rmtree(base)
    build_etc(base / "etc")
    build_usr(base / "usr", extra_commands)


def build_etc(etc: Path) -> None:
    shutil.copytree("/etc", etc, symlinks=True, ignore=private_or_left_out)
    (etc / "mtab").symlink_to("/proc/self/mounts")
    for folder in ("apt/apt.conf.d", "apt/preferences.d", "apt/sources.list.d", "apt/keyrings", "apt/trusted.gpg.d"):
        (etc / folder).mkdir(parents=True)
    for name in ("systemd/system", "modprobe.d", "modules-load.d", "profile.d", "ssh", "gpucloud", "gpucloud-sim"):
        (etc / name).mkdir(parents=True)
    for name in APT_SETTINGS:
        if (source := Path("/etc/apt/apt.conf.d", name)).exists():
            shutil.copy(source, etc / "apt/apt.conf.d")


def private_or_left_out(folder: str, names: list[str]) -> set[str]:
    """What copytree shall skip in a folder of /etc."""
    within = os.path.relpath(folder, "/etc")
    return {
        name
        for name in names
        if os.path.normpath(os.path.join(within, name)) in LEFT_OUT or not everyone_reads(Path(folder, name))
    }


def everyone_reads(path: Path) -> bool:
    mode = path.lstat().st_mode
    if stat.S_ISLNK(mode):
        return True
    return bool(mode & stat.S_IROTH) and (stat.S_ISREG(mode) or stat.S_ISDIR(mode))


def accounts(user: str) -> dict[str, str]:
    """passwd, group, shadow and gshadow of a guest: the host's system accounts and its own user, no passwords."""
    passwd, group = (Path("/etc", name).read_text() for name in ("passwd", "group"))
    users = [line for line in passwd.splitlines() if is_system(line) and not line.startswith(f"{user}:")]
    groups = {line.split(":")[0]: line.split(":")[:3] for line in group.splitlines() if is_system(line)}
    groups.setdefault("sudo", ["sudo", "x", "27"])
    groups[user] = [user, "x", str(USER_ID)]
    names = [line.split(":")[0] for line in users] + [user]
    members = {name: user if name in USER_GROUPS else "" for name in groups}
    return {
        "passwd": lines([*users, f"{user}:x:{USER_ID}:{USER_ID}:Ubuntu:/home/{user}:/bin/bash"]),
        "group": lines(":".join([*groups[name], members[name]]) for name in groups),
        "shadow": lines(f"{name}:*:19000:0:99999:7:::" for name in names),
        "gshadow": lines(f"{name}:*::{members[name]}" for name in groups),
    }


def offer_python(local: Path) -> None:
    """Our interpreter in the guest's /usr/local, where the host has none for uv to find."""
    for part in [f"bin/{python_name()}", *shared_python()] if offers_python() else ():
        (local / part).symlink_to(f"/{PRIVATE}/python/{part}")


def is_system(line: str) -> bool:
    fields = line.split(":")
    return len(fields) > 3 and fields[2].isdigit() and (int(fields[2]) < USER_ID or int(fields[2]) == NOBODY)


def python_name() -> str:
    return f"python3.{sys.version_info.minor}"


def python_parts() -> list[str]:
    """What of sys.base_prefix a guest needs to run our interpreter: all of it, but of the host's /usr only its own."""
    if sys.base_prefix not in ("/usr", "/usr/local"):
        return ["."]
    return [f"bin/{python_name()}", f"lib/{python_name()}", *shared_python()]


def shared_python() -> list[str]:
    """The interpreter's own shared libraries, where it is built with them."""
    return [f"lib/{library.name}" for library in Path(sys.base_prefix, "lib").glob("libpython3*.so*")]


def offers_python() -> bool:
    """Whether the guest is given our interpreter, because the host's own programs have none that PyTorch supports."""
    return not any(Path(f"/usr/bin/python3.{minor}").exists() for minor in TORCH_MINORS)


def lines(texts: Iterable[str]) -> str:
    return "".join(text + "\n" for text in texts)


def build_usr(usr: Path, extra_commands: Path | None) -> None:
    private = usr.parent / PRIVATE
    for folder in (private / "python", private / "bin", private / "site", usr / "bin", usr / "sbin"):
        folder.mkdir(parents=True)
    for package in SERVER_PACKAGES:
        copy_package(package, private / "site")
    shutil.copytree(Path(__file__).parent / "inside", private / "site/inside")
    shutil.copy2("/usr/bin/uname", private / "bin/uname")
    build_sudo(private / "bin/become")
    if not Path("/usr/bin/python3").exists():
        (usr / "bin/python3").symlink_to(f"/{PRIVATE}/python/bin/{python_name()}")
    for command in sorted(COMMANDS.iterdir()):
        install(command, usr / "bin" / command.name)
    for name in CONTROL_NAMES:
        install(Path(__file__).parent / "inside/control.py", usr / "bin" / name)
        if not Path("/usr/sbin").is_symlink():
            (usr / "sbin" / name).symlink_to(f"../bin/{name}")
    for command in sorted(extra_commands.iterdir()) if extra_commands else ():
        install(command, usr / "sbin" / command.name)


def install(source: Path, place: Path) -> None:
    shutil.copy(source, place)
    place.chmod(0o755)


def build_sudo(place: Path) -> None:
    """setpriv (util-linux), set-uid and executable by group sudo only: it becomes root in place, without PAM.

    Group 27 is `sudo` on every Debian and Ubuntu.
    """
    shutil.copy2("/usr/bin/setpriv", place)
    os.chown(place, 0, 27)
    place.chmod(0o4750)


def copy_package(name: str, site: Path) -> None:
    """Copy an importable package or module into `site`, compiled files included."""
    spec = importlib.util.find_spec(name)
    if spec is None or spec.origin is None:
        return
    origin = Path(spec.origin)
    if spec.submodule_search_locations:
        shutil.copytree(origin.parent, site / name)
    else:
        shutil.copy2(origin, site / origin.name)
