"""OpenSSH aliases: plain `ssh NAME`, scp, rsync, VS Code and `docker -H ssh://NAME` reach our machines.

Each world has a file of its own beside config.yaml, with one `Host` entry for each machine; one marked block at the top
of ~/.ssh/config includes both. OpenSSH takes the first value that it meets: what the user's own file says about all
hosts still holds where an entry says nothing, and of two machines of one name the real clouds' one is reached, because
their file is the first. An alias is a convenience: what is in its way is told, and is never an error.
"""

from __future__ import annotations

import fcntl
import os
import re
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from gpucloud.errors import ConfigError, GpucloudError
from gpucloud.machine import Machine
from gpucloud.ops import access
from gpucloud.ops.context import Context
from gpucloud.progress import Status
from gpucloud.state import Identity, config_home, host_alias, private_folder, write_private

BEGIN, END = "# >>> gpucloud >>>", "# <<< gpucloud <<<"
FILES = {False: "ssh_config", True: "ssh_config.sandbox"}
"""By whether the world is the sandbox: the file of its entries. In this order they are included."""

_HEADER = "# Written by gpucloud. `gpucloud down` removes an entry again.\n"
_BLOCK = re.compile(rf"^{BEGIN}\r?\n.*?^{END}[^\n]*\n?", re.MULTILINE | re.DOTALL)
_BY_HAND = re.compile(rf"^\s*Include\b.*gpucloud/{FILES[False]}", re.MULTILINE | re.IGNORECASE)
_WORD = re.compile(r"[a-z_][a-z0-9_-]{0,62}")
"""What a name and a user may be in a file of commands: both can come from tags, which others can write."""


def options(machine: Machine, identity: Identity) -> dict[str, str]:
    """What OpenSSH must know besides address, port and user: our key only, and no host key but the pinned one."""
    return {
        "IdentityFile": _path(identity.private_key),
        "IdentitiesOnly": "yes",
        "UserKnownHostsFile": _path(identity.known_hosts),
        "GlobalKnownHostsFile": "none",
        "HostKeyAlias": host_alias(machine.run),
        "StrictHostKeyChecking": "yes",
        "ServerAliveInterval": "15",
    }


def _path(path: Path) -> str:
    """A file name as ssh_config(5) reads it: blanks need the quotes, and `%` begins a token."""
    return '"{}"'.format(str(path).replace("%", "%%"))


def publish(context: Context, machine: Machine) -> None:
    """See to it that `ssh NAME` reaches the machine where it is now; writes nothing if that is so already.

    What keeps it from doing so is told as a note. `ssh_config: "off"` in the configuration is respected.
    """
    if context.config.ssh_config == "off":
        return
    try:
        for note in _publish(context, machine):
            context.tell(machine.name, "ssh alias", Status.NOTE, note)
    except (GpucloudError, OSError) as exc:
        context.tell(machine.name, "ssh alias", Status.NOTE, f"none: {exc}")


def _publish(context: Context, machine: Machine) -> Iterator[str]:
    """Write what is missing. Yields what a person must know about it."""
    entry = _entry(machine, context.state.identity(machine.run))
    with _locked():
        entries = _read(FILES[context.simulated])
        written = _user_config()
        if _names(_BLOCK.sub("", written), machine.name):
            raise ConfigError(f"{_user_path()} has a `Host {machine.name}` of its own")
        if entries.get(machine.name) != entry:
            _write(FILES[context.simulated], {**entries, machine.name: entry})
        if (wanted := with_block(written, _block())) != written:
            _replace_user_config(wanted)
            yield f"{_user_path()} includes gpucloud's aliases now: `ssh {machine.name}` works"
        if context.simulated and machine.name in _read(FILES[False]):
            yield f"`ssh {machine.name}` is the real machine of that name; `gpucloud ssh {machine.name}` is this one"


def forget(context: Context, run: str) -> None:
    """Remove what this computer kept in order to log in to a machine that is gone: its alias and its keys."""
    context.state.forget_identity(run)
    try:
        prune(context.simulated)
    except (GpucloudError, OSError) as exc:
        context.tell(run, "ssh alias", Status.NOTE, f"not removed: {exc}")


def prune(simulated: bool) -> None:
    """Remove the entries whose keys are gone. Raises OSError."""
    if not (config_home() / FILES[simulated]).exists():
        return
    with _locked():
        entries = _read(FILES[simulated])
        living = {name: entry for name, entry in entries.items() if _key_exists(entry)}
        if living != entries:
            _write(FILES[simulated], living)


def _entry(machine: Machine, identity: Identity) -> str:
    """The lines of one machine. Raises ConfigError for a name or a user that cannot stand in such a file."""
    for word in (machine.name, machine.ssh_user):
        if not _WORD.fullmatch(word):
            raise ConfigError(f"{word!r} cannot stand in an OpenSSH configuration")
    place = {"HostName": access.address_of(machine), "Port": str(machine.ssh_port), "User": machine.ssh_user}
    lines = [f"    {key} {value}\n" for key, value in {**place, **options(machine, identity)}.items()]
    return "".join([f"Host {machine.name}\n", *lines])


def _key_exists(entry: str) -> bool:
    found = re.search(r'IdentityFile "(.*)"', entry)
    return found is not None and os.path.exists(found[1].replace("%%", "%"))


@contextmanager
def _locked() -> Iterator[None]:
    """One process, and one thread of it, reads and writes at a time. Raises ConfigError if the files are not ours."""
    _require_ours(config_home())
    with (private_folder(config_home()) / "ssh_config.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _read(file: str) -> dict[str, str]:
    """The entries of one of our files, by machine name."""
    try:
        text = (config_home() / file).read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return {}
    return {entry.split()[1]: entry for entry in re.split(r"^(?=Host \S)", text, flags=re.MULTILINE)[1:]}


def _write(file: str, entries: Mapping[str, str]) -> None:
    write_private(config_home() / file, _HEADER + "".join(entries.values()))


def _user_path() -> Path:
    return Path.home() / ".ssh" / "config"


def _user_config() -> str:
    """The text of ~/.ssh/config; empty if there is none. Raises ConfigError if it is no text."""
    try:
        text = _user_path().read_bytes().decode()
    except FileNotFoundError:
        return ""
    except UnicodeDecodeError as exc:
        raise ConfigError(f"{_user_path()} is not UTF-8 text") from exc
    if "\0" in text:
        raise ConfigError(f"{_user_path()} is not text")
    return text


def _names(text: str, name: str) -> bool:
    """Has this configuration an entry for exactly that host?"""
    for line in text.splitlines():
        words = line.replace("=", " ").replace('"', " ").split()
        if words and words[0].lower() == "host" and name in words[1:]:
            return True
    return False


def _block() -> str:
    files = " ".join(f'"{config_home() / file}"' for file in FILES.values())
    about = "# So that `ssh NAME` reaches gpucloud's machines. It has to stay above every Host and Match."
    return f"{BEGIN}\n{about}\nInclude {files}\n{END}\n"


def with_block(text: str, block: str) -> str:
    """The text with our block in place of the one that it has, or else at its top; nothing else of it changes.

    Who includes our file by hand needs no block. Raises ConfigError if somebody has cut our block in two.
    """
    if _BLOCK.search(text):
        return _BLOCK.sub(lambda _: block, text, count=1)
    if BEGIN in text or END in text:
        raise ConfigError(f"{_user_path()} has only one of the lines `{BEGIN}` and `{END}`")
    return text if _BY_HAND.search(text) else block + text


def _replace_user_config(text: str) -> None:
    """Write ~/.ssh/config atomically: where a link leads to, with the permissions that it had (new: 0600)."""
    target = Path(os.path.realpath(_user_path()))
    mode = stat.S_IMODE(target.stat().st_mode) if target.exists() else 0o600
    _require_ours(target)
    write_private(target, text)
    target.chmod(mode)


def _require_ours(path: Path) -> None:
    """Raises ConfigError if the file, or the folder that it would be in, is another user's or read-only.

    Under sudo, HOME may be another user's, whose OpenSSH refuses to work at all with a file that it cannot read.
    """
    there = next(each for each in (path, *path.parents) if each.exists())
    if there.stat().st_uid != os.geteuid():
        raise ConfigError(f"{there} is another user's")
    if not there.stat().st_mode & stat.S_IWUSR:
        raise ConfigError(f"{there} is read-only", f"`Include {config_home() / FILES[False]}` belongs at its top")
