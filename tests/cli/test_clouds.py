"""The verbs over two clouds: what is printed where, and what they exit with. The clouds are in memory."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from gpucloud.errors import ExitStatus, Unreachable
from gpucloud.machine import State
from gpucloud.ops import context as worlds
from gpucloud.ops import listing
from tests.cli.conftest import Cli
from tests.ops.conftest import NO_AZURE, THROTTLED, World, world

__all__ = ["world"]

LEFT_OUT = "azure: left out: no Azure credentials: none found; fix: `az login`\n"


@pytest.fixture(autouse=True)
def only_these_clouds(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def context(config: Any, report: Any, remark: Any) -> worlds.Context:
        made = world.context(config)
        return worlds.Context(config, made.state, made.settings, report, waiter=made.waiter, remark=remark)

    monkeypatch.setattr(worlds, "real", context)


def test_ls_lists_both_clouds_in_one_document(cli: Cli, world: World) -> None:
    world.aws.add("one")
    world.azure.add("two")
    ran = cli("ls", "-o", "json")
    assert [(each["name"], each["cloud"]) for each in json.loads(ran.out)] == [("one", "aws"), ("two", "azure")]
    assert (ran.code, ran.err) == (0, "")


def test_ls_leaves_out_a_cloud_without_credentials_with_one_line_on_stderr(cli: Cli, world: World) -> None:
    world.aws.add("one")
    world.azure.refuses = NO_AZURE
    ran = cli("ls", "-o", "json")
    assert ([each["name"] for each in json.loads(ran.out)], ran.code, ran.err) == (["one"], 0, LEFT_OUT)
    assert cli("ls", "--cloud", "aws").err == ""


def test_ls_shows_what_it_has_and_exits_with_6_for_a_cloud_that_does_not_answer(cli: Cli, world: World) -> None:
    world.aws.add("one")
    world.azure.refuses = THROTTLED
    ran = cli("ls")
    assert ran.code == ExitStatus.UNREACHABLE
    assert "one" in ran.out
    assert ran.err.startswith("azure: could not be asked: Azure is throttling")


def test_ls_of_the_only_cloud_that_is_set_up_ends_in_its_error(cli: Cli, world: World) -> None:
    world.aws.refuses, world.azure.refuses = Unreachable("AWS is away", "", "check the network"), NO_AZURE
    ran = cli("ls")
    assert (ran.code, ran.out) == (ExitStatus.UNREACHABLE, "")
    assert ran.err == LEFT_OUT + "error: AWS is away\nfix: check the network\n"


def test_watching_says_it_once(cli: Cli, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def thrice(context: worlds.Context, **options: bool) -> Iterator[Any]:
        for _ in range(3):
            yield listing.machines(context)

    monkeypatch.setattr(listing, "watch", thrice)
    world.aws.add("one")
    world.azure.refuses = NO_AZURE
    ran = cli("ls", "--watch")
    assert (ran.out.count("g4dn.xlarge"), ran.err) == (3, LEFT_OUT)


def test_a_halted_machine_is_shown_as_billed(cli: Cli, world: World) -> None:
    world.azure.add("box", type="Standard_NC4as_T4_v3", state=State.HALTED, launched_at=datetime.now(UTC))
    table, (document,) = cli("ls").out, json.loads(cli("ls", "-o", "json").out)
    assert "halted, still billed" in table and "0.526" in table
    assert (document["state"], document["usd_per_hour"]) == ("halted", 0.526)


def test_what_becomes_of_a_machine_at_its_end_is_told_where_it_goes_on_costing(cli: Cli, world: World) -> None:
    end = datetime.now(UTC) + timedelta(hours=1)
    world.aws.add("one", expires_at=end)
    world.azure.add("two", expires_at=end)
    _, one, two = cli("ls").out.splitlines()
    assert "(deallocated)" in two and "(" not in one


@pytest.mark.parametrize(
    ("wanted", "end"),
    [
        ("g4dn.xlarge", ", ends by itself after 8h\n"),
        ("Standard_NC4as_T4_v3", ", is deallocated after 8h: disk and address still cost until `gpucloud down box`\n"),
    ],
)
def test_the_plan_says_what_becomes_of_the_machine_at_its_end(cli: Cli, wanted: str, end: str) -> None:
    ran = cli("up", wanted, "-n", "box", "--ttl", "8h", "--dry-run")
    assert ran.code == 0
    assert end in ran.err


def test_down_all_removes_what_it_can_and_does_not_claim_the_rest(cli: Cli, world: World) -> None:
    world.aws.add("one")
    world.azure.refuses = THROTTLED
    ran = cli("down", "--all", "--yes")
    assert ran.code == ExitStatus.MAY_STILL_COST
    assert "gone" in ran.out
    assert "error: not everything is gone: whatever is in azure" in ran.err


def test_down_all_of_nothing_claims_nothing_either(cli: Cli, world: World) -> None:
    world.azure.refuses = THROTTLED
    ran = cli("down", "--all", "--dry-run")
    assert (ran.code, "there is nothing to remove" in ran.err) == (ExitStatus.MAY_STILL_COST, False)
    world.azure.refuses = NO_AZURE
    ran = cli("down", "--all")
    assert (ran.code, ran.err) == (0, LEFT_OUT + "there is nothing to remove\n")


def test_verbs_take_machines_of_either_cloud(cli: Cli, world: World) -> None:
    world.aws.add("one")
    world.azure.add("two")
    ran = cli("stop", "one", "two", "--yes", "-o", "json")
    assert [(each["name"], each["state"]) for each in json.loads(ran.out)] == [("one", "stopped"), ("two", "stopped")]


@pytest.mark.parametrize(("arguments", "clouds"), [([], {"aws", "azure"}), (["--cloud", "azure"], {"azure"})])
def test_types_are_those_of_every_cloud(cli: Cli, arguments: list[str], clouds: set[str]) -> None:
    listed = json.loads(cli("types", "--gpu", "T4", "-o", "json", *arguments).out)
    assert {each["cloud"] for each in listed} == clouds


def test_completion_knows_the_machines_of_both_clouds(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    from gpucloud.cli.options import complete_name

    monkeypatch.setattr(listing, "state_home", lambda: world.state.root)
    world.journal("one", "aws")
    world.journal("other", "azure")
    assert complete_name("o") == ["one", "other"]
