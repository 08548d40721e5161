from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from gpucloud import saga
from gpucloud.errors import CapacityError, CloudError, MayStillCost
from gpucloud.journal import Journal
from gpucloud.saga import Facts, Step
from gpucloud.signals import Interrupted
from gpucloud.waiting import Waiter
from tests.conftest import FakeClock

HEADER = {"run": "r1", "name": "box", "cloud": "aws", "region": "us-east-1", "spec": {}}


class Cloud:
    """Steps that make things in a set, and may be told to fail before or after making them."""

    def __init__(self) -> None:
        self.made: list[str] = []
        self.seen: dict[str, Facts] = {}
        self.before: dict[str, BaseException] = {}
        self.after: dict[str, BaseException] = {}
        self.stuck: set[str] = set()
        self.lag = 0
        self.looks = 0

    def step(self, name: str) -> Step:
        return Step(name, f"gpucloud-r1-{name}", self._maker(name), self._remover(name))

    def steps(self, *names: str) -> list[Step]:
        return [self.step(name) for name in names]

    def _maker(self, name: str) -> Callable[[Facts], Facts]:
        def do(facts: Facts) -> Facts:
            self.seen[name] = dict(facts)
            if name in self.before:
                raise self.before[name]
            self.made.append(name)
            if name in self.after:
                raise self.after[name]
            return {name: f"id-of-{name}"}

        return do

    def _remover(self, name: str) -> Callable[[Facts], bool]:
        def undo(facts: Facts) -> bool:
            if name in self.stuck:
                raise CloudError(f"cannot delete {name}")
            self.looks += 1
            if self.looks <= self.lag or name not in self.made:
                return False
            self.made.remove(name)
            return True

        return undo


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    return Journal.create(tmp_path / "r1.ndjson", HEADER)


def test_steps_run_in_order_and_see_what_earlier_ones_recorded(journal: Journal) -> None:
    cloud = Cloud()
    facts = saga.run(cloud.steps("group", "instance"), journal)
    assert cloud.made == ["group", "instance"]
    assert cloud.seen["instance"] == {"group": "id-of-group"}
    assert facts == {"group": "id-of-group", "instance": "id-of-instance"}


def test_what_is_done_already_is_not_done_again(journal: Journal) -> None:
    cloud = Cloud()
    saga.run(cloud.steps("group"), journal)
    saga.run(cloud.steps("group", "instance"), journal)
    assert cloud.made == ["group", "instance"]


@pytest.mark.parametrize("error", [CloudError("no"), Interrupted(2), KeyboardInterrupt(), SystemExit(1)])
@pytest.mark.parametrize("moment", ["before", "after"])
def test_whatever_interrupts_a_step_everything_is_undone(
    journal: Journal, waiter: Waiter, error: BaseException, moment: str
) -> None:
    cloud = Cloud()
    getattr(cloud, moment)["instance"] = error
    steps = cloud.steps("group", "instance")
    with pytest.raises(type(error)), saga.transaction(steps, journal, waiter):
        saga.run(steps, journal)
    assert cloud.made == []
    assert journal.status == "rolled_back"


def test_an_error_after_the_launch_rolls_back_too(journal: Journal, waiter: Waiter) -> None:
    cloud = Cloud()
    steps = cloud.steps("instance")
    with pytest.raises(CloudError), saga.transaction(steps, journal, waiter):
        saga.run(steps, journal)
        raise CloudError("verify failed")
    assert cloud.made == []


def test_a_committed_run_is_kept_whatever_happens_afterwards(journal: Journal, waiter: Waiter) -> None:
    cloud = Cloud()
    steps = cloud.steps("instance")
    with pytest.raises(CloudError), saga.transaction(steps, journal, waiter):
        saga.run(steps, journal)
        journal.committed()
        raise CloudError("kept on purpose")
    assert cloud.made == ["instance"]


def test_undo_keeps_looking_for_what_the_cloud_does_not_show_yet(
    journal: Journal, waiter: Waiter, clock: FakeClock
) -> None:
    cloud = Cloud()
    cloud.after["instance"] = Interrupted(15)
    cloud.lag = 5
    steps = cloud.steps("instance")
    with pytest.raises(Interrupted), saga.transaction(steps, journal, waiter):
        saga.run(steps, journal)
    assert cloud.made == []
    assert 0 < clock.now < saga.CONSISTENCY_WINDOW


def test_undo_believes_absence_after_the_window(journal: Journal, waiter: Waiter, clock: FakeClock) -> None:
    cloud = Cloud()
    cloud.before["instance"] = CloudError("refused")
    steps = cloud.steps("instance")
    with pytest.raises(CloudError), saga.transaction(steps, journal, waiter):
        saga.run(steps, journal)
    assert clock.now == pytest.approx(saga.CONSISTENCY_WINDOW)


def test_a_refusal_by_the_cloud_is_believed_at_once(journal: Journal, waiter: Waiter, clock: FakeClock) -> None:
    cloud = Cloud()
    cloud.before["instance"] = CapacityError("none left")
    steps = cloud.steps("group", "instance")
    with pytest.raises(CapacityError), saga.transaction(steps, journal, waiter):
        saga.run(steps, journal)
    assert (cloud.made, clock.now, journal.status) == ([], 0, "rolled_back")


def test_rollback_goes_on_after_an_error_and_names_what_remains(journal: Journal, waiter: Waiter) -> None:
    cloud = Cloud()
    cloud.stuck = {"instance"}
    cloud.after["address"] = Interrupted(2)
    steps = cloud.steps("group", "instance", "address")
    with pytest.raises(MayStillCost, match="gpucloud-r1-instance"), saga.transaction(steps, journal, waiter):
        saga.run(steps, journal)
    assert cloud.made == ["instance"]
    assert journal.status == "open"
    assert journal.intents() == ["instance"]


@pytest.mark.parametrize("error", [OSError("the terminal is gone"), KeyError("a bug")])
def test_whoever_watches_cannot_keep_a_rollback_from_going_on(
    journal: Journal, waiter: Waiter, error: Exception
) -> None:
    cloud = Cloud()
    steps = cloud.steps("group", "instance")

    def observe(event: str, step: str) -> None:
        if event.startswith("undo"):
            raise error

    with pytest.raises(MayStillCost), saga.transaction(steps, journal, waiter, observe):
        saga.run(steps, journal)
        raise CloudError("verify failed")
    assert saga.roll_back(steps, journal, waiter) == ["gpucloud-r1-instance", "gpucloud-r1-group"]


def test_a_bug_in_one_undo_leaves_the_others_tried(journal: Journal, waiter: Waiter) -> None:
    cloud = Cloud()
    steps = cloud.steps("group", "instance")
    broken = Step("instance", "gpucloud-r1-instance", steps[1].do, lambda facts: 1 / 0 > 0)
    with pytest.raises(MayStillCost, match="ZeroDivisionError"), saga.transaction([steps[0], broken], journal, waiter):
        saga.run([steps[0], broken], journal)
        raise CloudError("verify failed")
    assert cloud.made == ["instance"]


def test_another_process_finishes_the_rollback(tmp_path: Path, waiter: Waiter) -> None:
    cloud = Cloud()
    path = tmp_path / "r2.ndjson"
    with Journal.create(path, HEADER) as journal:
        saga.run(cloud.steps("group", "instance"), journal)
    with Journal.open(path) as again:
        removed = saga.roll_back(cloud.steps("group", "instance"), again, waiter)
    assert removed == ["gpucloud-r1-instance", "gpucloud-r1-group"]
    assert cloud.made == []


def test_who_must_not_proceed_has_not_asked_for_the_next_step(journal: Journal) -> None:
    cloud = Cloud()
    asked: list[int] = []

    def proceed() -> None:
        asked.append(1)
        if len(asked) == 2:
            raise Interrupted(2)

    with pytest.raises(Interrupted):
        saga.run(cloud.steps("group", "instance"), journal, proceed=proceed)
    assert (cloud.made, list(journal.intents())) == (["group"], ["group"])
