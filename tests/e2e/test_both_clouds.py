"""Machines in both clouds at once: every verb sees all of them, or those of the cloud that it is told."""

from __future__ import annotations

from typing import Any

import pytest

from tests.e2e.support import TYPES, Sandbox

pytestmark = pytest.mark.slow


@pytest.fixture
def pair(clean: Sandbox) -> dict[str, Any]:
    """A machine in each cloud, by cloud, made at the same time."""
    making = {
        cloud: clean.start("up", kind, "-n", f"one-{cloud}", "--profile", "minimal", "-o", "json")
        for cloud, kind in TYPES.items()
    }
    ends = {cloud: running.end() for cloud, running in making.items()}
    assert [end.rc for end in ends.values()] == [0, 0], ends
    return {cloud: end.document for cloud, end in ends.items()}


def test_ls_shows_the_machines_of_both_clouds_or_of_one(clean: Sandbox, pair: dict[str, Any]) -> None:
    listed = clean.ok("ls", "-o", "json").document
    assert {each["name"]: each["cloud"] for each in listed} == {f"one-{cloud}": cloud for cloud in TYPES}
    for cloud in TYPES:
        (only,) = clean.ok("--cloud", cloud, "ls", "-o", "json").document
        assert (only["cloud"], only["id"]) == (cloud, pair[cloud]["id"])
        shown = clean.ok("--cloud", cloud, "ls").out
        assert [f"one-{each}" in shown for each in TYPES] == [each == cloud for each in TYPES]


def test_down_of_all_empties_both_clouds(clean: Sandbox, pair: dict[str, Any]) -> None:
    receipts = clean.ok("down", "--all", "--yes", "-o", "json").document
    gone = {each["name"]: [resource["id"] for resource in each["gone"]] for each in receipts}
    assert {name: pair[name.removeprefix("one-")]["id"] in ids for name, ids in gone.items()} == {
        "one-aws": True,
        "one-azure": True,
    }
    assert [each["remains"] for each in receipts] == [[], []]
    assert (clean.left(), clean.identities()) == ({}, [])
    assert clean.ok("ls", "-o", "json").document == []
    assert "nothing to remove" in clean.ok("down", "--all", "--yes").err


def test_down_of_all_of_one_cloud_leaves_the_other_alone(clean: Sandbox, pair: dict[str, Any]) -> None:
    clean.ok("--cloud", "aws", "down", "--all", "--yes")
    (left,) = clean.ok("ls", "-o", "json").document
    assert (left["id"], left["state"]) == (pair["azure"]["id"], "running")
    assert set(clean.left()) == {kind for kind in clean.left() if kind.startswith("azure-")} | {"guest"}


def test_a_cloud_that_fails_is_named_and_hides_nothing_of_the_other(clean: Sandbox, pair: dict[str, Any]) -> None:
    clean.use("azure: {faults: [{match: 'GET .*/virtualMachines', code: InternalServerError, status: 500}]}")
    shown = clean.run("ls", "-o", "json")
    assert [each["name"] for each in shown.document] == ["one-aws"]
    assert "azure: could not be asked: " in shown.err

    done = clean.run("down", "--all", "--yes")
    assert (done.rc, "whatever is in azure" in done.told) == (10, True), done.told
    assert "one-aws" in done.out

    clean.use("default")
    clean.ok("down", "--all", "--yes")
    assert clean.left() == {}
