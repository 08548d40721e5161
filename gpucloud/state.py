"""Where gpucloud keeps what only this computer knows: journals, keys and pinned host keys.

The truth about machines is in the cloud (tags). What is here lets us log in to them and finish what was interrupted.
Everything is readable by its owner alone, and every file is replaced atomically.
"""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from gpucloud.errors import ConfigError, NotFound, UsageError

_RUN = re.compile(r"[a-z][a-z0-9-]{0,63}")


def _xdg(variable: str, default: str) -> Path:
    """An XDG base directory; a relative value is invalid by the specification and ignored."""
    value = os.environ.get(variable, "")
    return Path(value) if os.path.isabs(value) else Path.home() / default


def config_home() -> Path:
    """Folder of config.yaml and of the user's own profiles."""
    return _xdg("XDG_CONFIG_HOME", ".config") / "gpucloud"


def state_home() -> Path:
    """Folder of journals, keys and of the sandbox."""
    return _xdg("XDG_STATE_HOME", ".local/state") / "gpucloud"


def private_folder(path: Path) -> Path:
    """Make the folder, for its owner only. Raises ConfigError if that is not possible."""
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as exc:
        raise ConfigError(f"cannot create {path}", exc.strerror or str(exc), "set XDG_STATE_HOME") from exc
    return path


def write_private(path: Path, text: str) -> None:
    """Write a file that only its owner can read, replacing it atomically."""
    private_folder(path.parent)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=path.name)  # mkstemp makes it 0600
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        with suppress(FileNotFoundError):  # a signal may come right after the replacement
            os.unlink(temporary)
        raise


@dataclass(frozen=True)
class Identity:
    """What it takes to log in to one machine and to know that it is the right one."""

    private_key: Path
    host_key: str
    known_hosts: Path


@dataclass(frozen=True)
class State:
    """The local state of one world: the real clouds, or the sandbox (which must never be mixed up with them)."""

    root: Path

    def journal_path(self, run: str) -> Path:
        return private_folder(self.root / "runs") / f"{check_run(run)}.ndjson"

    def journal_paths(self) -> Iterator[Path]:
        """The journals of all runs, oldest first (a run id begins with its time)."""
        yield from sorted((self.root / "runs").glob("*.ndjson"))

    def save_identity(self, run: str, private_key: str, host_key: str) -> Identity:
        """Keep the login key and the pinned host key of a run."""
        folder = self._keys(run)
        write_private(folder / "id_ed25519", private_key)
        write_private(folder / "known_hosts", f"{host_alias(run)} {host_key}\n")
        return self.identity(run)

    def identity(self, run: str) -> Identity:
        """The keys of a run. Raises NotFound if this computer has none."""
        folder = self._keys(run)
        try:
            host_key = (folder / "known_hosts").read_text(encoding="utf-8").split(" ", 1)[1].strip()
        except FileNotFoundError as exc:
            raise NotFound(
                f"no SSH key for run {run} on this computer",
                f"{folder} does not exist; the machine was made elsewhere",
                f"copy that folder from the computer that made it, or `gpucloud down --run-id {run}`",
            ) from exc
        return Identity(folder / "id_ed25519", host_key, folder / "known_hosts")

    def forget_identity(self, run: str) -> None:
        """Remove the keys of a run whose machine is gone; none is fine."""
        shutil.rmtree(self._keys(run), ignore_errors=True)

    def _keys(self, run: str) -> Path:
        return self.root / "keys" / check_run(run)


def check_run(run: str) -> str:
    """A run id that may become part of a path: it may come from a tag, which anybody in the account can write.

    Raises UsageError.
    """
    if _RUN.fullmatch(run):
        return run
    raise UsageError(f"{run!r} is no run id", "", "use lower-case letters, digits and dashes")


def host_alias(run: str) -> str:
    """The name under which a run's host key is pinned: addresses change, this does not."""
    return f"gpucloud-{run}"
