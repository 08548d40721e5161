"""The sentences of gpucloud/providers/base.py, on every cloud."""

from __future__ import annotations

import pytest

from gpucloud.errors import NotFound
from gpucloud.machine import TAG_NAME, TAG_OWNER, TAG_RUN, Spec, State
from gpucloud.waiting import Waiter
from tests.providers.support import REGIONS, Cloud


def test_connecting_and_planning_call_no_api(cloud: Cloud) -> None:
    provider = cloud.provider()
    provider.launch_steps(cloud.spec(), "run1")
    assert cloud.calls() == []


def test_a_preflight_changes_nothing_and_finds_nothing_wrong(cloud: Cloud) -> None:
    provider = cloud.provider()
    assert provider.preflight(cloud.spec()) == []
    assert [call["action"] for call in cloud.calls() if call["mutating"] and not call["dry_run"]] == []
    assert provider.resources("run1") == []


def test_what_the_preflight_learnt_is_not_asked_again(cloud: Cloud) -> None:
    provider = cloud.provider()
    provider.preflight(cloud.spec())
    before = len(cloud.calls())
    cloud.launch(provider)
    asked_again = [call["action"] for call in cloud.calls()[before:] if not call["mutating"]]
    assert set(asked_again) <= {"DescribeInstances"}, "only the wait for `running` may look"


def test_the_last_step_is_called_instance_and_records_the_id(cloud: Cloud) -> None:
    provider = cloud.provider()
    steps = provider.launch_steps(cloud.spec(), "run1")
    machine_id = cloud.launch(provider)
    assert steps[-1].id == "instance"
    assert provider.get(machine_id).id == machine_id


def test_step_names_are_fixed_before_the_call(cloud: Cloud) -> None:
    steps = cloud.provider().launch_steps(cloud.spec(), "run1")
    assert [step.name for step in steps] == [f"gpucloud-run1-{step.id}" for step in steps]


def test_get_and_list_agree_about_a_machine(cloud: Cloud) -> None:
    provider = cloud.provider()
    machine = provider.get(cloud.launch(provider, cloud.spec(disk_gb=80, tags={TAG_OWNER: "me"})))
    assert provider.list() == [machine]
    assert (machine.name, machine.run, machine.cloud, machine.region) == ("one", "run1", cloud.name, cloud.region)
    assert (machine.state, machine.disk_gb, machine.spot) == (State.RUNNING, 80, False)
    assert machine.address
    assert machine.tags[TAG_OWNER] == "me"


def test_get_of_an_unknown_or_terminated_machine_raises_not_found(cloud: Cloud) -> None:
    provider = cloud.provider()
    machine_id = cloud.launch(provider)
    provider.terminate(machine_id)
    gone = Waiter(first=0.05).until(lambda: not provider.list(), 10)
    assert gone
    for absent in (machine_id, "i-0123456789abcdef0"):
        with pytest.raises(NotFound):
            provider.get(absent)


def test_list_looks_into_every_region(cloud: Cloud) -> None:
    here, there = REGIONS[cloud.name]
    provider = cloud.provider([there])
    cloud.launch(provider)
    cloud.launch(provider, cloud.spec("two", region=there), "run2")
    assert sorted((machine.name, machine.region) for machine in provider.list()) == [("one", here), ("two", there)]


def test_stop_and_start_can_be_repeated(cloud: Cloud) -> None:
    provider = cloud.provider()
    machine_id = cloud.launch(provider)
    provider.start(machine_id)
    provider.stop(machine_id)
    provider.stop(machine_id)
    cloud.until(provider, machine_id, State.STOPPED)
    provider.stop(machine_id)
    provider.start(machine_id)
    cloud.until(provider, machine_id, State.RUNNING)


def test_start_while_stopping_waits_until_it_is_accepted(cloud: Cloud) -> None:
    cloud.use("state_times: {stopping: 0.6}")
    provider = cloud.provider()
    machine_id = cloud.launch(provider)
    provider.stop(machine_id)
    provider.start(machine_id)
    cloud.until(provider, machine_id, State.RUNNING)


@pytest.mark.parametrize("verb", ["start", "stop", "console"])
def test_verbs_on_an_absent_machine_raise_not_found(cloud: Cloud, verb: str) -> None:
    with pytest.raises(NotFound):
        getattr(cloud.provider(), verb)("i-0123456789abcdef0")


def test_terminate_of_an_absent_machine_is_a_success(cloud: Cloud) -> None:
    provider = cloud.provider()
    machine_id = cloud.launch(provider)
    provider.terminate("i-0123456789abcdef0")
    provider.terminate(machine_id)
    provider.terminate(machine_id)
    cloud.provider().terminate(machine_id)


def test_deleting_every_resource_of_a_run_leaves_nothing(cloud: Cloud) -> None:
    provider = cloud.provider()
    cloud.launch(provider)
    cloud.launch(provider, cloud.spec("two"), "run2")
    found = provider.resources("run1")
    assert {resource.run for resource in found} == {"run1"}
    for resource in found:
        provider.delete(resource)
        provider.delete(resource)
    assert provider.resources("run1") == []
    assert provider.resources("run2") != []


def test_orphans_belong_to_no_live_run(cloud: Cloud) -> None:
    provider = cloud.provider()
    cloud.launch(provider)
    assert provider.orphans(["run1"]) == []
    assert provider.orphans([]) == provider.resources("run1")


def test_set_tags_adds_and_replaces(cloud: Cloud) -> None:
    provider = cloud.provider()
    machine_id = cloud.launch(provider)
    provider.set_tags(machine_id, {TAG_NAME: "other", "more": "x"})
    machine = provider.get(machine_id)
    assert (machine.name, machine.tags["more"], machine.tags[TAG_RUN]) == ("other", "x", "run1")
    with pytest.raises(NotFound):
        provider.set_tags("i-0123456789abcdef0", {"a": "b"})


def test_undo_in_another_process_needs_only_the_journal(cloud: Cloud) -> None:
    cloud.launch(cloud.provider())
    spec = Spec.from_journal(cloud.spec().journal_form())
    other = cloud.provider()
    assert [step.undo({}) for step in reversed(other.launch_steps(spec, "run1"))] == [True, True]
    assert other.resources("run1") == []


def test_undo_of_what_was_never_made_finds_nothing(cloud: Cloud) -> None:
    assert [step.undo({}) for step in cloud.provider().launch_steps(cloud.spec(), "run1")] == [False, False]


def test_console_is_text(cloud: Cloud) -> None:
    provider = cloud.provider()
    assert isinstance(provider.console(cloud.launch(provider)), str)


def test_regions_hold_the_one_in_use(cloud: Cloud) -> None:
    assert cloud.region in cloud.provider().regions()
