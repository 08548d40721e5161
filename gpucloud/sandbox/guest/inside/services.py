"""Services and timers of the guest's service manager.

Of systemd's service types, `notify` and `dbus` count as started when their process is; there are no cgroups, so the
processes of a service are those in its session and those that carry its INVOCATION_ID.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import shlex
import signal
import subprocess
import time
import uuid
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

from . import accounts, times
from .units import Unit, split_command

JOURNAL = Path("/var/log/journal-sim")
STAMPS = Path("/var/lib/systemd/timers")
VARIABLE = re.compile(r"\$\$|\$\{(\w+)\}|\$(\w+)")
STOP_TIMEOUT = 3.0  # seconds, when the unit does not say; systemd's own default is 90


class Service:
    """One .service unit that was started at least once since the boot."""

    def __init__(self, unit: Unit) -> None:
        self.unit, self.state, self.result = unit, "inactive", "success"
        self.process: asyncio.subprocess.Process | None = None
        self.invocation = ""
        self.sessions: set[int] = set()
        self.watcher: asyncio.Task[None] | None = None
        self.last_started = self.last_ended = 0.0  # time.monotonic()

    @property
    def kind(self) -> str:
        return self.unit.get("Service", "Type", "simple" if self.unit.all("Service", "ExecStart") else "oneshot")

    @property
    def active(self) -> bool:
        return self.state in ("active", "activating")

    async def start(self) -> None:
        """Start it; for a oneshot, run it to its end."""
        if self.active:
            return
        self.state, self.result, self.invocation = "activating", "success", uuid.uuid4().hex
        self.sessions.clear()
        self.last_started = time.monotonic()
        before = await self.run_all("ExecStartPre")
        if not before:
            self.end("failed")
        elif self.kind in ("oneshot", "forking"):
            done = await self.run_all("ExecStart") and await self.run_all("ExecStartPost")
            stays = self.kind == "forking" or self.unit.is_set("Service", "RemainAfterExit")
            self.end("failed" if not done else "active" if stays else "inactive")
        else:
            await self.launch()

    async def launch(self) -> None:
        argv, _ = split_command(self.unit.get("Service", "ExecStart"))
        try:
            self.process = await self.spawn(argv)
        except OSError as error:
            self.log(f"cannot start: {error}")
            self.end("failed")
            return
        self.state = "active"
        self.watcher = asyncio.create_task(self.watch(self.process))
        await self.run_all("ExecStartPost")

    async def watch(self, process: asyncio.subprocess.Process) -> None:
        """Wait for the main process to end, then restart it if the unit says so."""
        code = await process.wait()
        if self.process is not process or self.state == "deactivating":
            return
        self.process = None
        self.end("inactive" if code in (0, -signal.SIGTERM) else "failed")
        policy = self.unit.get("Service", "Restart", "no")
        if policy == "always" or (policy == "on-failure" and self.state == "failed"):
            self.state = "activating"
            await asyncio.sleep(times.seconds(self.unit.get("Service", "RestartSec", "100ms")))
            await self.launch()

    def end(self, state: str) -> None:
        self.state, self.result = state, "exit-code" if state == "failed" else "success"
        self.last_ended = time.monotonic()

    async def stop(self) -> None:
        """Stop it and all of its processes."""
        self.state = "deactivating"
        if self.watcher:
            self.watcher.cancel()
        await self.run_all("ExecStop")
        limit = self.unit.get("Service", "TimeoutStopSec")
        await end_processes(self.members, times.seconds(limit) if limit else STOP_TIMEOUT)
        await self.run_all("ExecStopPost")
        self.process = None
        self.end("inactive")

    def members(self) -> list[int]:
        """Ids of the running processes of this service."""
        mark = f"INVOCATION_ID={self.invocation}".encode()
        return [pid for pid in processes() if session_of(pid) in self.sessions or mark in environment_of(pid)]

    async def run_all(self, key: str) -> bool:
        """Run the commands of `key` one after the other; False once one fails that may not."""
        for line in self.unit.all("Service", key):
            argv, may_fail = split_command(line)
            try:
                code = await (await self.spawn(argv)).wait()
            except OSError as error:
                self.log(f"cannot run {argv[0]}: {error}")
                code = 203
            if code and not may_fail:
                self.log(f"{key} ended with {code}")
                return False
        return True

    async def spawn(self, argv: list[str]) -> asyncio.subprocess.Process:
        environment = self.environment()
        argv = [word for part in argv for word in expand(part, environment)]
        user = self.unit.get("Service", "User")
        account = accounts.find(user) if user else None
        with self.output() as output:
            process = await asyncio.create_subprocess_exec(
                *argv,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env={**(account.environment() if account else {}), **environment},
                cwd=self.unit.get("Service", "WorkingDirectory", "/").lstrip("-"),
                start_new_session=True,
                **(account.identity() if account else {}),
            )
        self.sessions.add(process.pid)
        return process

    def environment(self) -> dict[str, str]:
        values = {"PATH": accounts.PATH, "LANG": "C.UTF-8", "INVOCATION_ID": self.invocation}
        for line in self.unit.all("Service", "Environment"):
            values.update(assignments(shlex.split(line)))
        for name in self.unit.all("Service", "EnvironmentFile"):
            file = Path(name.lstrip("-"))
            if file.exists():
                values.update(assignments(shlex.split(file.read_text(), comments=True)))
        return values

    def output(self) -> IO[bytes]:
        """Where the output goes: StandardOutput=append:FILE or file:FILE, else the journal."""
        target = self.unit.get("Service", "StandardOutput")
        kind, _, name = target.partition(":")
        if kind in ("append", "file", "truncate"):
            return open(name, "ab" if kind == "append" else "wb")
        return journal(self.unit.name)

    def log(self, text: str) -> None:
        with journal(self.unit.name) as file:
            file.write(f"{self.unit.name}: {text}\n".encode())


def assignments(words: list[str]) -> dict[str, str]:
    """KEY=VALUE words; others are left out."""
    return {key: value for key, equals, value in (word.partition("=") for word in words) if equals}


def journal(name: str) -> IO[bytes]:
    JOURNAL.mkdir(parents=True, exist_ok=True)
    return open(JOURNAL / name, "ab", buffering=0)


def expand(word: str, environment: dict[str, str]) -> list[str]:
    """`$X` alone is split into words, `${X}` is not, as systemd has it."""
    if word.startswith("$") and word[1:].isidentifier():
        return environment.get(word[1:], "").split()
    return [VARIABLE.sub(lambda match: "$" if match[0] == "$$" else environment.get(match[1] or match[2], ""), word)]


def processes() -> list[int]:
    return [int(name) for name in os.listdir("/proc") if name.isdigit() and int(name) > 1]


def session_of(pid: int) -> int:
    try:
        return os.getsid(pid)
    except ProcessLookupError:
        return -1


def environment_of(pid: int) -> list[bytes]:
    """Its environment; nothing for a process of another user, or one that has ended."""
    try:
        return Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except (PermissionError, FileNotFoundError, ProcessLookupError):
        return []


async def end_processes(members: Callable[[], list[int]], limit: float) -> None:
    """SIGTERM, and SIGKILL for what is still there after `limit` seconds."""
    send(members(), signal.SIGTERM)
    deadline = time.monotonic() + limit
    while members() and time.monotonic() < deadline:
        await asyncio.sleep(0.02)
    send(members(), signal.SIGKILL)


def send(pids: list[int], number: signal.Signals) -> None:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)


class Timer:
    """One active .timer unit. `fire` starts the unit that it is for; `ages` tells when that last started and ended."""

    def __init__(
        self, unit: Unit, fire: Callable[[str], Awaitable[None]], ages: Callable[[str], tuple[float, float]]
    ) -> None:
        self.unit, self.fire, self.ages = unit, fire, ages
        self.target = unit.get("Timer", "Unit", unit.name.rsplit(".", 1)[0] + ".service")
        self.activated = time.monotonic()
        self.fired: set[str] = set()
        self.state, self.result = "active", "success"
        self.task = asyncio.create_task(self.run())

    @property
    def active(self) -> bool:
        return self.state == "active"

    async def start(self) -> None:
        """It runs since it was made."""

    async def stop(self) -> None:
        self.task.cancel()
        self.state = "inactive"

    @property
    def stamp(self) -> Path:
        return STAMPS / f"stamp-{self.unit.name}"

    def due(self) -> tuple[float, str] | None:
        """Seconds until the next elapse, and the setting that it comes from."""
        found = []
        for key in ("OnBootSec", "OnStartupSec", "OnActiveSec"):
            base = self.activated if key == "OnActiveSec" else BOOTED
            found += [
                (base + times.seconds(text) - time.monotonic(), key + text) for text in self.unit.all("Timer", key)
            ]
        found = [(wait, key) for wait, key in found if key not in self.fired]
        for key, last in zip(("OnUnitActiveSec", "OnUnitInactiveSec"), self.ages(self.target), strict=True):
            if last:
                found += [(last + times.seconds(text) - time.monotonic(), key) for text in self.unit.all("Timer", key)]
        for text in self.unit.all("Timer", "OnCalendar"):
            moment = times.next_elapse(text, self.calendar_base())
            if moment:
                found.append(((moment - times.now()).total_seconds(), "OnCalendar"))
        return min(found, default=None)

    def calendar_base(self) -> datetime:
        """Elapses after this moment count: now, or with Persistent= the last time that it elapsed."""
        if not self.unit.is_set("Timer", "Persistent"):
            return self.last_elapse or times.now()
        if not self.stamp.exists():
            self.touch()
        return datetime.fromtimestamp(self.stamp.stat().st_mtime, UTC)

    last_elapse: datetime | None = None

    def touch(self) -> None:
        STAMPS.mkdir(parents=True, exist_ok=True)
        self.stamp.touch()

    async def run(self) -> None:
        while (due := self.due()) is not None:
            wait, key = due
            if wait > 0:
                # In short naps: the wall clock may be set, and a laptop may have slept.
                await asyncio.sleep(min(wait, 10.0))
                continue
            self.fired.add(key)
            self.last_elapse = times.now()
            if self.unit.is_set("Timer", "Persistent"):
                self.touch()
            await self.fire(self.target)
        self.state = "elapsed"


BOOTED = time.monotonic()
