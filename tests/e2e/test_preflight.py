"""What cannot work is said before anything is made: all of it at once, with the exit code and the remedy."""

from __future__ import annotations

import pytest

from tests.e2e.support import TYPES, Done, Sandbox, every_cloud

pytestmark = pytest.mark.slow

PREFLIGHT, CREDENTIALS, CAPACITY = 3, 4, 5


def up(sandbox: Sandbox, *more: str, cloud: str = "aws") -> Done:
    return sandbox.run("up", TYPES[cloud], "-n", "wish", *more)


@pytest.mark.parametrize(
    ("scenario", "rc", "words"),
    [
        ("no-quota", CAPACITY, ["needs 4, and 0 of 0", "aws service-quotas", "L-DB2E81BA", "--region us-east-1"]),
        ("denied", CREDENTIALS, ["RunInstances"]),
        ("expired-credentials", CREDENTIALS, ["expired"]),
        ("credentials: invalid", CREDENTIALS, ["credentials"]),
        ("no-default-vpc", PREFLIGHT, ["default VPC", "--subnet", "create-default-vpc"]),
        ('offerings: [{type: "g4dn.*", offered: false}]', PREFLIGHT, ["not offered in us-east-1", "--region"]),
    ],
)
def test_a_problem_has_its_exit_code_and_remedy(clean: Sandbox, scenario: str, rc: int, words: list[str]) -> None:
    clean.use(scenario)
    done = up(clean)

    assert done.rc == rc, done.err
    assert [word for word in words if word not in done.told] == [], done.told
    assert "fix: " in done.told
    assert (clean.changes(), clean.left(), clean.identities(), clean.journals()) == ({}, {}, [], [])


def test_every_problem_is_told_at_once(clean: Sandbox) -> None:
    clean.use("{quota: {L-DB2E81BA: 0}, no_default_vpc: true}")
    done = up(clean)

    assert done.rc == PREFLIGHT
    assert done.told.count("error: ") == 2
    assert "vCPU" in done.told
    assert "default VPC" in done.told
    assert clean.changes() == {}


def test_no_capacity_anywhere_shows_every_zone_that_was_tried(clean: Sandbox) -> None:
    clean.use("no-capacity")
    done = up(clean)

    assert done.rc == CAPACITY, done.err
    for zone in ("us-east-1a", "us-east-1b"):
        assert f"  {zone}: " in done.told
    assert "fix: " in done.told
    assert (clean.left(), clean.identities()) == ({}, [])
    assert clean.events(clean.journals()[0])[-1] == "rolled_back"


def test_a_full_zone_is_passed_over(clean: Sandbox) -> None:
    clean.use("one-zone-full")
    done = up(clean)

    assert done.rc == 0, done.err
    attempts = [line.split() for line in done.out.splitlines()]
    assert attempts[0] == ["zone", "attempt"]
    assert attempts[1][0] == "us-east-1a"
    assert attempts[2] == ["us-east-1b", "launched"]
    assert clean.machine("wish")["zone"] == "us-east-1b"


@every_cloud
def test_a_throttled_api_is_only_slower(clean: Sandbox, cloud: str) -> None:
    clean.use("throttled")
    done = up(clean, "--profile", "minimal", cloud=cloud)

    assert done.rc == 0, done.err
    clean.ok("down", "wish", "--yes")
    assert clean.left() == {}


@every_cloud
def test_a_dry_run_changes_nothing(clean: Sandbox, cloud: str) -> None:
    done = up(clean, "--dry-run", "-o", "json", cloud=cloud)

    assert done.rc == 0, done.err
    assert done.document["dry_run"] is True
    assert done.document["exists"] is False
    calls = clean.ask("calls")
    assert calls["total"] > 0
    assert calls["mutating"] == 0, calls["mutating_by_action"]
    assert (clean.left(), clean.identities(), clean.journals()) == ({}, [], [])


@every_cloud
def test_a_dry_run_finds_the_problems_too(clean: Sandbox, cloud: str) -> None:
    clean.use("{quota: {L-DB2E81BA: 0}, azure: {quota: {cores: 0}}}")
    assert up(clean, "--dry-run", cloud=cloud).rc == CAPACITY
    assert clean.changes() == {}


@every_cloud
def test_down_can_be_rehearsed(clean: Sandbox, cloud: str) -> None:
    assert up(clean, "--profile", "minimal", cloud=cloud).rc == 0
    clean.ask("calls", "DELETE")
    done = clean.ok("down", "wish", "--dry-run", "-o", "json")
    assert [each["name"] for each in done.document] == ["wish"]
    assert clean.changes() == {}
    assert clean.machine("wish")["state"] == "running"
