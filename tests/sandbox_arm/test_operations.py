"""Long-running operations, injected faults, throttling, the call log and the answers of a busy cloud."""

from __future__ import annotations

import time

import pytest
from azure.core.exceptions import HttpResponseError

from tests.sandbox_arm.support import GROUP, LOCATION, Arm, refused

pytestmark = pytest.mark.slow

ADDRESS = {"location": LOCATION, "sku": {"name": "Standard"}, "properties": {"publicIPAllocationMethod": "Static"}}


@pytest.fixture(autouse=True)
def group(arm: Arm) -> None:
    arm.group()


def address_path(arm: Arm) -> str:
    return f"{arm.scope}/resourceGroups/{GROUP}/providers/Microsoft.Network/publicIPAddresses/ip?api-version=2025-05-01"


def test_an_operation_takes_the_time_of_the_scenario(arm: Arm) -> None:
    arm.use("azure: {operation_seconds: {PUT publicIPAddresses: 0.3}}")
    began = time.monotonic()
    poller = arm.network.public_ip_addresses.begin_create_or_update(GROUP, "ip", ADDRESS)
    assert poller.status() == "InProgress"
    assert arm.network.public_ip_addresses.get(GROUP, "ip").properties.ip_address is None
    assert poller.result().properties.ip_address
    assert time.monotonic() - began >= 0.3


def test_both_addresses_of_an_operation_tell_its_end(arm: Arm) -> None:
    arm.address()
    arm.use("azure: {operation_seconds: {DELETE publicIPAddresses: 1.5}, poll_seconds: 1}")
    accepted = arm.send("DELETE", address_path(arm))
    assert (accepted.status, accepted.body, accepted.headers["retry-after"]) == (202, None, "1")
    status, location = accepted.headers["azure-asyncoperation"], accepted.headers["location"]
    assert len(status) > 300  # signed and long, as the real ones: not for logs
    assert arm.send("GET", status).body["status"] == "InProgress"
    assert arm.send("GET", location).status == 202
    assert arm.reaches(lambda: arm.send("GET", status).body["status"] == "Succeeded")
    assert arm.send("GET", status).body["endTime"]
    assert arm.send("GET", location).status == 204


def test_a_group_is_polled_by_location_only(arm: Arm) -> None:
    accepted = arm.send("DELETE", f"{arm.scope}/resourcegroups/{GROUP}?api-version=2025-04-01")
    assert "azure-asyncoperation" not in accepted.headers
    assert arm.send("GET", accepted.headers["location"]).status == 200


def test_an_unknown_operation_is_not_found(arm: Arm) -> None:
    path = f"{arm.scope}/providers/Microsoft.Network/locations/eastus/operations/missing?api-version=2025-05-01"
    assert arm.send("GET", path).status == 404


def test_a_fault_at_once_is_told_with_its_code_and_status(arm: Arm) -> None:
    arm.use("azure: {faults: [{match: PUT .*/publicIPAddresses/, code: AnyCode, message: why, status: 409, times: 1}]}")
    with refused("AnyCode", 409) as found:
        arm.address()
    assert found.message == "why"
    assert arm.address().properties.ip_address


def test_a_fault_of_the_operation_leaves_a_failed_resource_behind(arm: Arm) -> None:
    arm.use("azure: {faults: [{match: PUT .*/publicIPAddresses/, code: AnyCode, async: true, nested: Cause}]}")
    poller = arm.network.public_ip_addresses.begin_create_or_update(GROUP, "ip", ADDRESS)
    with refused("AnyCode", 200) as found:
        poller.result()
    assert [detail.code for detail in found.details] == ["Cause"]
    assert arm.network.public_ip_addresses.get(GROUP, "ip").properties.provisioning_state == "Failed"


def test_a_deletion_that_fails_leaves_everything_there(arm: Arm) -> None:
    arm.address()
    arm.use("azure: {faults: [{match: DELETE .*/resourcegroups/, code: Stuck, async: true}]}")
    with refused("Stuck", 409):
        arm.groups.resource_groups.begin_delete(GROUP).result()
    arm.use("")
    assert arm.network.public_ip_addresses.get(GROUP, "ip").properties.ip_address
    arm.groups.resource_groups.begin_delete(GROUP).result()
    assert arm.inventory() == {}


def test_a_server_error_once_is_survived_by_the_sdk(arm: Arm) -> None:
    arm.use("azure: {faults: [{match: PUT .*/publicIPAddresses/, code: InternalServerError, status: 500, times: 1}]}")
    network = arm.client("network", retry_total=2, retry_backoff_factor=0.01)
    network.public_ip_addresses.begin_create_or_update(GROUP, "ip", ADDRESS).result()
    assert arm.ask("calls")["by_action"]["PUT publicIPAddresses"] == 2


def test_throttling_says_how_long_to_wait(arm: Arm) -> None:
    arm.use("throttling: [{action: PUT *, first: 1, retry_after: 17}]")
    answer = arm.send("PUT", address_path(arm), ADDRESS)
    assert (answer.status, answer.headers["retry-after"]) == (429, "17")
    assert answer.body["error"]["code"] == "SubscriptionRequestsThrottled"
    assert arm.send("PUT", address_path(arm), ADDRESS).status == 201


def test_compute_throttles_without_the_error_around_it(arm: Arm) -> None:
    arm.use("throttling: [{action: GET *, first: 1, retry_after: 1200}]")
    answer = arm.send("GET", f"{arm.scope}/providers/Microsoft.Compute/skus?api-version=2021-07-01")
    assert (answer.status, answer.headers["retry-after"]) == (429, "1200")
    assert answer.body["code"] == "OperationNotAllowed"
    assert answer.body["details"][0]["code"] == "TooManyRequests"


def test_latency_is_spent(arm: Arm) -> None:
    arm.use("latency_ms: {GET resourceGroups: 200}")
    began = time.monotonic()
    arm.groups.resource_groups.get(GROUP)
    assert time.monotonic() - began >= 0.2


def test_every_call_is_in_the_log(arm: Arm) -> None:
    arm.ask("calls", "DELETE")
    arm.address()
    with pytest.raises(HttpResponseError):
        arm.network.public_ip_addresses.get(GROUP, "missing")
    put, poll, get, missing = [call for call in arm.ask("calls")["calls"] if call["service"] == "azure"]
    assert (put["action"], put["region"], put["mutating"], put["status"]) == (
        "PUT publicIPAddresses",
        "eastus",
        True,
        201,
    )
    assert put["permission"] == "Microsoft.Network/publicIPAddresses/write"
    assert (poll["action"], poll["mutating"]) == ("GET operations", False)
    assert (get["action"], missing["error"]) == ("GET publicIPAddresses", "ResourceNotFound")


def test_what_is_being_deleted_is_not_changed(arm: Arm) -> None:
    arm.address()
    arm.use("azure: {operation_seconds: {DELETE publicIPAddresses: 0.5}}")
    deletion = arm.network.public_ip_addresses.begin_delete(GROUP, "ip")
    with refused("AnotherOperationInProgress", 409):
        arm.address()
    deletion.result()
    assert arm.address().properties.ip_address


def test_deleting_what_is_not_there_is_no_error(arm: Arm) -> None:
    arm.network.public_ip_addresses.begin_delete(GROUP, "missing").result()
    assert arm.send("DELETE", address_path(arm)).status == 204


@pytest.mark.parametrize(
    ("location", "code", "status"),
    [
        ("", "LocationRequired", 400),
        ("moonbase", "LocationNotAvailableForResourceType", 400),
        ("westus", "InvalidResourceLocation", 409),
    ],
)
def test_a_resource_says_where_it_is_and_stays_there(arm: Arm, location: str, code: str, status: int) -> None:
    arm.address()
    answer = arm.send("PUT", address_path(arm), {**ADDRESS, "location": location})
    assert (answer.status, answer.body["error"]["code"]) == (status, code)
