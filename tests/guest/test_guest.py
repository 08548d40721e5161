"""The client side of the bootstrap, with the real runner at work in a folder of this machine."""

from __future__ import annotations

import io
import json
import os
import signal
import tarfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from gpucloud import guest
from gpucloud.errors import ExitStatus, StageFailed
from gpucloud.guest import Position, Watch
from gpucloud.remote.base import RemoteUnreachable, Result
from gpucloud.remote.failures import HostKeyChanged
from gpucloud.remote.local import LocalRemote
from gpucloud.waiting import Waiter

QUICK = Waiter(first=0.05)

# What the machine's own `systemctl` would do on a reboot: the runner goes away, and the boot id is another one.
SYSTEMCTL = """#!/bin/sh
[ "$1" = reboot ] || exit 1
echo after >"$GPUCLOUD_ROOT/proc/sys/kernel/random/boot_id"
kill -9 $PPID
"""


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The runner's folder, below a root of its own that has no systemd."""
    boot_id = tmp_path / "proc/sys/kernel/random/boot_id"
    boot_id.parent.mkdir(parents=True)
    boot_id.write_text("before\n")
    systemctl = tmp_path / "bin" / "systemctl"
    systemctl.parent.mkdir()
    systemctl.write_text(SYSTEMCTL)
    systemctl.chmod(0o755)
    monkeypatch.setenv("PATH", f"{systemctl.parent}:{os.environ['PATH']}")
    monkeypatch.setenv("GPUCLOUD_ROOT", str(tmp_path))
    monkeypatch.setenv("GPUCLOUD_QUIET", "1")
    return tmp_path / "var/lib/gpucloud"


def plan(*scripts: str, run: str = "run-1", **more: Any) -> dict[str, Any]:
    """A plan whose stages `s0`, `s1` … run shell text, one after the other."""
    stages = [
        {"id": f"s{i}", "run": f"bash -c '{script}'", "needs": [f"s{i - 1}"] if i else [], "timeout": 30, **more}
        for i, script in enumerate(scripts)
    ]
    return {"version": 1, "run": run, "stages": stages}


def carry_out(
    state: Path, what: dict[str, Any], connect: Callable[[], Any] = LocalRemote, waiter: Waiter = QUICK, **more: Any
) -> list[dict[str, Any]]:
    """Bootstrap, and return the events that were told."""
    events: list[Any] = []
    guest.bootstrap(connect, what, events.append, waiter, state=str(state), **more)
    return events


def kinds(events: Sequence[dict[str, Any]]) -> list[str]:
    return [event["event"] for event in events]


def test_every_event_of_a_good_run_is_told_in_order(state: Path) -> None:
    events = carry_out(state, plan("echo hello", "true"))
    assert kinds(events) == ["begin", "stage-started", "line", "stage-done", "stage-started", "stage-done", "end"]
    assert [event["n"] for event in events] == list(range(1, 8))
    assert events[2]["text"] == "hello"


def test_a_failing_stage_is_named_with_cause_remedy_and_its_last_lines(state: Path) -> None:
    report = r'{"what": "no driver", "why": "no GPU", "remedy": "get one"}'
    script = f'echo trying; echo "{report.replace(chr(34), chr(92) + chr(34))}" >$GPUCLOUD_FAILURE_FILE; exit 3'
    with pytest.raises(StageFailed) as caught:
        carry_out(state, plan(script))
    error = caught.value
    assert (error.stage, error.what, error.why, error.remedy) == ("s0", "no driver", "no GPU", "get one")
    assert error.tail == ("trying",)
    assert error.status == ExitStatus.STAGE_FAILED


def test_the_end_of_an_earlier_run_does_not_end_a_later_one(state: Path) -> None:
    with pytest.raises(StageFailed):
        carry_out(state, plan("exit 1"))
    events = carry_out(state, plan("echo now"))
    assert kinds(events) == ["begin", "stage-started", "line", "stage-done", "end"]
    assert kinds(carry_out(state, plan("echo now"))) == ["begin", "stage-skipped", "end"]


class Flaky(LocalRemote):
    """Loses the connection after the first `lines` lines of each follow."""

    def __init__(self, lines: int) -> None:
        self.left = lines

    def run(
        self,
        argv: Sequence[str],
        *,
        timeout: float,
        stdin: bytes = b"",
        sudo: bool = False,
        on_line: Callable[[str], None] | None = None,
    ) -> Result:
        def counted(line: str) -> None:
            if self.left == 0:
                raise RemoteUnreachable("cut")
            self.left -= 1
            assert on_line
            on_line(line)

        return super().run(argv, timeout=timeout, stdin=stdin, sudo=sudo, on_line=on_line and counted)


@pytest.mark.slow
def test_after_lost_connections_every_event_is_told_once(state: Path) -> None:
    connections: list[Flaky] = []

    def connect() -> Flaky:
        if len(connections) % 2:
            connections.append(Flaky(0))
            raise RemoteUnreachable("no route")
        connections.append(Flaky(3))
        return connections[-1]

    events = carry_out(state, plan("for i in 1 2 3 4 5; do echo line $i; done"), connect)
    assert [event["n"] for event in events] == list(range(1, 10))
    assert [event["text"] for event in events if event["event"] == "line"] == [f"line {i}" for i in range(1, 6)]
    assert len(connections) >= 4


def test_a_start_whose_answer_was_lost_is_repeated_without_harm(state: Path) -> None:
    class Deaf(LocalRemote):
        def run(self, argv: Sequence[str], **more: Any) -> Result:
            result = super().run(argv, **more)
            if "install.sh" in argv and not lost:
                lost.append(1)
                raise RemoteUnreachable("cut")
            return result

    lost: list[int] = []
    events = carry_out(state, plan("echo once >>$GPUCLOUD_BUNDLE/../ran"), Deaf)
    assert lost
    assert kinds(events)[-1] == "end"
    assert (state / "ran").read_text() == "once\n"


def test_a_machine_that_stays_away_is_unreachable(state: Path, waiter: Waiter) -> None:
    def connect() -> LocalRemote:
        raise RemoteUnreachable("no route to host")

    with pytest.raises(RemoteUnreachable, match="no route to host"):
        carry_out(state, plan("true"), connect, waiter)
    assert guest.RECONNECT <= waiter.clock() < guest.RECONNECT + 10


def test_a_changed_host_key_is_not_tried_again(state: Path, waiter: Waiter) -> None:
    def connect() -> LocalRemote:
        raise HostKeyChanged("host key changed")

    with pytest.raises(HostKeyChanged):
        carry_out(state, plan("true"), connect, waiter)
    assert waiter.clock() == 0


@pytest.mark.slow
def test_a_reboot_that_the_runner_asked_for_is_survived(state: Path) -> None:
    script = "[ $GPUCLOUD_REBOOTED ] || touch $GPUCLOUD_REBOOT_FILE"
    events = carry_out(state, plan(script, "true", reboot="if-requested"))
    told = kinds(events)
    assert told[:4] == ["begin", "stage-started", "rebooting", "resumed"]
    assert told[-3:] == ["stage-started", "stage-done", "end"]
    assert (events[0]["boot_id"], events[3]["boot_id"]) == ("before", "after")


def test_a_runner_that_dies_without_a_word_is_a_failure_that_says_so(state: Path) -> None:
    """Both of its processes are killed, as the kernel does when memory runs out."""
    script = "echo last words; kill -9 $(ps -o ppid= -p $PPID) $PPID"
    with pytest.raises(StageFailed, match="the bootstrap runner is gone: during stage s0") as caught:
        carry_out(state, plan(script))
    assert caught.value.stage == "s0"


def test_a_worker_that_is_killed_is_reported_by_the_runner(state: Path) -> None:
    with pytest.raises(StageFailed, match="runner crashed: its process was killed by SIGKILL"):
        carry_out(state, plan("kill -9 $PPID; sleep 5"))


def test_a_plan_that_the_runner_cannot_read_is_a_failure_and_no_endless_loop(state: Path) -> None:
    with pytest.raises(StageFailed, match="version 99"):
        carry_out(state, {**plan("true"), "version": 99})


@pytest.mark.slow
def test_the_runner_of_another_plan_is_waited_for_and_keeps_its_own_bundle(state: Path) -> None:
    other = plan("until [ -e $GPUCLOUD_BUNDLE/../go ]; do sleep 0.05; done", run="run-0")
    guest.start(LocalRemote(), other, state=str(state))
    seen: list[Any] = []
    position = Position()
    assert guest.follow(LocalRemote(), position, seen.append, state=str(state), seconds=0.5)
    assert kinds(seen) == ["begin", "stage-started"]

    class LetsGo(LocalRemote):
        def run(self, argv: Sequence[str], **more: Any) -> Result:
            result = super().run(argv, **more)
            if "install.sh" in argv:
                plans.append(json.loads((state / "bundle/plan.json").read_text())["run"])
                (state / "go").touch()
            return result

    plans: list[str] = []
    events = carry_out(state, plan("true"), LetsGo)
    assert plans == ["run-0", "run-1"]
    assert [event["run"] for event in events if event["event"] == "end"] == ["run-0", "run-1"]


def test_a_bundle_that_cannot_be_placed_is_a_failed_bootstrap(tmp_path: Path) -> None:
    (tmp_path / "a-file").write_text("in the way")
    with pytest.raises(StageFailed, match="could not be started") as caught:
        guest.start(LocalRemote(), plan("true"), state=str(tmp_path / "a-file"))
    assert caught.value.status == ExitStatus.STAGE_FAILED
    assert "#!/bin/sh" not in str(caught.value)


@pytest.mark.slow
def test_too_long_is_a_failure_that_names_the_stage(state: Path) -> None:
    pids: list[int] = []
    try:
        with pytest.raises(StageFailed, match="did not end within 0.1 s: during stage s0"):
            guest.bootstrap(
                LocalRemote,
                plan("exec sleep 29"),
                lambda event: pids.append(event["pid"]) if "pid" in event else None,
                QUICK,
                timeout=0.1,
                state=str(state),
            )
    finally:
        os.killpg(pids[0], signal.SIGKILL)
        assert guest.follow(LocalRemote(), Position(), lambda _: None, state=str(state))  # waits for the end


def watch() -> Watch:
    made = Watch("ours", lambda _: None)
    made.take({"event": "begin", "run": "r", "plan": "ours", "boot_id": "a", "stages": ["s"]})
    made.take({"event": "stage-started", "stage": "s", "attempt": 1})
    return made


def test_a_machine_that_restarts_by_itself_is_a_failure() -> None:
    with pytest.raises(StageFailed, match="restarted by itself: during stage s"):
        watch().must_start_again("b", at_work=False)


def test_a_runner_that_does_not_resume_by_itself_is_started_again() -> None:
    rebooting = watch()
    rebooting.take({"event": "rebooting", "stage": "s", "boot_id": "a"})
    assert not rebooting.must_start_again("a", at_work=True)
    assert not rebooting.must_start_again("b", at_work=True)
    assert rebooting.must_start_again("b", at_work=False)


def test_the_bundle_has_the_runner_and_the_plan_and_is_the_same_every_time() -> None:
    data = guest.bundle(plan("true"))
    assert data == guest.bundle(plan("true"))
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        names = tar.getnames()
        stored = tar.extractfile("plan.json")
        assert stored and json.load(stored) == plan("true")
    assert {"runner.py", "lib.sh", "stages/driver.sh"} <= set(names)
    assert not [name for name in names if "__pycache__" in name]
