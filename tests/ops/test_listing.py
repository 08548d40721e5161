from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path

import pytest

from gpucloud.config import Config
from gpucloud.machine import Machine, State
from gpucloud.ops import listing
from gpucloud.ops.context import Context
from gpucloud.state import State as LocalState
from gpucloud.waiting import Waiter
from tests.conftest import FakeClock

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
    monkeypatch.setattr(listing, "machines", lambda context, all_regions: [BOX])
    assert list(islice(listing.watch(context), 3)) == [[BOX]] * 3
    assert clock.sleeps == [listing.WATCH_PAUSE] * 2
    assert list(listing.watch(context, again=False)) == [[BOX]]
