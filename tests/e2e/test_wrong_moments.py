"""Things asked at the wrong moment, of the wrong machine or from the wrong computer: one clear error, no harm done."""

from __future__ import annotations

from typing import Any

import pytest

from gpucloud.catalog.types import REFERENCE_REGION
from gpucloud.keys import new_keypair
from tests.e2e.support import TYPES, Sandbox, every_cloud

pytestmark = pytest.mark.slow

USAGE, CREDENTIALS, UNREACHABLE, NOT_FOUND = 2, 4, 6, 9


@pytest.fixture(scope="module")
def demo(sandbox: Sandbox) -> dict[str, Any]:
    """A machine that the tests of this module share and leave as it is."""
    document: dict[str, Any] = sandbox.ok(
        "up", "g4dn.xlarge", "-n", "demo", "--profile", "minimal", "-o", "json"
    ).document
    return document


@pytest.mark.parametrize("verb", ["down", "stop"])
def test_nothing_is_ended_without_a_terminal_or_yes(sandbox: Sandbox, demo: dict[str, Any], verb: str) -> None:
    before = sandbox.left()
    done = sandbox.run(verb, "demo")
    assert (done.rc, "--yes" in done.told, done.out) == (USAGE, True, ""), done.err
    assert sandbox.left() == before
    assert sandbox.machine("demo")["state"] == "running"


def test_a_changed_host_key_is_refused(sandbox: Sandbox, demo: dict[str, Any]) -> None:
    pinned = sandbox.folder / "client/keys" / demo["run"] / "known_hosts"
    right = pinned.read_text()
    pinned.write_text(f"gpucloud-{demo['run']} {new_keypair().public}\n")
    try:
        done = sandbox.run("exec", "demo", "--", "true", timeout=20)
        assert (done.rc, "host key" in done.told) == (UNREACHABLE, True), done.told
        assert "fix: " in done.told
        assert sandbox.run("ssh", "demo", "--", "true").rc != 0
    finally:
        pinned.write_text(right)
    sandbox.ok("exec", "demo", "--", "true")


def test_an_unknown_name_gets_near_matches(sandbox: Sandbox, demo: dict[str, Any]) -> None:
    done = sandbox.run("down", "dmeo", "--yes")
    assert (done.rc, "did you mean demo?" in done.told) == (NOT_FOUND, True), done.told


@pytest.mark.parametrize("other", ["g5.xlarge", TYPES["azure"]])
def test_a_name_that_another_type_has_is_taken(sandbox: Sandbox, demo: dict[str, Any], other: str) -> None:
    sandbox.ask("calls", "DELETE")
    done = sandbox.run("up", other, "-n", "demo")
    assert (done.rc, "demo exists already" in done.told) == (USAGE, True), done.told
    assert sandbox.changes() == {}


@every_cloud
def test_a_machine_made_elsewhere_can_be_removed_but_not_used(
    sandbox: Sandbox, demo: dict[str, Any], cloud: str
) -> None:
    run = f"far-{cloud}"
    made = sandbox.ok("up", TYPES[cloud], "-n", "far", "--profile", "minimal", "--run-id", run, "-o", "json")
    ours, theirs = sandbox.folder / "client", sandbox.folder / "client-of-another-computer"
    ours.rename(theirs)
    try:
        assert sandbox.run("exec", "far", "--", "true").rc == NOT_FOUND
        taken = sandbox.run("up", TYPES[cloud], "-n", "far")
        assert (taken.rc, "the name far is taken" in taken.told) == (3, True), taken.told
        receipt = sandbox.ok("down", "--run-id", run, "--yes", "-o", "json").document[0]
    finally:
        for made_here in ours.rglob("*.ndjson"):
            assert made_here.stem != run
        if ours.exists():
            ours.rename(sandbox.folder / f"client-without-{run}")
        theirs.rename(ours)
    assert receipt["remains"] == []
    assert made.document["id"] in [each["id"] for each in receipt["gone"]]
    assert [each["name"] for each in sandbox.ok("ls", "-o", "json").document] == ["demo"]
    assert "nothing to remove" in sandbox.ok("down", "--run-id", run, "--yes").err


@every_cloud
def test_two_ups_of_one_name_make_one_machine(sandbox: Sandbox, demo: dict[str, Any], cloud: str) -> None:
    # So that both have finished their preflight.
    sandbox.use("latency_ms: {CreateSecurityGroup: 1500, PUT resourceGroups: 1500}")
    rivals = [sandbox.start("up", TYPES[cloud], "-n", "twin", "--profile", "minimal") for _ in range(2)]
    ends = [rival.end() for rival in rivals]
    twins = [each for each in sandbox.ok("ls", "-o", "json").document if each["name"] == "twin"]

    assert len(twins) == 1, [(end.rc, end.told) for end in ends]
    loser = max(ends)
    assert min(ends).rc == 0
    assert (loser.rc, "twin is being made by another process" in loser.told) == (USAGE, True), loser.told
    assert sandbox.ok("verify", "twin", "-o", "json").document[0]["ok"] is True
    sandbox.ok("down", "twin", "--yes")


def test_ssh_that_never_answers(sandbox: Sandbox, demo: dict[str, Any]) -> None:
    sandbox.ok("stop", "demo", "--yes")
    sandbox.use("ssh_delay: 300")
    sandbox.ok("start", "demo")
    done = sandbox.run("exec", "demo", "--", "true")
    assert (done.rc, demo["ssh_user"] in done.told) == (UNREACHABLE, True), done.told
    assert sandbox.ok("down", "demo", "--yes", "-o", "json").document[0]["remains"] == []


NOWHERE = {
    # The access key of AWS's documentation.
    "aws": {
        "AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE",
        "AWS_SECRET_ACCESS_KEY": "not-a-secret",
        "AWS_ENDPOINT_URL": "http://127.0.0.1:9",
    },
    "azure": {
        "AZURE_TENANT_ID": "11111111-1111-1111-1111-111111111111",
        "AZURE_CLIENT_ID": "22222222-2222-2222-2222-222222222222",
        "AZURE_CLIENT_SECRET": "not-a-secret",
        "AZURE_AUTHORITY_HOST": "https://127.0.0.1:9",
    },
}
"""Credentials of clouds that do not answer."""


@every_cloud
def test_no_network(sandbox: Sandbox, cloud: str) -> None:
    for command in (["ls"], ["up", TYPES[cloud], "--allow-ssh-from", "192.0.2.1/32"]):
        where = ["--region", REFERENCE_REGION[cloud]]
        done = sandbox.run(*where, *command, sandbox=False, env=NOWHERE[cloud], timeout=40)
        assert (done.rc, done.told != "") == (UNREACHABLE, True), done.err
    assert not (sandbox.home / "state/gpucloud/keys").exists()


def test_no_credentials(sandbox: Sandbox) -> None:
    for command in (["ls"], ["up", "g4dn.xlarge", "--allow-ssh-from", "192.0.2.1/32"]):
        done = sandbox.run("--region", "us-east-1", *command, sandbox=False)
        assert (done.rc, "credentials" in done.told) == (CREDENTIALS, True), done.err
