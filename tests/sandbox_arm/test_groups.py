"""Resource groups, generic lists and tags."""

from __future__ import annotations

from typing import Any

import pytest
from azure.core.exceptions import ResourceNotFoundError

from tests.sandbox_arm.support import GROUP, LOCATION, Arm, refused

pytestmark = pytest.mark.slow


def test_a_group_is_made_found_tagged_and_listed(arm: Arm) -> None:
    made = arm.group(owner="me")
    assert made.properties.provisioning_state == "Succeeded"
    assert arm.groups.resource_groups.check_existence(GROUP.upper())
    assert not arm.groups.resource_groups.check_existence("other")
    arm.groups.resource_groups.update(GROUP, {"tags": {"owner": "you"}})
    assert arm.groups.resource_groups.get(GROUP).tags == {"owner": "you"}
    assert [group.name for group in arm.groups.resource_groups.list()] == [GROUP]


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("tagName eq 'gpucloud-run'", ["one", "two"]),
        ("tagName eq 'GPUCLOUD-RUN' and tagValue eq '2'", ["two"]),
        ("tagName eq 'other'", []),
    ],
)
def test_groups_are_filtered_by_tag(arm: Arm, text: str, names: list[str]) -> None:
    arm.group("one", **{"gpucloud-run": "1"})
    arm.group("two", **{"gpucloud-run": "2"})
    arm.group("three")
    assert [group.name for group in arm.groups.resource_groups.list(filter=text)] == names


@pytest.mark.parametrize(
    ("name", "body", "code"),
    [
        ("fine", {}, "LocationRequired"),
        ("fine", {"location": "moonbase"}, "LocationNotAvailableForResourceGroup"),
        ("fine", {"location": LOCATION, "colour": "red"}, "InvalidRequestContent"),
        ("fine", {"location": LOCATION, "tags": {"a": 1}}, "InvalidRequestContent"),
        ("fine", {"location": LOCATION, "tags": {"a<b": "1"}}, "InvalidTagNameCharacters"),
        ("fine", {"location": LOCATION, "tags": {"a": "x" * 257}}, "InvalidTagValueLength"),
        ("fine", {"location": LOCATION, "tags": {str(n): "" for n in range(51)}}, "TooManyTags"),
        ("n" * 91, {"location": LOCATION}, "InvalidResourceGroupName"),
        ("a*b", {"location": LOCATION}, "InvalidResourceGroupName"),
        ("dot.", {"location": LOCATION}, "InvalidResourceGroupName"),
    ],
)
def test_a_wrong_group_is_refused(arm: Arm, name: str, body: dict[str, Any], code: str) -> None:
    answer = arm.send("PUT", f"{arm.scope}/resourcegroups/{name}?api-version=2025-04-01", body)
    assert (answer.status, answer.body["error"]["code"]) == (400, code)


def test_a_group_does_not_move(arm: Arm) -> None:
    arm.group()
    with refused("InvalidResourceGroupLocation", 409):
        arm.groups.resource_groups.create_or_update(GROUP, {"location": "westus"})


def test_deleting_a_group_takes_everything_in_it(arm: Arm) -> None:
    arm.group()
    arm.vnet()
    arm.firewall()
    arm.interface(publicIPAddress={"id": arm.address().id})
    arm.groups.resource_groups.begin_delete(GROUP).result()
    assert arm.inventory() == {}
    with refused("ResourceGroupNotFound", 404):
        arm.groups.resource_groups.begin_delete(GROUP)


def test_a_group_that_is_being_deleted_takes_nothing_in(arm: Arm) -> None:
    arm.group()
    arm.vnet()
    arm.use("azure: {operation_seconds: {DELETE resourceGroups: 0.3}}")
    deletion = arm.groups.resource_groups.begin_delete(GROUP)
    assert arm.groups.resource_groups.get(GROUP).properties.provisioning_state == "Deleting"
    with refused("ResourceGroupBeingDeleted", 409):
        arm.address()
    with refused("ResourceGroupBeingDeleted", 409):
        arm.group()
    deletion.result()
    assert arm.inventory() == {}


def test_a_second_deletion_joins_the_first(arm: Arm) -> None:
    arm.group()
    arm.use("azure: {operation_seconds: {DELETE resourceGroups: 0.3}}")
    first, second = (arm.groups.resource_groups.begin_delete(GROUP) for _ in range(2))
    first.result()
    second.result()
    assert arm.inventory() == {}


def test_force_deletion_is_for_machines_only(arm: Arm) -> None:
    arm.group()
    with refused("InvalidForceDeletionTypes", 400):
        arm.groups.resource_groups.begin_delete(GROUP, force_deletion_types="Microsoft.Compute/disks")
    arm.groups.resource_groups.begin_delete(GROUP, force_deletion_types="Microsoft.Compute/virtualMachines").result()


def test_a_group_whose_network_is_used_from_outside_stays(arm: Arm) -> None:
    arm.group()
    arm.group("other")
    arm.vnet()
    network = f"{arm.scope}/resourceGroups/{GROUP}/providers/Microsoft.Network/virtualNetworks/vnet"
    configuration = {"name": "main", "properties": {"subnet": {"id": f"{network}/subnets/default"}}}
    body = {"location": LOCATION, "properties": {"ipConfigurations": [configuration]}}
    arm.network.network_interfaces.begin_create_or_update("other", "nic", body).result()
    with refused("ResourceGroupDeletionBlocked", 409):
        arm.groups.resource_groups.begin_delete(GROUP).result()
    assert len(arm.inventory()["azure-resource-group"]) == 2


def test_what_is_in_a_group_is_listed_without_properties(arm: Arm) -> None:
    arm.group()
    arm.vnet()
    arm.address()
    found = {resource.name: resource for resource in arm.groups.resources.list_by_resource_group(GROUP)}
    assert {name: resource.type for name, resource in found.items()} == {
        "vnet": "Microsoft.Network/virtualNetworks",
        "ip": "Microsoft.Network/publicIPAddresses",
    }
    assert found["ip"].properties is None
    with pytest.raises(ResourceNotFoundError):
        list(arm.groups.resources.list_by_resource_group("missing"))


def test_the_subscription_is_searched_by_tag_and_by_type(arm: Arm) -> None:
    arm.group()
    arm.address("one")
    arm.vnet()
    scope = f"{arm.scope}/resourceGroups/{GROUP}/providers/Microsoft.Network/publicIPAddresses/one"
    arm.groups.tags.begin_update_at_scope(scope, {"operation": "Merge", "properties": {"tags": {"run": "7"}}}).result()

    def search(text: str) -> list[str]:
        return [resource.name for resource in arm.groups.resources.list(filter=text)]

    assert search("tagName eq 'run' and tagValue eq '7'") == ["one"]
    assert search("resourceType eq 'Microsoft.Network/virtualNetworks'") == ["vnet"]
    assert search("resourceGroup eq 'nowhere'") == []
    with refused("InvalidFilterInQueryString", 400):
        search("color eq 'red'")
    with refused("InvalidFilterInQueryString", 400):
        search("tagName eq 'run' and resourceType eq 'Microsoft.Network/virtualNetworks'")


def test_tags_are_merged_replaced_and_deleted_at_any_scope(arm: Arm) -> None:
    arm.group(a="1")
    arm.address()
    ip = f"{arm.scope}/resourceGroups/{GROUP}/providers/Microsoft.Network/publicIPAddresses/ip"

    def change(scope: str, how: str, tags: dict[str, str]) -> dict[str, str]:
        body = {"operation": how, "properties": {"tags": tags}}
        arm.groups.tags.begin_update_at_scope(scope, body).result()
        found: dict[str, str] = arm.groups.tags.get_at_scope(scope).properties.tags
        return found

    assert change(f"{arm.scope}/resourceGroups/{GROUP}", "Merge", {"b": "2"}) == {"a": "1", "b": "2"}
    assert change(ip, "Merge", {"x": "1", "y": "2"}) == {"x": "1", "y": "2"}
    assert change(ip, "Delete", {"x": "1"}) == {"y": "2"}
    assert change(ip, "Replace", {"z": "3"}) == {"z": "3"}
    assert arm.network.public_ip_addresses.get(GROUP, "ip").tags == {"z": "3"}


@pytest.mark.parametrize("size", [1, 2, 3, 100])
def test_lists_come_in_pages(arm: Arm, size: int) -> None:
    names = ["one", "two", "three"]
    for name in names:
        arm.group(name, run="7")
    arm.use(f"azure: {{page_size: {size}}}")
    assert [g.name for g in arm.groups.resource_groups.list(filter="tagName eq 'run' and tagValue eq '7'")] == names
    first = arm.get(f"{arm.scope}/resourcegroups", "2025-04-01")
    assert len(first["value"]) == min(size, 3)
    assert ("nextLink" in first) == (size < 3)


def test_top_asks_for_smaller_pages(arm: Arm) -> None:
    for name in ("one", "two", "three"):
        arm.group(name)
    page = arm.get(f"{arm.scope}/resourcegroups", "2025-04-01", **{"$top": "2"})
    assert [group["name"] for group in page["value"]] == ["one", "two"]
    rest = arm.send("GET", page["nextLink"]).body
    assert [group["name"] for group in rest["value"]] == ["three"]
