"""The journal of one run: what was about to be made is on the disk before the cloud hears of it.

One JSON object a line, appended and fsynced. A run is *live* while a process holds the lock on its journal,
*open* until it is committed or rolled back; an open run that is not live was interrupted (see `recover`).
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

from gpucloud.errors import ConfigError, NotFound, UsageError
from gpucloud.waiting import Waiter

VERSION = 1
HEADER = {"run", "name", "cloud", "region", "spec"}
"""What the first entry of every journal holds besides its version."""
LOOKING = 1.0
"""Seconds for which a journal may look locked because somebody merely looks at it (`is_live`)."""


class Journal:
    """An open journal, locked by this process. Keeps the Log contract of saga.py."""

    def __init__(self, path: Path, entries: list[dict[str, Any]], fd: int) -> None:
        self.path, self.entries, self._fd = path, entries, fd

    @classmethod
    def create(cls, path: Path, header: Mapping[str, object]) -> Self:
        """Begin the journal of a new run. Raises UsageError if the run exists already."""
        try:
            fd = os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_APPEND, 0o600)
        except FileExistsError as exc:
            raise UsageError(f"run {path.stem} exists already", "", "choose another --run-id") from exc
        fcntl.flock(fd, fcntl.LOCK_EX)
        journal = cls(path, [], fd)
        journal.record("opened", version=VERSION, **header)
        _sync_folder(path.parent)
        return journal

    @classmethod
    def open(cls, path: Path) -> Self:
        """Take over the journal of an earlier run. Raises NotFound, or UsageError while another process has it."""
        try:
            fd = os.open(path, os.O_RDWR | os.O_APPEND)
        except FileNotFoundError as exc:
            raise NotFound(f"no run {path.stem} on this computer") from exc
        if not Waiter(first=0.05).until(lambda: _try_lock(fd), LOOKING):
            os.close(fd)
            raise UsageError(f"run {path.stem} is still going on in another process")
        _drop_torn_line(path, fd)
        return cls(path, read(path), fd)

    def close(self) -> None:
        """Let go of the lock. May be called twice."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def record(self, event: str, **values: object) -> None:
        """Append one entry; it is on the disk when this returns. Raises OSError, and then it is not there at all."""
        entry = {"at": datetime.now(UTC).isoformat(timespec="milliseconds"), "event": event, **values}
        line = json.dumps(entry, sort_keys=False).encode() + b"\n"
        end = os.fstat(self._fd).st_size
        try:
            if os.write(self._fd, line) != len(line):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self.path))
            os.fsync(self._fd)
        except OSError:
            os.ftruncate(self._fd, end)  # half a line would be damage that the next entry is glued to
            raise
        self.entries.append(entry)

    @property
    def header(self) -> Mapping[str, Any]:
        return self.entries[0]

    @property
    def status(self) -> str:
        return status_of(self.entries)

    @property
    def is_committed(self) -> bool:
        return self.status == "committed"

    def intent(self, step: str, name: str) -> None:
        self.record("intent", step=step, name=name)

    def done(self, step: str, facts: Mapping[str, str]) -> None:
        self.record("done", step=step, facts=dict(facts))

    def refused(self, step: str) -> None:
        self.record("refused", step=step)

    def undone(self, step: str) -> None:
        self.record("undone", step=step)

    def committed(self) -> None:
        self.record("committed")

    def rolled_back(self) -> None:
        self.record("rolled_back")

    def removed(self) -> None:
        """The machine was taken down on purpose, later."""
        self.record("removed")

    def intents(self) -> Sequence[str]:
        return list(self._standing())

    def facts_of(self, step: str) -> Mapping[str, str] | None:
        return self._standing().get(step)

    def _standing(self) -> dict[str, Mapping[str, str] | None]:
        """The steps that were begun and neither refused nor undone since, with what each one recorded."""
        standing: dict[str, Mapping[str, str] | None] = {}
        for entry in self.entries:
            match entry["event"]:
                case "intent":
                    standing.setdefault(entry["step"], None)
                case "done":
                    standing[entry["step"]] = entry["facts"]
                case "undone" | "refused":
                    standing.pop(entry["step"], None)
        return standing


def _try_lock(fd: int) -> bool:
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def read(path: Path) -> list[dict[str, Any]]:
    """The entries of a journal. A last line cut short by a crash never happened.

    Any other damage, and a journal that another version wrote in another way, is a ConfigError.
    """
    lines = path.read_bytes().split(b"\n")[:-1]
    try:
        entries = [json.loads(line) for line in lines]
        if entries and not (entries[0]["version"] == VERSION and entries[0].keys() >= HEADER):
            raise ValueError("it was written by another version of gpucloud")
    except (ValueError, KeyError, TypeError) as exc:
        remedy = f"its machine has the tag gpucloud-run={path.stem}: `gpucloud down --run-id {path.stem}`"
        raise ConfigError(f"{path} cannot be read", str(exc), f"{remedy}, then delete the file") from exc
    return entries


def standing(paths: Iterable[Path]) -> Iterator[Mapping[str, Any]]:
    """The headers of the runs that were neither undone nor taken down. Damaged journals are passed over here: what
    they were about is found by its tags, and they must not stand in the way of every other command."""
    for path in paths:
        try:
            entries = read(path)
        except ConfigError:
            continue
        if status_of(entries) in ("open", "committed"):
            yield entries[0]


def status_of(entries: Sequence[Mapping[str, Any]]) -> str:
    """`empty`, `open`, `committed`, `rolled_back` or `removed`: how far the run got."""
    if not entries:
        return "empty"
    ends = [entry["event"] for entry in entries if entry["event"] in ("committed", "rolled_back", "removed")]
    return str(ends[-1]) if ends else "open"


def is_live(path: Path) -> bool:
    """Does a process work on this run right now?"""
    fd = os.open(path, os.O_RDONLY)
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(fd)
    return False


def _drop_torn_line(path: Path, fd: int) -> None:
    """Cut off what a crash left of a half-written last line, so that the next entry starts on a line of its own."""
    content = path.read_bytes()
    os.ftruncate(fd, content.rfind(b"\n") + 1)


def _sync_folder(folder: Path) -> None:
    """A new file survives a power cut only when its folder is synced too."""
    fd = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
