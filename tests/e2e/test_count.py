"""`up --count`: several machines with one command, one interruption for all of them, and a journal for each."""

from __future__ import annotations

import signal

import pytest

from tests.e2e.support import SLOW_API, Moment, Running, Sandbox

pytestmark = pytest.mark.slow

MOMENTS = [
    Moment("preflight", line="preflight start"),
    Moment("group-in-flight", call="CreateSecurityGroup"),
    Moment("before-an-instance", line="instance start"),
    Moment("instance-in-flight", call="RunInstances"),
    Moment("boot", line="boot start"),
    Moment("login", line="ssh start"),
    Moment("stages", line="driver start"),
    Moment("verify", line="verify start"),
]


def of_three(sandbox: Sandbox, moment: Moment) -> Running:
    """`up --count 3`, just when the first of its machines gets to this moment."""
    sandbox.use(SLOW_API)
    running = sandbox.start("up", "g4dn.xlarge", "-n", "three", "--count", "3", "--run-id", "ci")
    running.until(lambda: running.said(moment.line) if moment.line else moment.call in sandbox.changes())
    return running


@pytest.mark.parametrize("moment", MOMENTS, ids=[moment.name for moment in MOMENTS])
def test_nothing_unverified_is_left_after_ctrl_c(clean: Sandbox, moment: Moment) -> None:
    running = of_three(clean, moment)
    running.send(signal.SIGINT)
    done = running.end()

    assert done.rc == 130, done.err
    assert (clean.left(), clean.identities(), done.out) == ({}, [], "")
    assert {clean.events(path)[-1] for path in clean.journals()} <= {"rolled_back"}


@pytest.mark.parametrize("line", ["network start", "instance start", "system start"])
def test_nothing_unverified_is_left_on_azure_either(clean: Sandbox, line: str) -> None:
    clean.use("azure: {operation_seconds: {'PUT virtualMachines': 2}}")
    running = clean.start("up", "Standard_NC4as_T4_v3", "-n", "two", "--count", "2")
    running.until(lambda: running.said(line))
    running.send(signal.SIGINT)
    done = running.end()

    assert (done.rc, clean.left(), clean.identities()) == (130, {}, []), done.err
    assert {clean.events(path)[-1] for path in clean.journals()} == {"rolled_back"}


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_other_signals_do_the_same_and_a_second_one_changes_nothing(clean: Sandbox, number: signal.Signals) -> None:
    running = of_three(clean, Moment("stages", line="system start"))
    running.send(number)
    running.until(lambda: running.said("undo instance start"))
    running.send(signal.SIGINT)
    done = running.end()

    assert (done.rc, clean.left(), clean.identities()) == (143, {}, []), done.err
    assert "still cleaning up" in done.err


def test_what_is_verified_before_an_interruption_stays(clean: Sandbox) -> None:
    clean.ok("up", "g4dn.xlarge", "-n", "three-2")
    running = of_three(clean, Moment("mended", line="three-2 verify done"))
    running.send(signal.SIGINT)
    done = running.end()

    assert done.rc == 130
    assert "three-2 up done was verified before the interruption: it stays" in " ".join(done.err.split())
    assert [each["name"] for each in clean.ok("ls", "-o", "json").document] == ["three-2"]
    clean.ok("down", "three-2", "--yes")
    assert clean.left() == {}


def test_recover_finishes_what_kill_9_left_of_all_of_them(clean: Sandbox) -> None:
    running = of_three(clean, Moment("stages", line="system start"))
    running.send(signal.SIGKILL)
    running.end()
    assert len(clean.left()["instance"]) == 3

    recovered = clean.ok("recover", "-o", "json").document
    assert [each["run"] for each in recovered] == ["ci-1", "ci-2", "ci-3"]
    assert (clean.left(), clean.identities()) == ({}, [])


def test_a_whole_life_of_three_machines(clean: Sandbox) -> None:
    planned = clean.ok("up", "g4dn.xlarge", "-n", "three", "--count", "3", "--dry-run", "-o", "json").document
    assert (len(planned["machines"]), planned["usd_per_hour"], planned["dry_run"]) == (3, pytest.approx(1.578), True)
    assert clean.changes() == {}

    made = clean.ok("up", "g4dn.xlarge", "-n", "three", "--count", "3", "--run-id", "ci", "-o", "json").document
    assert [(each["name"], each["run"]) for each in made["machines"]] == [
        ("three-1", "ci-1"),
        ("three-2", "ci-2"),
        ("three-3", "ci-3"),
    ]
    assert made["failed"] == [] and all(each["verify"]["ok"] for each in made["machines"])
    assert len(clean.left()["instance"]) == 3

    clean.ok("down", "--run-id", "ci-2", "--yes")
    again = clean.ok("up", "g4dn.xlarge", "-n", "three", "--count", "3")
    assert "3 of 3 ready" in again.out and "2 exist already" in again.err
    assert len(clean.left()["instance"]) == 3
    clean.ok("down", "--all", "--yes")
    assert clean.left() == {}


def test_where_there_is_room_for_two_two_stay_and_the_exit_code_tells_of_the_third(clean: Sandbox) -> None:
    clean.use('capacity: [{zone: "*a", machines: 2}, {zone: "*[!a]", machines: 0}]')
    done = clean.run("up", "g4dn.xlarge", "-n", "three", "--count", "3", "-o", "json")

    assert done.rc == 5, done.err
    assert (len(done.document["machines"]), [each["exit_status"] for each in done.document["failed"]]) == (2, [5])
    assert done.told.startswith("error: three-") and "no g4dn.xlarge to be had" in done.told
    assert len(clean.left()["instance"]) == len(clean.left()["security-group"]) == 2
    clean.ok("down", "--all", "--yes")
    assert clean.left() == {}


def test_the_quota_is_asked_for_all_of_them(clean: Sandbox) -> None:
    clean.use("quota: {L-DB2E81BA: 8}")
    done = clean.run("up", "g4dn.xlarge", "-n", "three", "--count", "3")
    assert done.rc == 5 and "3 × g4dn.xlarge need 12, and 0 of 8 are in use" in done.told
    assert (clean.changes(), clean.left()) == ({}, {})
