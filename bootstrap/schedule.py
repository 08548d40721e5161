"""Runs the stages of a plan as a graph: in parallel where `needs` and `locks` allow."""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import time
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Dict, List, Optional, Sequence, Set

from events import EventLog
from layout import Layout
from plan import Plan, Stage
from process import Process

CHECK_TIMEOUT = 120.0
"""Seconds for a `check`. nvidia-smi alone may take 25 s on an 8-GPU machine without persistence mode."""
POLL = 0.1
"""Seconds between two looks at the stages' output. The end of a stage is noticed at once."""

TAIL = 20
"""Lines of output that a failure carries."""
EX_TEMPFAIL = 75
"""sysexits.h: the exit code of a stage whose failure, though explained, may pass."""


@dataclass
class Outcome:
    """How a run of the scheduler ended: the stages that failed, and the one that asked for a reboot."""

    failed: List[str] = field(default_factory=list)
    reboot: str = ""


@dataclass
class Task:
    """A stage at work. `attempt` 0 is its check."""

    stage: Stage
    process: Process
    attempt: int
    since: float


class Scheduler:
    """Runs every stage of a plan once.

    After a failure, or once a stage wants a reboot, nothing new starts; what runs may finish.
    `check` decides whether there is something to do, because a fact beats a memory; without one, the marker does.
    """

    def __init__(self, plan: Plan, layout: Layout, events: EventLog, rebooted: Sequence[str] = ()) -> None:
        self._plan, self._layout, self._events, self._rebooted = plan, layout, events, rebooted
        self._waiting = list(plan.stages)
        self._running: Dict[str, Task] = {}
        self._done: Set[str] = set()
        self._outcome = Outcome()
        self._stopping = False

    def run(self) -> Outcome:
        """Run to the end. SIGTERM and SIGINT end the running stages and count them as failed."""
        wake, notify = socket.socketpair()
        for end in (wake, notify):
            end.setblocking(False)
        signal.signal(signal.SIGTERM, self._on_signal)
        signal.signal(signal.SIGINT, self._on_signal)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(notify.fileno(), warn_on_full_buffer=False)
        with wake, notify:
            self._loop(wake)
            signal.set_wakeup_fd(-1)
        return self._outcome

    def _loop(self, wake: socket.socket) -> None:
        self._start_ready()
        while self._running:
            if select.select([wake], [], [], POLL)[0]:
                wake.recv(4096)
            for task in list(self._running.values()):
                self._advance(task)
            if self._stopping:
                self._stop_running()
            self._start_ready()

    def _on_signal(self, _signal: int, _frame: Optional[FrameType]) -> None:
        self._stopping = True

    def _start_ready(self) -> None:
        for stage in list(self._waiting):
            if self._outcome.failed or self._outcome.reboot or self._stopping:
                return
            held = {lock for task in self._running.values() for lock in task.stage.locks}
            if self._done.issuperset(stage.needs) and held.isdisjoint(stage.locks):
                self._waiting.remove(stage)
                self._begin(stage)

    def _begin(self, stage: Stage) -> None:
        if stage.check:
            self._launch(stage, 0)
        elif self._marker(stage).exists():
            self._skip(stage, "marker")
        else:
            self._launch(stage, 1)

    def _launch(self, stage: Stage, attempt: int) -> None:
        for request in (self._reboot_file(stage), self._failure_file(stage)):
            request.unlink(missing_ok=True)
        argv, timeout = (stage.run, stage.timeout) if attempt else (stage.check, CHECK_TIMEOUT)
        log = self._layout.logs / f"{stage.id}.log"
        process = Process(argv, self._layout.bundle, self._environment(stage), log, timeout)
        self._running[stage.id] = Task(stage, process, attempt, time.monotonic())
        if attempt:
            self._events.write("stage-started", stage=stage.id, attempt=attempt, pid=process.pid)

    def _environment(self, stage: Stage) -> Dict[str, str]:
        # A systemd unit has no HOME, and tools such as uv want one for their cache.
        base = {"HOME": "/root", "LANG": "C.UTF-8", **os.environ}
        return {
            **base,
            **stage.env,
            "GPUCLOUD_BUNDLE": str(self._layout.bundle),
            "GPUCLOUD_STAGE": stage.id,
            "GPUCLOUD_REBOOT_FILE": str(self._reboot_file(stage)),
            "GPUCLOUD_FAILURE_FILE": str(self._failure_file(stage)),
            "GPUCLOUD_REBOOTED": "1" if stage.id in self._rebooted else "",
        }

    def _advance(self, task: Task) -> None:
        rc = task.process.poll()
        for text in task.process.lines():
            if task.attempt:
                self._events.write("line", stage=task.stage.id, text=text)
        if rc is None:
            return
        task.process.close()
        del self._running[task.stage.id]
        if task.attempt == 0:
            self._checked(task.stage, rc)
        elif rc == 0 and not task.process.timed_out:
            self._succeeded(task)
        elif task.attempt <= task.stage.retries and self._may_pass(task.stage, rc):
            self._launch(task.stage, task.attempt + 1)
        else:
            self._failed(task.stage, rc, self._explain(task, rc), list(task.process.tail))

    def _may_pass(self, stage: Stage, rc: int) -> bool:
        """Another try of a failure that has named its cause would meet the same cause, unless it says otherwise."""
        return rc == EX_TEMPFAIL or not self._failure_file(stage).exists()

    def _checked(self, stage: Stage, rc: int) -> None:
        if rc == 0:
            self._skip(stage, "check")
        else:
            self._launch(stage, 1)

    def _skip(self, stage: Stage, why: str) -> None:
        self._done.add(stage.id)
        self._events.write("stage-skipped", stage=stage.id, why=why)

    def _succeeded(self, task: Task) -> None:
        stage = task.stage
        if self._reboot_file(stage).exists():
            self._reboot_asked(task)
            return
        self._done.add(stage.id)
        self._marker(stage).touch()
        self._events.write("stage-done", stage=stage.id, seconds=round(time.monotonic() - task.since, 3))

    def _reboot_asked(self, task: Task) -> None:
        stage, what = task.stage, f"stage {task.stage.id} asks for a reboot"
        cause = self._reboot_file(stage).read_text().strip() or "it gives no reason"
        if stage.reboot == "never":
            remedy = "set `reboot: if-requested` for the stage in the profile"
            reason = Explanation(f"{what}, which the profile does not allow", cause, remedy)
            self._failed(stage, 0, reason, list(task.process.tail))
        elif stage.id in self._rebooted:
            reason = Explanation(f"{what} again, though one did not help", cause, see(stage))
            self._failed(stage, 0, reason, list(task.process.tail))
        else:
            self._outcome.reboot = stage.id

    def _failed(self, stage: Stage, rc: int, reason: Explanation, tail: List[str]) -> None:
        self._outcome.failed.append(stage.id)
        reasons = {"what": reason.what, "why": reason.why, "remedy": reason.remedy}
        self._events.write("stage-failed", stage=stage.id, rc=rc, **reasons, tail=tail[-TAIL:])

    def _explain(self, task: Task, rc: int) -> Explanation:
        stage, last = task.stage, _last_word(task.process.tail)
        if self._failure_file(stage).exists():
            return Explanation(**json.loads(self._failure_file(stage).read_text()))
        if task.process.timed_out:
            return Explanation(
                f"stage {stage.id} took longer than {stage.timeout:g} s", f"last line: {last}", see(stage)
            )
        return Explanation(f"stage {stage.id} ended with code {rc}", last, see(stage))

    def _stop_running(self) -> None:
        for task in list(self._running.values()):
            task.process.stop()
            task.process.lines()
            task.process.close()
            del self._running[task.stage.id]
            reason = Explanation(f"stage {task.stage.id} was stopped", "the runner was told to end", "start it again")
            self._failed(task.stage, -signal.SIGTERM, reason, list(task.process.tail))

    def _marker(self, stage: Stage) -> Path:
        return self._layout.markers / f"{stage.id}.{stage.fingerprint(self._layout.bundle)}"

    def _reboot_file(self, stage: Stage) -> Path:
        return self._layout.answers / f"{stage.id}.reboot"

    def _failure_file(self, stage: Stage) -> Path:
        return self._layout.answers / f"{stage.id}.failure"


@dataclass(frozen=True)
class Explanation:
    """Why a stage failed, in the words of every gpucloud error."""

    what: str
    why: str
    remedy: str


def see(stage: Stage) -> str:
    """The remedy of last resort: where to read on."""
    return f"read /var/lib/gpucloud/logs/{stage.id}.log on the machine"


def _last_word(tail: Sequence[str]) -> str:
    """The first line that dpkg, apt or uv calls an error, because later ones follow from it; else the last line."""
    errors = [line for line in tail if line.startswith(("dpkg: error ", "E: ", "error: "))]
    lines = errors[:1] or list(tail) or ["no output"]
    return lines[-1].strip()
