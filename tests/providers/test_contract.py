"""The sentences of gpucloud/providers/base.py, on every cloud; on machines that exist already, where they are meant."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from gpucloud.errors import CapacityError, CredentialsError, GpucloudError, NotFound, Unreachable, UsageError
from gpucloud.keys import new_keypair
from gpucloud.machine import TAG_EXPIRES, TAG_NAME, TAG_OWNER, TAG_RUN, Resource, Spec, State
from gpucloud.providers import registry
from gpucloud.providers.base import Provider
from gpucloud.remote.base import RemoteUnreachable
from gpucloud.remote.ssh import wait_for_ssh
from gpucloud.userdata import cloud_config
from gpucloud.waiting import Waiter
from tests.providers.support import Cloud

pytestmark = pytest.mark.slow

SOON = Waiter(first=0.05)
IN_AN_HOUR = datetime.now(UTC).replace(microsecond=0) + timedelta(hours=1)


def test_connecting_calls_no_api(any_cloud: Cloud) -> None:
    assert any_cloud.provider().name == any_cloud.name
    assert any_cloud.calls() == []


def test_planning_calls_no_api(cloud: Cloud) -> None:
    cloud.provider().launch_steps(cloud.spec(), "run1")
    assert cloud.calls() == []


def test_only_what_makes_machines_finds_nothing_in_the_way_of_one_and_plans_it(any_cloud: Cloud) -> None:
    provider = any_cloud.provider()
    assert registry.makes_machines(any_cloud.name) is any_cloud.makes_machines
    assert (provider.preflight(any_cloud.spec()) == []) is any_cloud.makes_machines
    if not any_cloud.makes_machines:
        with pytest.raises(UsageError, match="exist already"):
            provider.launch_steps(any_cloud.spec(), "run1")


def test_a_preflight_changes_nothing(any_cloud: Cloud) -> None:
    provider = any_cloud.provider()
    provider.preflight(any_cloud.spec())
    assert any_cloud.changes() == []
    assert provider.resources("run1") == []


def test_the_headroom_of_a_quota_calls_no_api(any_cloud: Cloud) -> None:
    assert any_cloud.provider().headroom(any_cloud.spec()) is None
    assert any_cloud.calls() == []


def test_what_the_preflight_learnt_is_not_asked_again(cloud: Cloud) -> None:
    provider = cloud.provider()
    provider.preflight(cloud.spec())
    before = len(cloud.calls())
    cloud.launch(provider)
    asked_again = [call["action"] for call in cloud.calls()[before:] if not call["mutating"]]
    assert set(asked_again) <= cloud.looks, "only the wait for what was begun may look"


def test_the_last_step_is_called_instance_and_records_the_id(cloud: Cloud) -> None:
    provider = cloud.provider()
    steps = provider.launch_steps(cloud.spec(), "run1")
    machine_id = cloud.launch(provider)
    assert steps[-1].id == "instance"
    assert provider.get(machine_id).id == machine_id


def test_headroom_is_what_the_preflight_has_found_and_asks_nobody(cloud: Cloud) -> None:
    provider, spec = cloud.provider(), cloud.spec()
    assert provider.headroom(spec) is None
    provider.preflight(spec)
    before = cloud.calls()
    found = provider.headroom(spec)
    assert found and 0 < found.free <= found.limit
    assert provider.headroom(cloud.spec("two", region=cloud.regions[1])) is None
    assert cloud.calls() == before


def test_step_names_are_fixed_before_the_call(cloud: Cloud) -> None:
    steps = cloud.provider().launch_steps(cloud.spec(ttl_minutes=60), "run1")
    assert [step.name for step in steps] == [f"gpucloud-run1-{step.id}" for step in steps]


def test_a_cloud_whose_guests_cannot_end_billing_arms_its_own_clock(cloud: Cloud) -> None:
    provider = cloud.provider()
    cloud.launch(provider, cloud.spec(ttl_minutes=60))
    clocks = [each for each in provider.resources("run1") if each.kind == "schedule"]
    assert bool(clocks) is not provider.guest_ends_billing


def test_what_is_listed_is_what_get_says_of_it(any_cloud: Cloud) -> None:
    provider = any_cloud.provider()
    known = any_cloud.existing(provider)
    machines = provider.list()
    assert known in {machine.id for machine in machines}
    assert [provider.get(machine.id) for machine in machines] == machines
    assert {(machine.cloud, machine.is_ours) for machine in machines} == {(any_cloud.name, any_cloud.makes_machines)}


def test_a_machine_is_listed_as_it_was_launched(cloud: Cloud) -> None:
    provider = cloud.provider()
    tags = {TAG_OWNER: "me", TAG_EXPIRES: IN_AN_HOUR.isoformat()}
    machine = provider.get(cloud.launch(provider, cloud.spec(disk_gb=80, tags=tags)))
    assert provider.list() == [machine]
    assert (machine.name, machine.run, machine.cloud, machine.region) == ("one", "run1", cloud.name, cloud.region)
    assert (machine.state, machine.disk_gb, machine.spot) == (State.RUNNING, 80, False)
    assert (machine.type, machine.ssh_user, machine.expires_at) == (cloud.type, "ubuntu", IN_AN_HOUR)
    assert machine.launched_at and abs(datetime.now(UTC) - machine.launched_at) < timedelta(minutes=5)
    assert machine.address
    assert machine.tags[TAG_OWNER] == "me"


def test_a_spot_machine_says_so(cloud: Cloud) -> None:
    provider = cloud.provider()
    assert provider.get(cloud.launch(provider, cloud.spec(spot=True))).spot


def test_get_of_a_terminated_machine_raises_not_found(cloud: Cloud) -> None:
    provider = cloud.provider()
    machine_id = cloud.launch(provider)
    provider.terminate(machine_id)
    assert SOON.until(lambda: not provider.list(), 10)
    with pytest.raises(NotFound):
        provider.get(machine_id)


def test_get_of_what_never_was_raises_not_found(any_cloud: Cloud) -> None:
    for absent in (any_cloud.unknown, "gpucloud"):
        with pytest.raises(NotFound):
            any_cloud.provider().get(absent)


def test_list_looks_into_every_region(cloud: Cloud) -> None:
    here, there = cloud.regions
    provider = cloud.provider([there])
    cloud.launch(provider)
    cloud.launch(provider, cloud.spec("two", region=there), "run2")
    assert sorted((machine.name, machine.region) for machine in provider.list()) == [("one", here), ("two", there)]


def test_list_and_resources_read_every_page(cloud: Cloud) -> None:
    provider = cloud.provider()
    for number in (1, 2, 3):
        cloud.launch(provider, cloud.spec(f"m{number}"), f"run{number}")
    machines, resources, orphans = provider.list(), provider.resources("run1"), provider.orphans([])
    cloud.use(cloud.small_pages)
    assert len(machines) == 3
    assert (provider.list(), provider.resources("run1"), provider.orphans([])) == (machines, resources, orphans)


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


def test_start_of_a_running_machine_and_stop_of_a_stopped_one_change_nothing(cloud: Cloud) -> None:
    provider = cloud.provider()
    machine_id = cloud.launch(provider)
    before = cloud.changes()
    provider.start(machine_id)
    assert cloud.changes() == before
    provider.stop(machine_id)
    cloud.until(provider, machine_id, State.STOPPED)
    before = cloud.changes()
    provider.stop(machine_id)
    assert cloud.changes() == before


def test_start_while_stopping_waits_until_it_is_accepted(cloud: Cloud) -> None:
    cloud.use("state_times: {stopping: 0.6}")
    provider = cloud.provider()
    machine_id = cloud.launch(provider)
    provider.stop(machine_id)
    provider.start(machine_id)
    cloud.until(provider, machine_id, State.RUNNING)


def test_start_without_hardware_raises_capacity_error_and_can_be_tried_again(cloud: Cloud) -> None:
    provider = cloud.provider()
    machine_id = cloud.launch(provider)
    provider.stop(machine_id)
    cloud.until(provider, machine_id, State.STOPPED)
    cloud.use(cloud.full)
    with pytest.raises(CapacityError) as caught:
        provider.start(machine_id)
    assert caught.value.remedy
    assert provider.get(machine_id).state is State.STOPPED
    cloud.use("")
    provider.start(machine_id)
    cloud.until(provider, machine_id, State.RUNNING)


@pytest.mark.parametrize("verb", ["start", "stop", "console"])
def test_verbs_on_an_absent_machine_raise_not_found(any_cloud: Cloud, verb: str) -> None:
    with pytest.raises(NotFound):
        getattr(any_cloud.provider(), verb)(any_cloud.unknown)


def test_tags_and_end_of_an_absent_machine_raise_not_found(any_cloud: Cloud) -> None:
    provider = any_cloud.provider()
    with pytest.raises(NotFound):
        provider.set_tags(any_cloud.unknown, {"a": "b"})
    with pytest.raises(NotFound):
        provider.expire_at(any_cloud.unknown, IN_AN_HOUR)


def test_removing_what_is_absent_is_a_success(any_cloud: Cloud) -> None:
    provider = any_cloud.provider()
    provider.terminate(any_cloud.unknown)
    provider.delete(Resource("instance", any_cloud.unknown, any_cloud.region, "run1", costs=True))
    assert provider.resources("run1") == provider.orphans([]) == []


def test_what_was_not_made_is_never_changed(hosts: Cloud) -> None:
    provider = hosts.provider()
    machine_id, before = hosts.existing(provider), provider.list()
    deeds: list[Callable[[], None]] = [
        lambda: provider.start(machine_id),
        lambda: provider.stop(machine_id),
        lambda: provider.terminate(machine_id),
        lambda: provider.delete(Resource("instance", machine_id, "", "", costs=True)),
        lambda: provider.set_tags(machine_id, {"a": "b"}),
        lambda: provider.expire_at(machine_id, IN_AN_HOUR),
    ]
    for deed in deeds:
        with pytest.raises(UsageError, match="gpucloud did not make lab and does not"):
            deed()
    assert provider.list() == before
    assert provider.resources("") == provider.orphans([]) == []


def test_terminate_can_be_repeated(cloud: Cloud) -> None:
    provider = cloud.provider()
    machine_id = cloud.launch(provider)
    provider.terminate(machine_id)
    provider.terminate(machine_id)
    cloud.provider().terminate(machine_id)
    gone = SOON.until(lambda: not provider.list(), 10)
    assert gone
    provider.terminate(machine_id)


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


def test_a_machine_that_is_shutting_down_still_exists(cloud: Cloud) -> None:
    cloud.use("state_times: {shutting_down: 1.5}\nazure: {operation_seconds: {'DELETE *': 1.5}}")
    provider = cloud.provider()
    provider.terminate(cloud.launch(provider))
    assert "instance" in {each.kind for each in provider.resources("run1")}
    assert SOON.until(lambda: "instance" not in {each.kind for each in provider.resources("run1")}, 10)


def test_a_running_machine_costs_and_a_stopped_one_does_not(cloud: Cloud) -> None:
    provider = cloud.provider()
    machine_id = cloud.launch(provider)

    def costs() -> bool:
        (instance,) = [each for each in provider.resources("run1") if each.kind == "instance"]
        return instance.costs

    assert costs()
    provider.stop(machine_id)
    cloud.until(provider, machine_id, State.STOPPED)
    assert not costs()


def test_orphans_belong_to_no_live_run(cloud: Cloud) -> None:
    provider = cloud.provider()
    cloud.launch(provider)
    cloud.launch(provider, cloud.spec("two"), "run2")
    assert provider.orphans(["run1", "run2"]) == []
    assert provider.orphans(["run2"]) == provider.resources("run1") != []


def test_set_tags_adds_and_replaces(cloud: Cloud) -> None:
    provider = cloud.provider()
    machine_id = cloud.launch(provider)
    provider.set_tags(machine_id, {TAG_NAME: "other", "more": "x"})
    machine = provider.get(machine_id)
    assert (machine.name, machine.tags["more"], machine.tags[TAG_RUN]) == ("other", "x", "run1")


def test_an_end_can_be_moved(cloud: Cloud) -> None:
    provider = cloud.provider()
    machine_id = cloud.launch(provider, cloud.spec(ttl_minutes=120))
    provider.expire_at(machine_id, IN_AN_HOUR)
    assert provider.get(machine_id).expires_at == IN_AN_HOUR


def test_an_end_beyond_the_clock_is_refused_and_the_old_one_stays(cloud: Cloud) -> None:
    provider, late = cloud.provider(), IN_AN_HOUR + timedelta(days=2)
    machine_id = cloud.launch(provider, cloud.spec(ttl_minutes=60, tags={TAG_EXPIRES: IN_AN_HOUR.isoformat()}))
    if cloud.latest_end is None:
        provider.expire_at(machine_id, late)
    else:
        with pytest.raises(UsageError):
            provider.expire_at(machine_id, late)
    assert provider.get(machine_id).expires_at == (late if cloud.latest_end is None else IN_AN_HOUR)


def test_undo_in_another_process_needs_only_the_journal(cloud: Cloud) -> None:
    cloud.launch(cloud.provider())
    spec = Spec.from_journal(cloud.spec().journal_form())
    other = cloud.provider()
    assert tuple(step.undo({}) for step in reversed(other.launch_steps(spec, "run1"))) == cloud.undone
    assert other.resources("run1") == []


def test_undo_of_what_was_never_made_finds_nothing(cloud: Cloud) -> None:
    steps = cloud.provider().launch_steps(cloud.spec(), "run1")
    assert [step.undo({}) for step in steps] == [False] * len(steps)


def test_console_is_text(any_cloud: Cloud) -> None:
    provider = any_cloud.provider()
    assert isinstance(provider.console(any_cloud.existing(provider)), str)


def test_regions_are_sorted_and_hold_those_in_use(any_cloud: Cloud) -> None:
    regions = any_cloud.provider().regions()
    assert {*any_cloud.regions} <= {*regions}
    assert regions == sorted(set(regions))


def test_everywhere_is_also_where_nobody_said_to_look(cloud: Cloud) -> None:
    provider = cloud.provider()
    cloud.launch(provider, cloud.spec(region=cloud.regions[1]))
    everywhere = cloud.provider().everywhere()
    assert [machine.region for machine in everywhere.list()] == [cloud.regions[1]]
    assert {resource.run for resource in everywhere.resources("run1")} == {"run1"}


VERBS: dict[str, Callable[[Provider, Cloud], Any]] = {
    "get": lambda provider, cloud: provider.get(cloud.unknown),
    "list": lambda provider, cloud: provider.list(),
    "start": lambda provider, cloud: provider.start(cloud.unknown),
    "stop": lambda provider, cloud: provider.stop(cloud.unknown),
    "terminate": lambda provider, cloud: provider.terminate(cloud.unknown),
    "resources": lambda provider, cloud: provider.resources("run1"),
    "orphans": lambda provider, cloud: provider.orphans([]),
    "delete": lambda provider, cloud: provider.delete(
        Resource("instance", cloud.unknown, cloud.region, "run1", costs=True)
    ),
    "set_tags": lambda provider, cloud: provider.set_tags(cloud.unknown, {"a": "b"}),
    "expire_at": lambda provider, cloud: provider.expire_at(cloud.unknown, IN_AN_HOUR),
    "console": lambda provider, cloud: provider.console(cloud.unknown),
    "regions": lambda provider, cloud: provider.regions(),
    "everywhere": lambda provider, cloud: provider.everywhere().list(),
    "launch": lambda provider, cloud: cloud.do(provider),
    "undo": lambda provider, cloud: [step.undo({}) for step in provider.launch_steps(cloud.spec(), "run1")],
}


@pytest.mark.parametrize("verb", VERBS)
def test_only_our_errors_leave_a_provider_that_is_not_let_in(cloud: Cloud, verb: str) -> None:
    cloud.use("credentials: invalid")
    with pytest.raises(GpucloudError) as caught:
        VERBS[verb](cloud.provider(), cloud)
    assert caught.value.status is CredentialsError.status
    assert caught.value.remedy


@pytest.mark.parametrize("verb", VERBS)
def test_only_our_errors_leave_a_provider_that_may_do_nothing(cloud: Cloud, verb: str) -> None:
    cloud.use("denied: ['*']")
    with pytest.raises(GpucloudError) as caught:
        VERBS[verb](cloud.provider(), cloud)
    assert caught.value.status is CredentialsError.status


def test_only_our_errors_leave_a_provider_without_a_network(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    nowhere = {key: "https://127.0.0.1:9" for key in ("endpoint_url", "authority") if key in cloud.settings}
    with pytest.raises(Unreachable) as caught:
        cloud.provider(**nowhere).list()
    assert caught.value.__cause__ is not None, "the SDK's own error is kept"


@pytest.mark.slow
@pytest.mark.parametrize("lifetime", [None, 60])
def test_whether_a_poweroff_of_the_guest_ends_billing(cloud_with_guests: Cloud, lifetime: int | None) -> None:
    """`stop` ends it in any case, so a machine that is halted does not stay so."""
    cloud, login, host = cloud_with_guests, new_keypair(), new_keypair()
    provider = cloud.provider(ssh_port=cloud.info.ssh_port)
    user_data = cloud_config(host, login.public, None)
    spec = cloud.spec(user_data=user_data, authorized_key=login.public, ttl_minutes=lifetime)
    machine = provider.get(cloud.launch(provider, spec))
    assert machine.address
    remote = wait_for_ssh(
        machine.address, machine.ssh_user, machine.ssh_port, login.private, host.public, waiter=SOON, timeout=30
    )
    with suppress(RemoteUnreachable):  # it may be gone before it says that it goes
        remote.run(["systemctl", "poweroff"], timeout=10, sudo=True)
    remote.close()
    state = cloud.off[lifetime is not None]
    assert provider.guest_ends_billing is (state is not State.HALTED)
    if state is State.TERMINATED:
        assert Waiter(first=0.2).until(lambda: not provider.list(), 30)
        return
    cloud.until(provider, machine.id, state)
    provider.stop(machine.id)
    cloud.until(provider, machine.id, State.STOPPED)
