#!/usr/bin/env python3
"""Runs plan.json on the GPU machine and writes down what happens.

runner.py start   begin in the background (or carry on after a reboot); returns at once; does nothing if one runs
runner.py run     the same in the foreground; exit code 0 if every stage is done, 1 if not
"""

from __future__ import annotations

import fcntl
import json
import os
import select
import signal
import subprocess
import sys
import time
import traceback
from pathlib import Path
from typing import Any, Dict, List, Optional, Sequence

import plan as plans
from events import EventLog
from layout import Layout
from process import kill_group
from schedule import Scheduler

BOOTSTRAP = "gpucloud-bootstrap.service"
UNIT = "gpucloud-resume.service"
UNIT_TEXT = """[Unit]
Description=gpucloud bootstrap, carried on after a reboot
After=network-online.target
Wants=network-online.target

[Service]
ExecStart={python} {runner} run

[Install]
WantedBy=multi-user.target
"""
LOG_REMEDY = (
    "read /var/lib/gpucloud/runner.log or `journalctl -u gpucloud-bootstrap` on the machine, then start it again"
)


def main(argv: Sequence[str]) -> int:
    """The command line."""
    verbs = {"start": start, "run": run}
    if len(argv) != 1 or argv[0] not in verbs:
        print(__doc__, file=sys.stderr)
        return 2
    layout = Layout()
    layout.make_folders()
    return verbs[argv[0]](layout)


def start(layout: Layout) -> int:
    """Detach a runner, unless one is at work."""
    lock = _lock(layout, patience=0)
    if lock is None:
        print("the runner is already at work")
        return 0
    os.close(lock)
    worker = [sys.executable, str(Path(__file__).resolve()), "run"]
    if layout.systemd.exists():
        # A unit of its own outlives the SSH session, and systemd ends its children with it.
        command = ["systemd-run", "--quiet", "--collect", f"--unit={BOOTSTRAP}", *worker]
        if subprocess.run(command).returncode != 0 and not _succeeds(["systemctl", "is-active", "--quiet", BOOTSTRAP]):
            return 1
    else:
        with (layout.state / "runner.log").open("ab") as log:
            subprocess.Popen(worker, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True, cwd="/")
    print("the runner has been started")
    return 0


def run(layout: Layout) -> int:
    """Work in a child, so that even a killed worker leaves a last event."""
    lock = _lock(layout, patience=1)
    if lock is None:
        print("the runner is already at work", file=sys.stderr)
        return 0
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches both processes, and the worker answers it
    worker = os.fork()
    if worker == 0:
        os._exit(_work(layout))
    signal.signal(signal.SIGTERM, lambda *_: os.kill(worker, signal.SIGTERM))
    status = os.waitpid(worker, 0)[1]
    if os.WIFSIGNALED(status):
        _report_death(layout, os.WTERMSIG(status))
    return os.WEXITSTATUS(status) if os.WIFEXITED(status) else 1


def _lock(layout: Layout, patience: float) -> Optional[int]:
    """The lock that only one runner can hold, until its process has ended. None if another one holds it.

    A `start` holds it for the moment in which it looks, so a runner tries for `patience` seconds.
    """
    lock = os.open(layout.lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    deadline = time.monotonic() + patience
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return lock
        except BlockingIOError:
            if time.monotonic() >= deadline:
                os.close(lock)
                return None
        select.select([], [], [], 0.02)


def _work(layout: Layout) -> int:
    events = EventLog(layout.events)
    try:
        return _run_plan(layout, plans.load(layout.plan), events)
    except BaseException as exc:  # whatever it is, the one who follows must see it
        print(traceback.format_exc(), file=sys.stderr, flush=True)
        _fail(events, repr(exc), traceback.format_exc().splitlines())
        return 1


def _run_plan(layout: Layout, plan: plans.Plan, events: EventLog) -> int:
    boot_id, before = layout.boot_id(), _reboot_state(layout)
    if before.get("plan") == plan.sha256:
        if before["boot_id"] == boot_id:
            return _end(layout, plan, events, [_no_reboot(events, before["stage"], boot_id)])
        events.write("resumed", boot_id=boot_id)
    else:
        before = {"rebooted": []}
        stages = [stage.id for stage in plan.stages]
        events.write("begin", run=plan.run, plan=plan.sha256, boot_id=boot_id, stages=stages)
    outcome = Scheduler(plan, layout, events, before["rebooted"]).run()
    if outcome.reboot and not outcome.failed:
        _reboot(layout, plan, events, outcome.reboot, before["rebooted"])
        outcome.failed.append(_no_reboot(events, outcome.reboot, boot_id))
    return _end(layout, plan, events, outcome.failed)


def _reboot(layout: Layout, plan: plans.Plan, events: EventLog, stage: str, rebooted: List[str]) -> None:
    """Reboot. Comes back only if that did not work.

    The lock stays held until the machine is down, so that nobody can start a runner in the system that is going away.
    """
    state = {"plan": plan.sha256, "stage": stage, "boot_id": layout.boot_id(), "rebooted": [*rebooted, stage]}
    temporary = layout.reboot_state.with_suffix(".new")
    temporary.write_text(json.dumps(state))
    temporary.replace(layout.reboot_state)
    if layout.systemd.exists():
        text = UNIT_TEXT.format(python=sys.executable, runner=layout.bundle / "runner.py")
        (layout.units / UNIT).write_text(text)
        subprocess.run(["systemctl", "enable", UNIT], check=True)
    events.write("rebooting", stage=stage, boot_id=layout.boot_id())
    os.sync()
    signal.signal(signal.SIGTERM, signal.SIG_DFL)  # the shutdown sends it, and that is no failure
    for command in (["systemctl", "reboot"], ["reboot"]):
        if _succeeds(command):
            select.select([], [], [], plan.reboot_limit)
            return


def _succeeds(command: List[str]) -> bool:
    try:
        return subprocess.run(command, check=False).returncode == 0
    except FileNotFoundError:
        return False


def _no_reboot(events: EventLog, stage: str, boot_id: str) -> str:
    events.write(
        "stage-failed",
        stage=stage,
        rc=1,
        what=f"the reboot that stage {stage} asked for did not happen",
        why=f"the boot id is still {boot_id}",
        remedy="reboot the machine from the cloud's side, then start the bootstrap again",
        tail=[],
    )
    return stage


def _end(layout: Layout, plan: plans.Plan, events: EventLog, failed: List[str]) -> int:
    layout.reboot_state.unlink(missing_ok=True)
    if (layout.units / UNIT).exists():
        subprocess.run(["systemctl", "disable", UNIT], check=True)
        (layout.units / UNIT).unlink()
    events.write("end", run=plan.run, plan=plan.sha256, ok=not failed, failed=failed)
    return 1 if failed else 0


def _reboot_state(layout: Layout) -> Dict[str, Any]:
    """What the boot that asked for a reboot has left; empty if none did."""
    state: Dict[str, Any] = json.loads(layout.reboot_state.read_text()) if layout.reboot_state.exists() else {}
    return state


def _report_death(layout: Layout, number: int) -> None:
    """The worker was killed: end what it has left running, and say so, unless it had said its last word."""
    events = EventLog(layout.events)
    history = events.read()
    if history and history[-1]["event"] in ("rebooting", "end"):
        return
    for group in _running_groups(history):
        kill_group(group, signal.SIGKILL)
    _fail(events, f"its process was killed by {signal.Signals(number).name}", [])


def _running_groups(history: List[Dict[str, Any]]) -> List[int]:
    """The process groups of the stages that have started and not ended."""
    groups: Dict[str, int] = {}
    for event in history:
        if event["event"] in ("begin", "resumed"):
            groups.clear()
        elif event["event"] == "stage-started":
            groups[event["stage"]] = event["pid"]
        elif event["event"] in ("stage-done", "stage-failed"):
            groups.pop(event["stage"], None)
    return list(groups.values())


def _fail(events: EventLog, why: str, tail: List[str]) -> None:
    begun = [event for event in events.read() if event["event"] == "begin"] or [{"run": "", "plan": ""}]
    what = "the bootstrap runner crashed"
    events.write("stage-failed", stage="runner", rc=1, what=what, why=why, remedy=LOG_REMEDY, tail=tail[-20:])
    events.write("end", run=begun[-1]["run"], plan=begun[-1]["plan"], ok=False, failed=["runner"])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
