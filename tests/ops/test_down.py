"""`down` of runs that were killed: what the cloud does not list yet must not be believed to be absent."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import pytest

from gpucloud.config import Config
from gpucloud.journal import Journal, read, status_of
from gpucloud.machine import Resource, Spec
from gpucloud.ops import down
from gpucloud.ops.context import Context
from gpucloud.providers import registry
from gpucloud.providers.base import Provider
from gpucloud.saga import Facts, Step
from gpucloud.state import State
from gpucloud.waiting import Waiter
from tests.conftest import FakeClock


class Lagging:
    """A cloud in which the run's instance shows up only some seconds after it was asked for."""

    def __init__(self, clock: FakeClock, shows_after: float) -> None:
        self.clock, self.shows_after = clock, shows_after
        self.there = True

    def resources(self, run: str) -> list[Resource]:
        seen = self.there and self.clock.now >= self.shows_after
        return [Resource("instance", "i-1", "us-east-1", run, costs=True)] if seen else []

    def launch_steps(self, spec: Spec, run: str) -> list[Step]:
        return [Step("instance", f"gpucloud-{run}-instance", lambda facts: facts, self.undo)]

    def undo(self, facts: Facts) -> bool:
        found = self.resources("r1")
        self.there = self.there and not found
        return bool(found)

    def delete(self, resource: Resource) -> None:
        self.there = False


@pytest.fixture
def context(tmp_path: Path, waiter: Waiter) -> Context:
    return Context(Config(region="us-east-1"), State(tmp_path), {}, lambda event: None, waiter=waiter)


def use(cloud: Lagging, monkeypatch: pytest.MonkeyPatch) -> None:
    provider: Any = cloud
    monkeypatch.setattr(registry, "connect", lambda *_: cast(Provider, provider))


def killed_run(context: Context) -> Path:
    path = context.state.journal_path("r1")
    spec = Spec("box", "us-east-1", "g4dn.xlarge").journal_form()
    header = {"run": "r1", "name": "box", "cloud": "aws", "region": "us-east-1", "spec": spec}
    with Journal.create(path, header) as log:
        log.intent("instance", "gpucloud-r1-instance")
    return path


def test_a_run_killed_a_moment_ago_is_looked_for_until_it_shows(
    context: Context, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    cloud = Lagging(clock, shows_after=3)
    use(cloud, monkeypatch)
    path = killed_run(context)
    receipts = down.down(context, down.targets(context, [], False, "r1"))
    down.require_gone(receipts)
    assert not cloud.there
    assert status_of(read(path)) == "removed"


def test_a_run_that_nobody_knows_has_nothing_to_remove(
    context: Context, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    cloud = Lagging(clock, shows_after=0)
    cloud.there = False
    use(cloud, monkeypatch)
    assert down.targets(context, [], False, "r1") == []
