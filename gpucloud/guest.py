"""The client side of bootstrap/: pack, upload, start, follow; over lost connections and reboots.

The work is done by the runner on the machine. Here is only watched: the connection may drop, the laptop may sleep,
and whoever connects again goes on reading where he stopped.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from importlib.resources.abc import Traversable
from typing import Any

from gpucloud.errors import StageFailed
from gpucloud.remote.base import Remote, RemoteUnreachable, check
from gpucloud.remote.failures import HostKeyChanged
from gpucloud.resources import bootstrap_dir
from gpucloud.waiting import Waiter

STATE = "/var/lib/gpucloud"
"""The runner's folder on the machine."""

SLICE = 50.0
"""Seconds of one follow command. A connection that died without a word is noticed at its end."""

RECONNECT = 900.0
"""Seconds without any connection before a machine counts as lost. The largest GPU instances (p5, bare metal) take up
to 15 minutes to reboot."""

TIMEOUT = 2 * 3600.0
"""Seconds for the whole bootstrap; each stage has its own, tighter limit in the plan."""

NO_RUNNER = 3
"""Exit code of bootstrap/follow.py: nothing is at work."""

Event = Mapping[str, Any]


@dataclass
class Position:
    """How far the event log has been read: bytes, and the number of the last event. `boot_id` is the machine's now."""

    offset: int = 0
    n: int = 0
    boot_id: str = ""


def bundle(plan: Mapping[str, Any]) -> bytes:
    """bootstrap/ and plan.json as a tar.gz; equal content gives equal bytes."""
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for name, data in _files(bootstrap_dir()):
            _add(tar, name, data)
        _add(tar, "plan.json", plan_bytes(plan))
    return gzip.compress(raw.getvalue(), mtime=0)


def _files(folder: Traversable, prefix: str = "") -> Iterator[tuple[str, bytes]]:
    """Names and contents below a folder, in a fixed order."""
    for entry in sorted(folder.iterdir(), key=lambda entry: entry.name):
        if entry.is_file():
            yield prefix + entry.name, entry.read_bytes()
        elif entry.name != "__pycache__":
            yield from _files(entry, f"{prefix}{entry.name}/")


def _add(tar: tarfile.TarFile, name: str, data: bytes) -> None:
    """A file that belongs to root and has no date."""
    info = tarfile.TarInfo(name)
    info.size, info.mode = len(data), 0o755 if name.endswith(".sh") else 0o644
    tar.addfile(info, io.BytesIO(data))


def plan_bytes(plan: Mapping[str, Any]) -> bytes:
    """plan.json. The runner identifies the plan by the sha256 of these bytes."""
    return json.dumps(plan, indent=1, sort_keys=True).encode()


def start(remote: Remote, plan: Mapping[str, Any], *, state: str = STATE) -> None:
    """Upload the bundle and start the runner, in one command. Does nothing if a runner is at work; harmless twice.

    Raises StageFailed, RemoteUnreachable.
    """
    script = (bootstrap_dir() / "install.sh").read_text(encoding="utf-8")
    result = remote.run(["sh", "-c", script, "install.sh", state], stdin=bundle(plan), sudo=True, timeout=120)
    if result.rc != 0:
        tail = result.stderr.decode(errors="replace").strip().splitlines()
        why = tail[-1] if tail else f"install.sh ended with code {result.rc}"
        raise StageFailed(
            "the bootstrap could not be started", why, "run the same `gpucloud up` again", tail=tuple(tail)
        )


def follow(
    remote: Remote, position: Position, on_event: Callable[[Event], None], *, state: str = STATE, seconds: float = SLICE
) -> bool:
    """Hand on every event after `position` for `seconds`, or to the next `end`; `position` moves with each of them.

    Returns False if no runner is at work. Raises RemoteUnreachable; the next call goes on at `position`.
    """

    def on_line(line: str) -> None:
        first, _, rest = line.partition(" ")
        if first == "boot":
            position.boot_id = rest
            return
        event = json.loads(rest)
        position.offset = int(first)
        if event["n"] > position.n:
            position.n = event["n"]
            on_event(event)

    script = (bootstrap_dir() / "follow.py").read_bytes()
    argv = ["python3", "-", state, str(position.offset), str(seconds)]
    result = remote.run(argv, stdin=script, sudo=True, timeout=seconds + 15, on_line=on_line)
    if result.rc != NO_RUNNER:
        check(result)
    return result.rc != NO_RUNNER


@dataclass
class Watch:
    """What the events say about one plan, and what that means once the runner is silent."""

    plan: str
    on_event: Callable[[Event], None]
    boot_id: str = ""
    rebooting: bool = False
    ended: bool = False
    foreign_end: bool = False
    started_again: bool = False
    running: dict[str, None] = field(default_factory=dict)
    failures: list[Event] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)

    def take(self, event: Event) -> None:
        """The next event."""
        match event["event"]:
            case "begin" | "resumed":
                self.boot_id, self.rebooting = event["boot_id"], False
            case "rebooting":
                self.rebooting = True
                self.running.clear()
            case "stage-started":
                self.running[event["stage"]] = None
            case "line":
                self.lines = [*self.lines[-19:], event["text"]]
            case "stage-done" | "stage-skipped" | "stage-failed":
                self.running.pop(event["stage"], None)
                if event["event"] == "stage-failed":
                    self.failures.append(event)
            case "end":
                self._end(event)
        self.on_event(event)

    def _end(self, event: Event) -> None:
        """The end of another plan, whose runner was at work before ours, says nothing about ours.

        It can come only once: a second one is our own runner, which could not even read our plan.
        """
        self.ended = event["plan"] == self.plan or self.started_again
        self.foreign_end = not self.ended
        if self.foreign_end:
            self.failures.clear()

    def must_start_again(self, boot_id: str, at_work: bool) -> bool:
        """Whether the runner has to be started: another plan's has ended, or ours did not come back by itself.

        Raises StageFailed if the runner is gone for no such reason.
        """
        self.boot_id = self.boot_id or boot_id
        if self.foreign_end:
            self.foreign_end, self.started_again = False, True
            return True
        if self.rebooting and boot_id != self.boot_id and not at_work:
            return True
        if boot_id != self.boot_id and not self.rebooting:
            raise self.failed("the machine restarted by itself", "a crash, or someone rebooted it")
        if not at_work and not self.ended and not self.rebooting:
            raise self.failed("the bootstrap runner is gone", "it ended without a last event: killed, or out of memory")
        return False

    def failed(self, what: str, why: str) -> StageFailed:
        """An end that the runner itself could not report."""
        stage = ", ".join(self.running)
        during = f"during stage {stage}" if stage else "between stages"
        return StageFailed(what, f"{during}: {why}", "run the same `gpucloud up` again", stage, tuple(self.lines))

    def require_success(self) -> None:
        """Raises StageFailed with the first failure, if there was one."""
        if self.failures:
            first = self.failures[0]
            more = "".join(f"; {other['stage']}: {other['what']}" for other in self.failures[1:])
            raise StageFailed(first["what"], first["why"] + more, first["remedy"], first["stage"], tuple(first["tail"]))


def bootstrap(
    connect: Callable[[], Remote],
    plan: Mapping[str, Any],
    on_event: Callable[[Event], None],
    waiter: Waiter,
    *,
    timeout: float = TIMEOUT,
    state: str = STATE,
) -> None:
    """Carry out `plan` on the machine and return when every stage is done.

    `connect` gives a new connection or raises RemoteUnreachable; it is called again after every loss. `on_event`
    gets each event once. Raises StageFailed; RemoteUnreachable after RECONNECT seconds without a connection.
    `timeout` is in seconds, for everything; the machine works on after it.
    """
    watch = Watch(hashlib.sha256(plan_bytes(plan)).hexdigest(), on_event)
    session = _Session(connect, plan, watch, state)
    deadline = waiter.clock() + timeout
    try:
        while not watch.ended:
            left = max(1.0, min(SLICE, deadline - waiter.clock()))
            if waiter.until(partial(session.advance, left), RECONNECT) is None:
                raise session.lost
            if not watch.ended and waiter.clock() > deadline:
                raise watch.failed(f"the bootstrap did not end within {timeout:g} s", "it still works")
    finally:
        session.drop()
    watch.require_success()


class _Session:
    """The connection, as long as it lives, and what is to be done over the next one."""

    def __init__(self, connect: Callable[[], Remote], plan: Mapping[str, Any], watch: Watch, state: str) -> None:
        self._connect, self._plan, self._watch, self._state = connect, plan, watch, state
        self._remote: Remote | None = None
        self._position: Position | None = None
        self._started = False
        self.lost = RemoteUnreachable("no connection to the machine")

    def advance(self, seconds: float) -> bool | None:
        """Follow for `seconds`; None if the connection was lost."""
        try:
            self._remote = self._remote or self._connect()
            self._slice(self._remote, seconds)
            return True
        except HostKeyChanged:
            raise
        except RemoteUnreachable as exc:
            self.lost = exc
            self.drop()
            return None

    def _slice(self, remote: Remote, seconds: float) -> None:
        # The end of the log is looked up before the start, so that nothing of our run can be missed,
        # however often the start has to be repeated.
        self._position = self._position or Position(_log_size(remote, self._state))
        if not self._started:
            start(remote, self._plan, state=self._state)
            self._started = True
        at_work = follow(remote, self._position, self._watch.take, state=self._state, seconds=seconds)
        if not self._watch.ended:
            self._started = not self._watch.must_start_again(self._position.boot_id, at_work)

    def drop(self) -> None:
        """Forget the connection."""
        if self._remote:
            self._remote.close()
        self._remote = None


def _log_size(remote: Remote, state: str) -> int:
    """Bytes in the event log; a machine without one has none."""
    result = remote.run(["stat", "--format=%s", f"{state}/events.ndjson"], timeout=30)
    return int(result.stdout) if result.rc == 0 else 0
