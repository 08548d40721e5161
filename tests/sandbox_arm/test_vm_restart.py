"""VMs over a restart of the daemon: a power cut."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from gpucloud.sandbox import client
from gpucloud.waiting import Waiter
from tests.sandbox_arm.machines import begin, machine, statuses
from tests.sandbox_arm.support import GROUP, Arm

pytestmark = pytest.mark.slow  # each test starts processes of its own


@pytest.fixture
def state(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "state"
    yield folder
    client.stop(folder)


def restarted(arm: Arm, state: Path) -> Arm:
    """The daemon after the one of `arm`, which is killed."""
    os.kill(arm.info.pid, signal.SIGKILL)
    assert Waiter(first=0.02).until(lambda: client.status(state) is None, 5)
    return Arm(client.ensure(None, state), arm.folder)


def test_what_ran_is_stopped_and_what_was_deallocated_stays_so(state: Path, tmp_path: Path) -> None:
    arm = Arm(client.ensure("api-only", state), tmp_path)
    machine(arm)
    machine(arm, "off")
    arm.compute.virtual_machines.begin_deallocate(GROUP, "off").result()
    arm.use("azure: {operation_seconds: {POST virtualMachines/deallocate: 60}}")
    machine(arm, "stopping")
    arm.compute.virtual_machines.begin_deallocate(GROUP, "stopping")
    after = restarted(arm, state)
    assert statuses(after) == ["ProvisioningState/succeeded", "PowerState/stopped"]
    assert statuses(after, "off")[-1] == statuses(after, "stopping")[-1] == "PowerState/deallocated"
    after.compute.virtual_machines.begin_start(GROUP, "vm").result()
    assert statuses(after)[-1] == "PowerState/running"
    after.groups.resource_groups.begin_delete(GROUP).result()
    assert after.inventory() == {}


def test_a_vm_whose_guest_was_not_made_yet_has_failed(state: Path, tmp_path: Path) -> None:
    arm = Arm(client.ensure("api-only", state), tmp_path)
    arm.use("state_times: {pending: 60}\nssh_delay: 60")
    begin(arm)
    after = restarted(arm, state)
    assert statuses(after) == ["ProvisioningState/failed/OSProvisioningInternalError", "PowerState/stopped"]


def test_strays_are_destroyed(state: Path, tmp_path: Path) -> None:
    arm = Arm(client.ensure("api-only", state), tmp_path)
    stray = state / "no-guests" / "az-0123456789ab"
    stray.touch()
    restarted(arm, state)
    assert not stray.exists()
