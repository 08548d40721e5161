"""Stop, start and their troubles on Azure, where a machine that is off may cost as much as one that is on."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from gpucloud.errors import CapacityError, CloudError, UsageError
from gpucloud.machine import State
from gpucloud.providers.azure import operations
from gpucloud.providers.azure.provider import AzureProvider
from tests.providers.support import Cloud
from tests.providers.test_azure_launch import actions, azure_provider, fault

pytestmark = pytest.mark.slow

NAMES = ("gpucloud-run1", "gpucloud-run1-instance")


def halted(azure: Cloud) -> tuple[AzureProvider, str]:
    """A machine that was switched off and not deallocated."""
    provider = azure_provider(azure)
    machine_id = azure.launch(provider)
    provider._clients.compute.virtual_machines.begin_power_off(*NAMES).result()
    return provider, machine_id


def instance_costs(provider: AzureProvider) -> bool:
    (costs,) = (each.costs for each in provider.resources("run1") if each.kind == "instance")
    return costs


def test_a_machine_that_is_off_but_allocated_is_halted_and_costs_until_it_is_stopped(azure: Cloud) -> None:
    provider, machine_id = halted(azure)
    assert provider.get(machine_id).state is State.HALTED
    assert instance_costs(provider)
    provider.stop(machine_id)
    azure.until(provider, machine_id, State.STOPPED)
    assert not instance_costs(provider)


def test_a_halted_machine_can_be_started(azure: Cloud) -> None:
    provider, machine_id = halted(azure)
    before = provider.get(machine_id).launched_at
    provider.start(machine_id)
    assert azure.until(provider, machine_id, State.RUNNING).launched_at == before, "it was billed all the time"


def test_a_stop_while_it_switches_itself_off_deallocates_it_all_the_same(azure: Cloud) -> None:
    provider = azure_provider(azure)
    machine_id = azure.launch(provider)
    azure.use("state_times: {stopping: 0.6}\nazure: {operation_seconds: {'POST virtualMachines/powerOff': 0.6}}")
    provider._clients.compute.virtual_machines.begin_power_off(*NAMES, polling=False)
    provider.stop(machine_id)
    azure.until(provider, machine_id, State.STOPPED)


def test_the_address_outlives_a_stop(azure: Cloud) -> None:
    provider = azure_provider(azure)
    before = provider.get(azure.launch(provider))
    provider.stop(before.id)
    azure.until(provider, before.id, State.STOPPED)
    provider.start(before.id)
    assert azure.until(provider, before.id, State.RUNNING).address == before.address


def test_a_start_counts_from_now(azure: Cloud) -> None:
    provider = azure_provider(azure)
    made = provider.get(azure.launch(provider))
    provider.stop(made.id)
    azure.until(provider, made.id, State.STOPPED)
    begun = datetime.now(UTC).replace(microsecond=0)
    provider.start(made.id)
    launched_at = provider.get(made.id).launched_at
    assert launched_at is not None
    assert begun <= launched_at <= datetime.now(UTC)


@pytest.mark.parametrize("late", [False, True])
def test_no_hardware_for_a_start_is_told_with_what_can_be_done(azure: Cloud, late: bool) -> None:
    provider = azure_provider(azure)
    machine_id = azure.launch(provider)
    provider.stop(machine_id)
    azure.until(provider, machine_id, State.STOPPED)
    azure.use(fault(match="POST .*/start", code="AllocationFailed", **{"async": late}))
    with pytest.raises(CapacityError) as caught:
        provider.start(machine_id)
    assert "gpucloud down" in caught.value.remedy
    assert provider.get(machine_id).state is State.STOPPED


def test_what_is_in_the_way_is_waited_for_and_told_in_the_end(azure: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    provider = azure_provider(azure)
    machine_id = azure.launch(provider)
    azure.use(fault(match="POST .*/deallocate", code="AnotherOperationInProgress", times=2))
    provider.stop(machine_id)
    assert len(actions(azure, "POST virtualMachines/deallocate")) == 3
    azure.until(provider, machine_id, State.STOPPED)
    azure.use(fault(match="POST .*/start", code="AnotherOperationInProgress"))
    monkeypatch.setattr(operations, "TURN_TIMEOUT", 0.5)
    with pytest.raises(CloudError, match="AnotherOperationInProgress"):
        provider.start(machine_id)


@pytest.mark.parametrize("tags", [{"k" * 513: "v"}, {"k": "v" * 257}, {"a?b": "v"}, {f"k{n}": "v" for n in range(50)}])
def test_tags_that_azure_refuses_are_refused_before_it_is_asked(azure: Cloud, tags: dict[str, str]) -> None:
    provider = azure.provider()
    machine_id = azure.launch(provider)
    with pytest.raises(UsageError):
        provider.set_tags(machine_id, tags)
    assert actions(azure, "PATCH virtualMachines") == []


def test_tags_of_two_writers_are_both_kept(azure: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    """Azure replaces all tags at once: who read them before the other wrote has to read them again."""
    provider, other = azure_provider(azure), azure.provider()
    machine_id = azure.launch(provider)
    look = provider._living
    meddled: list[bool] = []

    def slowly(machine_id: str) -> Any:
        vm = look(machine_id)
        if not meddled:
            meddled.append(True)
            other.set_tags(machine_id, {"theirs": "1"})
        return vm

    monkeypatch.setattr(provider, "_living", slowly)
    provider.set_tags(machine_id, {"ours": "2"})
    tags = provider.get(machine_id).tags
    assert (tags["ours"], tags["theirs"]) == ("2", "1")


def test_an_end_is_not_moved_when_it_is_about_to_come(azure: Cloud) -> None:
    provider = azure.provider()
    soon = datetime.now(UTC) + timedelta(minutes=10)
    machine_id = azure.launch(provider, azure.spec(tags={"gpucloud-expires": soon.isoformat()}))
    with pytest.raises(UsageError, match="too late"):
        provider.expire_at(machine_id, soon + timedelta(hours=2))
