"""The runner, with real bash stages."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from gpucloud.waiting import Waiter
from tests.bootstrap.conftest import SOURCE, Bench, Event, one, story

PYTHON38 = Path.home() / ".pyenv/versions/3.8.18/bin/python"
WAITER = Waiter(first=0.02, longest=0.1)


def wait_for_event(bench: Bench, kind: str) -> Event:
    found = WAITER.until(lambda: next((e for e in bench.events() if e["event"] == kind), None), timeout=15)
    assert found, f"no {kind} in {bench.events()}"
    return found


def process_exists(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def test_stages_run_in_the_order_of_their_needs(bench: Bench) -> None:
    bench.plan(bench.stage("last", "echo two", needs=["first"]), bench.stage("first", "echo one; echo error >&2"))

    events = bench.run()

    assert story(events) == [
        "begin", "stage-started first", "stage-done first", "stage-started last", "stage-done last", "end",
    ]  # fmt: skip
    assert [e["text"] for e in events if e["event"] == "line"] == ["one", "error", "two"]
    assert [e["n"] for e in events] == list(range(1, len(events) + 1))
    assert one(events, "end")["ok"] and one(events, "begin")["stages"] == ["last", "first"]
    assert (bench.state / "logs/first.log").read_text() == "one\nerror\n"


def test_independent_stages_run_at_the_same_time(bench: Bench) -> None:
    meet = "touch $HOME/{me}; until [[ -e $HOME/{other} ]]; do read -t 0.02 <> <(:) || true; done"
    bench.plan(
        bench.stage("driver", meet.format(me="driver", other="torch")),
        bench.stage("torch", meet.format(me="torch", other="driver")),
    )

    assert story(bench.run())[:3] == ["begin", "stage-started driver", "stage-started torch"]


def test_stages_with_the_same_lock_never_overlap(bench: Bench) -> None:
    alone = "mkdir $HOME/lock; read -t 0.1 <> <(:) || true; rmdir $HOME/lock"
    bench.plan(*(bench.stage(name, alone, locks=["apt"]) for name in ("a", "b", "c")))

    events = bench.run()

    assert one(events, "end")["ok"]
    assert story(events)[1:-1] == [f"{kind} {name}" for name in "abc" for kind in ("stage-started", "stage-done")]


def test_a_second_run_skips_what_has_a_marker(bench: Bench) -> None:
    bench.plan(bench.stage("a", "echo x >> $HOME/ran"))
    bench.run()

    assert story(bench.run()) == ["begin", "stage-skipped a", "end"]
    assert (bench.state.parents[3] / "ran").read_text() == "x\n"


@pytest.mark.parametrize("change", ["script", "environment", "library"])
def test_a_changed_stage_runs_again(bench: Bench, change: str) -> None:
    bench.plan(bench.stage("a", "true"))
    bench.run()
    bench.plan(bench.stage("a", "true", env={"X": "1"} if change == "environment" else {}))
    if change != "environment":
        with (bench.bundle / {"script": "a.sh", "library": "lib.sh"}[change]).open("a") as file:
            file.write("# changed\n")

    assert "stage-done a" in story(bench.run())


def test_a_failed_stage_leaves_no_marker(bench: Bench) -> None:
    bench.plan(bench.stage("a", "false"))
    bench.run()

    assert list((bench.state / "markers").iterdir()) == []


def test_a_check_that_passes_skips_the_stage(bench: Bench) -> None:
    bench.plan(bench.stage("a", '[[ "${1:-}" == --check ]] || exit 1', check="a.sh --check"))

    assert one(bench.run(), "stage-skipped")["why"] == "check"


def test_a_check_that_fails_beats_the_marker(bench: Bench) -> None:
    bench.plan(bench.stage("a", '[[ "${1:-}" != --check ]]', check="a.sh --check"))
    bench.run()

    assert "stage-done a" in story(bench.run())


def test_a_failure_is_tried_again_as_often_as_the_plan_says(bench: Bench) -> None:
    bench.plan(bench.stage("a", "echo x >> $HOME/n; (( $(wc -l < $HOME/n) == 3 ))", retries=2))

    events = bench.run()

    assert [e["attempt"] for e in events if e["event"] == "stage-started"] == [1, 2, 3]
    assert one(events, "end")["ok"]


def test_an_explained_failure_is_final_and_carries_its_cause(bench: Bench) -> None:
    bench.plan(bench.stage("a", "echo before; fail 'no \"GPU\"' 'none on the bus' 'take another type'", retries=3))

    failed = one(bench.run(), "stage-failed")

    assert (failed["what"], failed["why"], failed["remedy"]) == ('no "GPU"', "none on the bus", "take another type")
    assert failed["rc"] == 1 and failed["tail"][0] == "before"


def test_an_explained_failure_that_may_pass_is_tried_again(bench: Bench) -> None:
    bench.plan(bench.stage("a", "fail_for_now 'no answer' 'timed out' 'wait'", retries=1))

    events = bench.run()

    assert [e["attempt"] for e in events if e["event"] == "stage-started"] == [1, 2]
    assert one(events, "stage-failed")["what"] == "no answer"


def test_an_unexplained_failure_names_apts_own_error(bench: Bench) -> None:
    lines = ["dpkg: error processing package a (--configure):", *["then"] * 30, "E: Sub-process", "Removing …"]
    bench.plan(bench.stage("a", f"printf '%s\\n' {shlex.join(lines)}; exit 100"))

    failed = one(bench.run(), "stage-failed")

    assert (failed["what"], failed["why"]) == ("stage a ended with code 100", lines[0])
    assert failed["tail"] == lines[-20:]
    assert "logs/a.log" in failed["remedy"]


def test_a_failure_lets_running_stages_finish_and_starts_nothing_new(bench: Bench) -> None:
    bench.plan(
        bench.stage("bad", "false"),
        bench.stage("long", "read -t 0.3 <> <(:) || true; echo finished"),
        bench.stage("after", "true", needs=["bad"]),
        bench.stage("later", "true", needs=["long"]),
    )

    events = bench.run()

    assert "stage-done long" in story(events)
    assert not {"stage-started after", "stage-started later"} & set(story(events))
    assert one(events, "end")["failed"] == ["bad"]


def test_a_time_limit_ends_the_stage_with_everything_that_it_started(bench: Bench) -> None:
    bench.plan(bench.stage("a", "sleep 60 & echo child $!; wait", timeout=0.3))

    events = bench.run()

    child = int(next(e["text"] for e in events if e["event"] == "line").split()[1])
    assert "took longer than 0.3 s" in one(events, "stage-failed")["what"]
    assert WAITER.until(lambda: not process_exists(child), timeout=5)


def test_a_daemon_that_a_stage_leaves_does_not_keep_the_runner(bench: Bench) -> None:
    bench.plan(bench.stage("a", "sleep 30 & echo daemon $!"))

    events = bench.run()

    os.kill(int(next(e["text"] for e in events if e["event"] == "line").split()[1]), signal.SIGTERM)
    assert one(events, "stage-done")["seconds"] < 5


def test_only_one_runner_works_at_a_time(bench: Bench) -> None:
    bench.plan(bench.stage("a", "until [[ -e $HOME/go ]]; do read -t 0.02 <> <(:) || true; done"))
    first = bench.start()
    wait_for_event(bench, "stage-started")

    second = bench.start()
    again = bench.start("start")
    assert (second.wait(10), again.wait(10)) == (0, 0)
    (bench.state.parents[3] / "go").touch()

    assert first.wait(10) == 0
    assert [e["event"] for e in bench.events()].count("begin") == 1


def test_start_returns_at_once_and_the_work_goes_on(bench: Bench) -> None:
    bench.plan(bench.stage("a", "until [[ -e $HOME/go ]]; do read -t 0.02 <> <(:) || true; done"))

    assert bench.start("start").wait(10) == 0
    wait_for_event(bench, "stage-started")
    (bench.state.parents[3] / "go").touch()

    assert wait_for_event(bench, "end")["ok"]


def test_start_hands_the_work_to_systemd_where_it_runs(bench: Bench) -> None:
    (bench.root / "run/systemd/system").mkdir(parents=True)
    bench.command("systemd-run", 'echo "$@" > $HOME/systemd-run')
    bench.plan(bench.stage("a", "true"))

    assert bench.start("start").wait(10) == 0

    call = (bench.state.parents[3] / "systemd-run").read_text()
    assert "--unit=gpucloud-bootstrap.service" in call and call.strip().endswith("runner.py run")


def test_start_says_so_when_systemd_refuses(bench: Bench) -> None:
    (bench.root / "run/systemd/system").mkdir(parents=True)
    bench.command("systemd-run", "exit 1")
    bench.command("systemctl", '[[ "$*" == "is-active --quiet gpucloud-bootstrap.service" && -e $HOME/active ]]')
    bench.plan(bench.stage("a", "true"))

    assert bench.start("start").wait(10) == 1
    (bench.state.parents[3] / "active").touch()
    assert bench.start("start").wait(10) == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_stages_and_says_so(bench: Bench, number: signal.Signals) -> None:
    bench.plan(bench.stage("a", "sleep 60"))
    runner = bench.start()
    pid = wait_for_event(bench, "stage-started")["pid"]

    worker = Path(f"/proc/{runner.pid}/task/{runner.pid}/children").read_text()
    for process in (runner.pid, int(worker)):
        os.kill(process, number)

    assert runner.wait(15) == 1
    assert story(bench.events())[-2:] == ["stage-failed a", "end"]
    assert bench.events()[-1]["failed"] == ["a"] and not process_exists(pid)


def test_a_killed_runner_leaves_a_last_event_and_no_running_stage(bench: Bench) -> None:
    bench.plan(bench.stage("a", "sleep 60"))
    runner = bench.start()
    pid = wait_for_event(bench, "stage-started")["pid"]
    worker = int(Path(f"/proc/{runner.pid}/task/{runner.pid}/children").read_text())

    os.kill(worker, signal.SIGKILL)

    assert runner.wait(10) == 1
    assert bench.events()[-1] | {"t": 0, "n": 0, "plan": ""} == {
        "n": 0, "t": 0, "event": "end", "run": "run-1", "plan": "", "ok": False, "failed": ["runner"],
    }  # fmt: skip
    assert "SIGKILL" in bench.events()[-2]["why"]
    assert WAITER.until(lambda: not process_exists(pid), timeout=5)


@pytest.mark.parametrize(
    ("plan", "why"),
    [
        ("{", "JSONDecodeError"),
        ('{"version": 2}', "version 2"),
        ('{"version": 1, "run": "r", "stages": [{"id": "a", "run": "a", "needs": ["b"]}]}', "needs b"),
        (
            '{"version": 1, "run": "r", "stages": [{"id": "a", "run": "a", "needs": ["b"]},'
            ' {"id": "b", "run": "b", "needs": ["a"]}]}',
            "wait for each other: a, b",
        ),
    ],
)
def test_a_plan_that_cannot_work_is_seen_by_the_follower(bench: Bench, plan: str, why: str) -> None:
    (bench.bundle / "plan.json").write_text(plan)

    events = bench.run()

    assert story(events) == ["stage-failed runner", "end"]
    assert why in one(events, "stage-failed")["why"] and not one(events, "end")["ok"]


def test_a_torn_last_line_is_removed_and_the_numbers_go_on(bench: Bench) -> None:
    bench.plan(bench.stage("a", "true"))
    before = bench.run()
    with (bench.state / "events.ndjson").open("a") as file:
        file.write('{"n": 99, "ev')

    assert bench.start().wait(10) == 0
    assert [e["n"] for e in bench.events()] == list(range(1, 2 * len(before) + 1 - 1))


def test_progress_bars_become_their_last_state(bench: Bench) -> None:
    bench.plan(bench.stage("a", r"printf ' 1%%\r 50%%\r100%%\n'; printf 'no newline'"))

    assert [e["text"] for e in bench.run() if e["event"] == "line"] == ["100%", "no newline"]


@pytest.mark.skipif(not PYTHON38.exists(), reason="there is no Python 3.8 here")
def test_it_runs_on_python_3_8(bench: Bench) -> None:
    bench.plan(bench.stage("a", "true"))

    assert story(bench.run(python=str(PYTHON38)))[-1] == "end" and bench.events()[-1]["ok"]
    for source in SOURCE.glob("*.py"):
        subprocess.run([PYTHON38, "-c", f"compile(open({str(source)!r}).read(), 'x', 'exec')"], check=True)


def test_an_unknown_verb_is_a_usage_error(bench: Bench) -> None:
    result = subprocess.run([sys.executable, bench.bundle / "runner.py", "stop"], env=bench.env, capture_output=True)

    assert result.returncode == 2 and b"runner.py start" in result.stderr


def test_every_event_is_one_json_object_a_line(bench: Bench) -> None:
    bench.plan(bench.stage("a", "printf 'tab\\t\\xff quote\" \\n'"))
    bench.run()

    lines = (bench.state / "events.ndjson").read_bytes().splitlines()
    assert [json.loads(line)["event"] for line in lines][2] == "line"
