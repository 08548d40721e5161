"""What is found of a run on Azure, what is removed, and what is left alone."""

from __future__ import annotations

from typing import Any

import pytest

from gpucloud.errors import CloudError, MayStillCost
from gpucloud.machine import TAG_RUN, Resource
from gpucloud.providers.azure import resources
from gpucloud.providers.azure.describe import part_of
from gpucloud.providers.azure.provider import AzureProvider
from gpucloud.waiting import Waiter
from tests.providers.support import Cloud
from tests.providers.test_azure_launch import azure_provider, fault, left

pytestmark = pytest.mark.slow

ELSEWHERE = "team"


def loose_address(provider: AzureProvider, run: str) -> str:
    """A public address with a run's tag in a group that is not the run's; its id."""
    clients = provider._clients
    clients.groups.resource_groups.create_or_update(ELSEWHERE, {"location": "eastus"})
    body = {
        "location": "eastus",
        "tags": {TAG_RUN: run},
        "sku": {"name": "Standard"},
        "properties": {"publicIPAllocationMethod": "Static"},
    }
    return str(clients.network.public_ip_addresses.begin_create_or_update(ELSEWHERE, "loose", body).result().id)


def described(kind: str, **fields: Any) -> dict[str, Any]:
    id = f"/subscriptions/s/resourceGroups/GPUCLOUD-RUN1/providers/{kind}/x"
    return {"id": id, "type": kind, "location": "eastus", **fields}


def test_what_carries_the_tag_elsewhere_belongs_to_the_run_too(azure: Cloud) -> None:
    provider = azure_provider(azure)
    azure.launch(provider)
    loose = loose_address(provider, "run1")
    found = provider.resources("run1")
    assert loose in {each.id for each in found}
    for each in found:
        provider.delete(each)
    assert provider.resources("run1") == []
    (around,) = left(azure)["azure-resource-group"]
    assert part_of(around, "resourceGroups") == ELSEWHERE, "the group around it was not ours"


def test_a_loose_resource_of_a_run_that_has_no_group_is_an_orphan(azure: Cloud) -> None:
    provider = azure_provider(azure)
    loose = loose_address(provider, "run9")
    assert provider.orphans(["run9"]) == []
    assert provider.orphans([]) == [Resource("public-ip", loose, "eastus", "run9", costs=True)]


def test_what_carries_no_tag_is_of_the_run_whose_group_it_lies_in() -> None:
    untagged = described("Microsoft.Compute/disks")
    (disk,) = resources._resources([untagged, untagged], {"gpucloud-run1": "run1"}, {})
    assert (disk.kind, disk.run, disk.costs) == ("disk", "run1", True)
    assert resources._resources([untagged], {}, {}) == []


@pytest.mark.parametrize(
    ("power", "costs"), [("deallocated", False), ("stopped", True), ("running", True), (None, True)]
)
def test_a_machine_costs_unless_it_is_known_to_be_deallocated(power: str | None, costs: bool) -> None:
    vm = described("Microsoft.Compute/virtualMachines", tags={TAG_RUN: "run1"})
    powers = {vm["id"].lower(): power} if power else {}
    (machine,) = resources._resources([vm], {}, powers)
    assert machine.costs is costs


def test_a_kind_that_we_never_make_is_named_after_its_type_and_may_cost() -> None:
    (other,) = resources._resources([described("Microsoft.Storage/storageAccounts", tags={TAG_RUN: "run1"})], {}, {})
    assert (other.kind, other.costs) == ("storageAccounts", True)


def test_how_to_remove_a_kind_that_we_never_make_is_asked(azure: Cloud) -> None:
    clients = azure_provider(azure)._clients
    id = described("Microsoft.Storage/storageAccounts")["id"]
    assert resources._api_version(clients, id)
    assert azure.calls()[-1]["action"] == "GET Microsoft.Storage"


def test_a_part_is_waited_for_while_its_machine_ends(azure: Cloud) -> None:
    """Azure says NicInUse of an attached interface, and takes it away together with the machine."""
    provider = azure_provider(azure)
    azure.launch(provider)
    found = {each.kind: each for each in provider.resources("run1")}
    azure.use("azure: {operation_seconds: {'DELETE virtualMachines': 0.8}}")
    names = (part_of(found["instance"].id, kind) for kind in ("resourceGroups", "virtualMachines"))
    provider._clients.compute.virtual_machines.begin_delete(*names, polling=False)
    provider.delete(found["network-interface"])
    assert "network-interface" not in {each.kind for each in provider.resources("run1")}


def test_one_resource_is_removed_alone(azure: Cloud) -> None:
    provider = azure_provider(azure)
    azure.launch(provider, azure.spec(ttl_minutes=60))
    before = provider.resources("run1")
    (clock,) = (each for each in before if each.kind == "schedule")
    provider.delete(clock)
    provider.delete(clock)
    assert provider.resources("run1") == [each for each in before if each != clock]


def test_terminate_takes_the_machine_alone_from_a_group_that_is_not_its_runs(azure: Cloud) -> None:
    provider = azure_provider(azure)
    machine_id = azure.launch(provider)
    groups = provider._clients.groups.resource_groups
    groups.create_or_update("gpucloud-run1", {"location": "eastus", "tags": {"team": "other"}})
    provider.terminate(machine_id)
    assert Waiter(first=0.05).until(lambda: not provider.list(), 10)
    assert "azure-virtual-network" in left(azure)


def test_terminate_takes_the_whole_group_of_its_run(azure: Cloud) -> None:
    provider = azure_provider(azure)
    provider.terminate(azure.launch(provider))
    assert Waiter(first=0.05).until(lambda: not left(azure), 10)


def test_what_keeps_being_in_use_may_still_cost(azure: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    provider = azure_provider(azure)
    azure.launch(provider)
    (interface,) = (each for each in provider.resources("run1") if each.kind == "network-interface")
    monkeypatch.setattr(resources, "GONE_TIMEOUT", 0.5)
    with pytest.raises(MayStillCost, match="does not go away: .*NicInUse"):
        provider.delete(interface)


def test_a_lock_is_told_at_once(azure: Cloud) -> None:
    provider = azure_provider(azure)
    azure.launch(provider)
    azure.use(fault(match="DELETE .*/resourcegroups/[^/]*$", code="ScopeLocked"))
    with pytest.raises(Exception, match="ScopeLocked") as caught:
        provider.delete(provider.resources("run1")[0])
    assert not isinstance(caught.value, (CloudError, MayStillCost))
