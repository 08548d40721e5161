from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path

import pytest

from gpucloud.config import Config
from gpucloud.machine import Machine, State
from gpucloud.ops import listing
from gpucloud.ops.clouds import Answers
from gpucloud.ops.context import Context
from gpucloud.ops.request import Request
from gpucloud.state import State as LocalState
from gpucloud.waiting import Waiter
from tests.conftest import FakeClock
from tests.ops.conftest import World

BOX = Machine(
    "i-1",
    "box",
    "r1",
    "aws",
    "us-east-1",
    "us-east-1a",
    "g4dn.xlarge",
    State.RUNNING,
    disk_gb=100,
)


def test_a_running_machine_costs_its_type_and_a_stopped_one_its_disk() -> None:
    box = replace(BOX, launched_at=datetime.now(UTC) - timedelta(hours=2))
    running, stopped = listing.row(box), listing.row(replace(box, state=State.STOPPED))
    assert (running.gpu, running.usd_per_hour) == ("1×T4", 0.526)
    assert running.usd_so_far == pytest.approx(2 * 0.526, rel=0.01)
    assert stopped.usd_per_hour == pytest.approx(100 * 0.08 / 730)
    assert stopped.usd_so_far is None


def test_a_type_that_the_catalogue_does_not_know_has_no_price() -> None:
    row = listing.row(replace(BOX, type="g99.huge"))
    assert (row.gpu, row.usd_per_hour, row.usd_so_far) == ("", None, None)


def test_watching_lists_again_after_a_pause(
    tmp_path: Path, waiter: Waiter, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    context = Context(Config(), LocalState(tmp_path), {}, lambda event: None, waiter=waiter)
    found = Answers({"aws": [BOX]}, {}, {})
    monkeypatch.setattr(listing, "machines", lambda context, all_regions: found)
    assert list(islice(listing.watch(context), 3)) == [found] * 3
    assert clock.sleeps == [listing.WATCH_PAUSE] * 2
    assert list(listing.watch(context, again=False)) == [found]


def test_a_halted_machine_costs_what_it_costs_while_it_runs() -> None:
    halted = replace(BOX, state=State.HALTED, launched_at=datetime.now(UTC) - timedelta(hours=2))
    row = listing.row(halted)
    assert (row.usd_per_hour, row.to_dict()["state"]) == (0.526, "halted")
    assert row.usd_so_far == pytest.approx(2 * 0.526, rel=0.01)


@pytest.mark.parametrize(("cloud", "end"), [("aws", "terminated"), ("azure", "deallocated")])
def test_the_end_of_a_lifetime_is_named_where_there_is_one(cloud: str, end: str) -> None:
    mortal = replace(BOX, cloud=cloud, expires_at=datetime.now(UTC))
    assert listing.row(mortal).to_dict()["ends_by"] == end
    assert listing.row(replace(mortal, expires_at=None)).to_dict()["ends_by"] is None


def test_all_regions_are_those_of_each_account(world: World) -> None:
    world.azure.add("box")
    answers = listing.machines(world.context(), all_regions=True)
    assert [machine.name for machine in answers.given["azure"]] == ["box"]
    assert world.aws.asked == world.azure.asked == ["everywhere", "list"]


def test_types_have_the_prices_of_the_region_of_each_cloud() -> None:
    config = Config(region="eu-west-1", regions=("westeurope",))
    found = listing.prices(config, Request(gpu="T4", gpu_count=1))
    assert {(row.cloud, row.region) for row in found} == {("aws", "eu-west-1"), ("azure", "westeurope")}
    known = [row.usd_per_hour for row in found if row.usd_per_hour is not None]
    assert known == sorted(known) and [row.usd_per_hour for row in found][: len(known)] == known


def test_types_of_a_region_on_the_command_line_are_those_of_its_cloud() -> None:
    config = Config(region="westeurope", regions=("eu-west-1",), flags=frozenset({"region"}))
    assert {row.cloud for row in listing.prices(config, Request(gpu="T4"))} == {"azure"}
