"""The Azure of a daemon over its restarts: found at the same address, with the same things, by the same token."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from gpucloud.sandbox import client
from gpucloud.waiting import Waiter
from tests.sandbox_api.support import Sandbox
from tests.sandbox_arm.machines import machine
from tests.sandbox_arm.support import GROUP, LOCATION, Arm

pytestmark = pytest.mark.slow  # each test starts processes of its own


@pytest.fixture
def state(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "state"
    yield folder
    client.stop(folder)


def test_a_restart_keeps_the_subscription_and_the_address(state: Path, tmp_path: Path) -> None:
    before = Arm(client.ensure("api-only", state), tmp_path)
    before.group()
    address = before.address().properties.ip_address
    token = before.token()
    client.stop(state)
    after = Arm(client.ensure("api-only", state), tmp_path, {"token": token})
    assert after.info.azure_endpoint == before.info.azure_endpoint
    assert after.send("GET", f"{after.scope}/resourcegroups/{GROUP}?api-version=2025-04-01").status == 200
    assert after.network.public_ip_addresses.get(GROUP, "ip").properties.ip_address == address
    client.reset(state)
    assert after.inventory() == {}


def test_what_was_under_way_has_ended_after_a_kill(state: Path, tmp_path: Path) -> None:
    before = Arm(client.ensure("api-only", state), tmp_path)
    before.use("azure: {operation_seconds: {'* publicIPAddresses': 60}}")
    before.group()
    body = {"location": LOCATION, "properties": {"publicIPAllocationMethod": "Static"}}
    before.network.public_ip_addresses.begin_create_or_update(GROUP, "ip", body)
    os.kill(before.info.pid, signal.SIGKILL)
    assert Waiter(first=0.02).until(lambda: client.status(state) is None, 5)
    after = Arm(client.ensure("api-only", state), tmp_path)
    found = after.network.public_ip_addresses.get(GROUP, "ip")
    assert (found.properties.provisioning_state, bool(found.properties.ip_address)) == ("Succeeded", True)


def test_each_cloud_looks_after_its_own_guests(state: Path, tmp_path: Path) -> None:
    info = client.ensure("api-only", state)
    before, aws = Arm(info, tmp_path), Sandbox(info, tmp_path)
    instance = aws.run()["InstanceId"]
    assert aws.reaches(instance, "running")
    machine(before)
    guests = before.ask("inventory")["guest"]
    assert sorted(guest.partition("-")[0] for guest in guests) == ["az", "i"]
    client.stop(state)
    after = Arm(client.ensure("api-only", state), tmp_path)
    assert after.ask("inventory")["guest"] == guests
    after.groups.resource_groups.begin_delete(GROUP).result()
    assert after.ask("inventory")["guest"] == [instance]
    client.reset(state)
    assert not any(after.ask("inventory").values())


def test_the_keys_are_for_their_owner_only(state: Path, tmp_path: Path) -> None:
    Arm(client.ensure("api-only", state), tmp_path).group()
    secret = [state / "azure" / "server.key", state / "azure.pickle"]
    assert [file.stat().st_mode & 0o077 for file in secret] == [0, 0]
    assert (state / "azure").stat().st_mode & 0o077 == 0
