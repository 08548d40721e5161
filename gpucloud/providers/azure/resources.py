"""What a launch leaves in the subscription: how it is found, removed, and known to be gone."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

from gpucloud.errors import CloudError, GpucloudError, MayStillCost, NotFound
from gpucloud.machine import TAG_OWNER, TAG_RUN, Resource
from gpucloud.parallel import in_parallel, together
from gpucloud.providers.azure.clients import Clients
from gpucloud.providers.azure.describe import Described, group_name, part_of, power_of, statuses_of
from gpucloud.providers.azure.errors import translated
from gpucloud.providers.azure.operations import Unfinished, accepted, finished, is_busy
from gpucloud.waiting import Waiter

GONE_TIMEOUT = 1200.0
"""Seconds for a resource to go. A group takes two to ten minutes; a network interface whose VM failed is reserved for
another three, and the group's deletion may fail meanwhile and has to be asked for again."""

RESOURCES_API = "2021-04-01"
COMPUTE_API = "2024-11-01"
NETWORK_API = "2024-05-01"
SCHEDULES_API = "2018-09-15"

MACHINES = "providers/Microsoft.Compute/virtualMachines"


@dataclass(frozen=True)
class Kind:
    """A kind of resource: our name for it, the API version that deletes it, and whether it is billed by itself."""

    name: str
    api_version: str
    costs: bool = False


GROUP = "resource-group"
INSTANCE = "instance"
KINDS = {
    "microsoft.resources/resourcegroups": Kind(GROUP, RESOURCES_API),
    "microsoft.compute/virtualmachines": Kind(INSTANCE, COMPUTE_API, costs=True),
    "microsoft.devtestlab/schedules": Kind("schedule", SCHEDULES_API),
    "microsoft.network/networkinterfaces": Kind("network-interface", NETWORK_API),
    "microsoft.compute/disks": Kind("disk", "2024-03-02", costs=True),
    "microsoft.network/publicipaddresses": Kind("public-ip", NETWORK_API, costs=True),
    "microsoft.network/networksecuritygroups": Kind("security-group", NETWORK_API),
    "microsoft.network/virtualnetworks": Kind("virtual-network", NETWORK_API),
}
"""Type, in lower case, → kind. In the order of removal: the group takes everything along, a machine holds the rest."""


def of_run(clients: Clients, run: str) -> list[Resource]:
    """The run's group, everything in it, and whatever else carries the run's tag."""
    name = group_name(run)
    found, inside, tagged, power = together(
        lambda: group(clients, name),
        lambda: _inside(clients, name),
        lambda: _tagged(clients, "resources", run),
        lambda: _power(clients),
    )
    ours = [found] if found and is_of(found, run) else []
    return _resources([*ours, *(inside if ours else []), *tagged], {name: run}, power)


def of_no_run(clients: Clients, live_runs: Collection[str]) -> list[Resource]:
    """The same for every run but these."""
    groups, tagged, power = together(
        lambda: _tagged(clients, "resourcegroups"), lambda: _tagged(clients, "resources"), lambda: _power(clients)
    )
    runs = {each["name"].lower(): each["tags"][TAG_RUN] for each in groups if is_of(each, each["tags"][TAG_RUN])}
    dead = [each for each in groups if runs.get(each["name"].lower(), "") not in ("", *live_runs)]
    inside = in_parallel(lambda each: _inside(clients, each["name"]), dead)
    loose = [each for each in tagged if each["tags"][TAG_RUN] not in live_runs]
    return _resources([*dead, *(each for part in inside for each in part), *loose], runs, power)


def group(clients: Clients, name: str) -> Described | None:
    """A resource group, or None if there is none of that name."""
    try:
        with translated(f"look at the resource group {name}"):
            found: Described = clients.get(f"resourcegroups/{name}", RESOURCES_API)
    except NotFound:
        return None
    return found


def is_of(group: Described, run: str) -> bool:
    """Was this group made for the run? Its name alone proves nothing: anybody may have chosen it."""
    return bool((group.get("tags") or {}).get(TAG_RUN) == run and group["name"].lower() == group_name(run).lower())


def delete_group(clients: Clients, waiter: Waiter, run: str) -> bool:
    """Remove the run's group and everything in it, and wait until it is gone; False if there was none.

    Raises CloudError for a group of that name that is somebody else's, MayStillCost if it does not go.
    """
    name = group_name(run)

    def look() -> Described | None:
        found = group(clients, name)
        if found and not is_of(found, run):
            why = f"it does not carry the tag {TAG_RUN}={run}"
            raise CloudError(f"the resource group {name} is not ours", why, f"look at it: `az group show -n {name}`")
        return found

    def remove() -> None:
        finished(f"remove the resource group {name}", lambda: _begin_to_delete(clients, name), GONE_TIMEOUT)

    if not look():
        return False
    _until_gone(waiter, f"the resource group {name}", look, remove)
    return True


def begin_to_delete_group(clients: Clients, run: str) -> None:
    """Ask for the end of the run's group, which has been seen to be the run's; return when accepted."""
    name = group_name(run)
    accepted(f"remove the resource group {name}", lambda: _begin_to_delete(clients, name, polling=False))


def _begin_to_delete(clients: Clients, name: str, **options: Any) -> Any:
    """Machines are forced: there is nothing on them to be shut down in order for."""
    begin = clients.groups.resource_groups.begin_delete
    return begin(name, force_deletion_types="Microsoft.Compute/virtualMachines", **options)


def delete(clients: Clients, waiter: Waiter, resource: Resource) -> None:
    """Remove a resource and wait until it is gone; absence is success. Raises MayStillCost after GONE_TIMEOUT."""
    if resource.kind == GROUP:
        delete_group(clients, waiter, resource.run)
        return
    what, version = f"the {resource.kind} {resource.id}", _api_version(clients, resource.id)

    def look() -> Described | None:
        try:
            with translated(f"look at {what}"):
                found: Described = clients.get(resource.id, version)
        except NotFound:
            return None
        return found

    def remove() -> None:
        begin = clients.groups.resources.begin_delete_by_id
        finished(f"remove {what}", lambda: begin(resource.id, api_version=version), GONE_TIMEOUT)

    if look():
        _until_gone(waiter, what, look, remove)


def _until_gone(waiter: Waiter, what: str, look: Callable[[], Described | None], remove: Callable[[], None]) -> None:
    """Remove it, again while something that is going still holds it, until it is not seen any more."""
    refused: list[GpucloudError] = []

    def gone() -> bool:
        refused.clear()
        try:
            remove()
        except NotFound:
            return True
        except GpucloudError as error:
            if not is_busy(error):
                raise
            refused.append(error)
        return not look()

    remedy = "run `gpucloud down` again, or see the Azure portal"
    try:
        if not waiter.until(gone, GONE_TIMEOUT):
            why = str(refused[0]) if refused else f"after {GONE_TIMEOUT:g} s"
            raise MayStillCost(f"{what} does not go away", why, remedy)
    except Unfinished as error:
        raise MayStillCost(f"{what} does not go away", error.why, remedy) from error


def _inside(clients: Clients, group: str) -> list[Described]:
    try:
        with translated(f"list what is in the resource group {group}"):
            return clients.pages(f"resourceGroups/{group}/resources", RESOURCES_API)
    except NotFound:
        return []


def _tagged(clients: Clients, what: str, run: str = "") -> list[Described]:
    """The groups or resources with our tag, of one run or of every."""
    value = f" and tagValue eq '{run}'" if run else ""
    query = {"$filter": f"tagName eq '{TAG_RUN}'{value}"}
    with translated(f"list the {what} with our tag"):
        return clients.pages(what, RESOURCES_API, **query)


def _power(clients: Clients) -> dict[str, str]:
    """The power state of every VM of the subscription, by its id in lower case."""
    with translated("list the power states of the machines"):
        machines = clients.pages(MACHINES, COMPUTE_API, statusOnly="true")
    return {each["id"].lower(): power_of(statuses_of(each)) for each in machines}


def _resources(found: list[Described], runs: Mapping[str, str], power: Mapping[str, str]) -> list[Resource]:
    """Each of them once, in the order of removal. What carries no tag is of the run whose group it lies in."""
    once = {each["id"].lower(): each for each in found}
    made = [_resource(each, runs, power) for each in sorted(once.values(), key=_turn)]
    return [each for each in made if each.run]


def _resource(one: Described, runs: Mapping[str, str], power: Mapping[str, str]) -> Resource:
    kind = _kind(one["type"])
    tags = one.get("tags") or {}
    run = tags.get(TAG_RUN) or runs.get(part_of(one["id"], "resourceGroups").lower(), "")
    costs = kind.costs and power.get(one["id"].lower()) != "deallocated"
    return Resource(kind.name, one["id"], one["location"], run, costs, tags.get(TAG_OWNER, ""))


def _turn(one: Described) -> int:
    kinds = [*KINDS]
    return kinds.index(one["type"].lower()) if one["type"].lower() in KINDS else len(kinds)


def _kind(type_: str) -> Kind:
    """A kind that we do not make ourselves goes by the last word of its type; whether it costs is not known."""
    return KINDS.get(type_.lower()) or Kind(type_.rsplit("/", 1)[-1], "", costs=True)


def _api_version(clients: Clients, id: str) -> str:
    """The API version that deletes a resource: ours, or the newest that its provider knows."""
    namespace, _, rest = id.rpartition("/providers/")[2].partition("/")
    words = "/".join(rest.split("/")[::2]).lower()
    if known := KINDS.get(f"{namespace}/{words}".lower()):
        return known.api_version
    with translated(f"ask how to remove {id}"):
        types = clients.get(f"providers/{namespace}", RESOURCES_API)["resourceTypes"]
    return str(next(each["apiVersions"][0] for each in types if each["resourceType"].lower() == words))
