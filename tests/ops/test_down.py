"""`down`: what the cloud does not list yet must not be believed to be absent, nor what a cloud does not tell."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import pytest

from gpucloud.config import Config
from gpucloud.errors import MayStillCost, Unreachable
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
from tests.ops.conftest import NO_AZURE, THROTTLED, World


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
    return Context(Config(cloud="aws", region="us-east-1"), State(tmp_path), {}, lambda event: None, waiter=waiter)


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
    receipts = down.down(context, down.wanted(context, [], False, "r1").targets)
    down.require_gone(receipts)
    assert not cloud.there
    assert status_of(read(path)) == "removed"


def test_a_run_that_nobody_knows_has_nothing_to_remove(
    context: Context, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    cloud = Lagging(clock, shows_after=0)
    cloud.there = False
    use(cloud, monkeypatch)
    assert list(down.wanted(context, [], False, "r1").targets) == []


def test_all_is_what_every_cloud_has(world: World) -> None:
    world.aws.add("one")
    world.azure.add("two")
    wanted = down.wanted(world.context(), [], True, "")
    down.require_gone(down.down(world.context(), wanted.targets), wanted.unasked)
    assert not (world.aws.machines or world.azure.machines)


def test_all_claims_nothing_of_a_cloud_that_could_not_be_asked(world: World) -> None:
    world.aws.add("one")
    world.azure.refuses = THROTTLED
    wanted = down.wanted(world.context(), [], True, "")
    receipts = down.down(world.context(), wanted.targets)
    assert not world.aws.machines
    with pytest.raises(MayStillCost, match="whatever is in azure .Azure is throttling"):
        down.require_gone(receipts, wanted.unasked)


def test_a_cloud_that_is_not_set_up_counts_only_if_this_computer_made_machines_there(world: World) -> None:
    world.azure.refuses = NO_AZURE
    assert not down.wanted(world.context(), [], True, "").unasked
    world.journal("box", "azure")
    assert list(down.wanted(world.context(), [], True, "").unasked) == ["azure"]


def test_a_run_is_removed_from_whichever_cloud_has_it(world: World) -> None:
    world.azure.add("box", run="ci-7")
    (target,) = down.wanted(world.context(), [], False, "ci-7").targets
    assert (target.cloud, target.region) == ("azure", "eastus")
    down.require_gone(down.down(world.context(), [target]))
    assert not world.azure.machines


def test_a_run_that_may_be_in_a_cloud_that_could_not_be_asked_is_not_called_gone(world: World) -> None:
    world.azure.refuses = THROTTLED
    wanted = down.wanted(world.context(), [], False, "ci-7")
    assert (list(wanted.targets), list(wanted.unasked)) == ([], ["azure"])
    with pytest.raises(MayStillCost):
        down.require_gone([], wanted.unasked)


def test_a_run_of_this_computer_is_looked_for_in_its_cloud_only(world: World) -> None:
    world.journal("box", "azure", run="ci-7")
    world.azure.add("box", run="ci-7")
    world.aws.refuses = Unreachable("AWS is away")
    wanted = down.wanted(world.context(), [], False, "ci-7")
    assert (len(wanted.targets), wanted.unasked, world.aws.asked) == (1, {}, [])


def test_a_group_goes_first_and_takes_the_rest_along(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    kinds = ("disk", "instance", "resource-group")
    left = [Resource(kind, f"/groups/g/{kind}", "eastus", "r-box", costs=True) for kind in kinds]
    deleted: list[str] = []

    def delete(resource: Resource) -> None:
        deleted.append(resource.kind)
        left.clear()

    monkeypatch.setattr(world.azure, "resources", lambda run: list(left))
    monkeypatch.setattr(world.azure, "delete", delete)
    (receipt,) = down.down(world.context(), down.wanted(world.context(), [], False, "r-box").targets)
    assert deleted == ["resource-group", "instance", "disk"]
    assert len(receipt.gone) == 3


def test_what_a_machine_left_that_ended_by_itself_goes_down_by_its_name(world: World) -> None:
    world.journal("box", "aws")
    world.azure.refuses = NO_AZURE
    world.aws.add("other", run="r-box")
    (target,) = down.wanted(world.context(), ["box"], False, "").targets
    assert (target.name, target.run, target.cloud) == ("box", "r-box", "aws")
