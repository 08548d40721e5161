"""The Azure provider: the contract of providers/base.py, made of this folder's parts."""

from __future__ import annotations

import builtins
import ssl
import urllib.error
import urllib.request
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import UTC, datetime
from http import HTTPStatus

from azure.core import MatchConditions

from gpucloud.errors import CapacityError, NotFound, PreflightFailed, Problem, Unreachable
from gpucloud.machine import TAG_EXPIRES, TAG_RUN, Headroom, Machine, Resource, Spec
from gpucloud.parallel import together
from gpucloud.providers.azure import preflight, resources, schedule
from gpucloud.providers.azure.clients import SUBSCRIPTIONS_API, Clients
from gpucloud.providers.azure.describe import (
    TAG_STARTED,
    Described,
    acceptable,
    machine_from,
    part_of,
    power_of,
    statuses_of,
    time_of,
)
from gpucloud.providers.azure.errors import translated
from gpucloud.providers.azure.launch import Launch
from gpucloud.providers.azure.launch_plan import Plan
from gpucloud.providers.azure.operations import accepted, finished, in_its_turn
from gpucloud.providers.azure.resources import COMPUTE_API, MACHINES, NETWORK_API
from gpucloud.providers.azure.settings import AzureSettings
from gpucloud.saga import Facts, Step
from gpucloud.waiting import Waiter

NO_HARDWARE = "Azure kept no hardware for it: try later, or `gpucloud down` it and make another elsewhere"

START_TIMEOUT = 900.0
"""Seconds for a start; a GPU machine takes one to three minutes."""
UPDATE_TIMEOUT = 120.0
"""Seconds for a change of tags; measured in practice: under 5."""
LOG_TIMEOUT, LOG_BYTES = 30.0, 1 << 20
"""Seconds for the boot log to come, and how much of it; Azure keeps a megabyte."""


class AzureProvider:
    """See `gpucloud.providers.base.Provider`. Listings show the machines of every region."""

    name = "azure"
    guest_ends_billing = False

    def __init__(
        self, settings: AzureSettings, region: str, regions: Sequence[str] = (), waiter: Waiter | None = None
    ) -> None:
        self._settings, self._waiter = settings, waiter or Waiter()
        self._clients = Clients(settings)
        self._plans: dict[tuple[object, ...], Plan] = {}
        self._headroom: dict[tuple[str, ...], Headroom | None] = {}

    def preflight(self, spec: Spec) -> builtins.list[Problem]:
        findings = preflight.examine(self._clients, spec)
        if findings.plan:
            self._plans[_question(spec)] = findings.plan
        self._headroom[_pool(spec)] = findings.headroom
        return [*findings.problems]

    def headroom(self, spec: Spec) -> Headroom | None:
        return self._headroom.get(_pool(spec))

    def launch_steps(self, spec: Spec, run: str) -> builtins.list[Step]:
        work = Launch(self._clients, self._waiter, spec, run)

        def make_group(facts: Facts) -> Facts:
            self._plan(spec)
            return work.make_group()

        does: dict[str, Callable[[Facts], Facts]] = {
            "resource-group": make_group,
            "network": lambda facts: work.make_network(self._plan(spec)),
            "network-interface": lambda facts: work.make_interface(facts, self._plan(spec)),
            "instance": lambda facts: work.make_machine(facts, self._plan(spec)),
        }
        if spec.ttl_minutes is not None:
            does["schedule"] = lambda facts: work.make_schedule(facts["id"])

        def undo(facts: Facts) -> bool:
            """Everything of a run is in its group, so whichever step is undone first takes all the others along."""
            return resources.delete_group(self._clients, self._waiter, run)

        return [Step(id, f"gpucloud-{run}-{id}", do, undo) for id, do in does.items()]

    def _plan(self, spec: Spec) -> Plan:
        """What the preflight learnt; it is done now if it was left out."""
        if _question(spec) not in self._plans and (problems := self.preflight(spec)):
            raise PreflightFailed(problems)
        return self._plans[_question(spec)]

    def get(self, machine_id: str) -> Machine:
        group, _ = _names(machine_id)
        around = f"resourceGroups/{group}/"
        vm, addresses = together(lambda: self._described(machine_id), lambda: self._addresses(around))
        return self._machine(vm, statuses_of(vm), addresses)

    def regions(self) -> builtins.list[str]:
        with translated("list the regions of the subscription"):
            places = self._clients.pages("locations", SUBSCRIPTIONS_API)
        return sorted(place["name"] for place in places if place["metadata"]["regionType"] == "Physical")

    def everywhere(self) -> AzureProvider:
        return self

    def list(self) -> builtins.list[Machine]:
        """Three calls, at the same time. `statusOnly` is documented to answer with the run-time status of every VM,
        not with its tags and size, so these are asked for too."""
        self._clients.check_credentials()  # once: where that fails, each of the calls would try it again and again
        machines, running, addresses = together(
            self._machines, lambda: self._machines(statusOnly="true"), lambda: self._addresses("")
        )
        statuses = {each["id"].lower(): statuses_of(each) for each in running}
        ours = [vm for vm in machines if TAG_RUN in (vm.get("tags") or {})]
        return [self._machine(vm, statuses.get(vm["id"].lower(), []), addresses) for vm in ours]

    def _machines(self, **query: str) -> builtins.list[Described]:
        with translated("list the machines of the subscription"):
            return [*self._clients.pages(MACHINES, COMPUTE_API, **query)]

    def _machine(self, vm: Described, statuses: builtins.list[Described], addresses: Mapping[str, str]) -> Machine:
        interfaces = vm["properties"].get("networkProfile", {}).get("networkInterfaces", [])
        found = (addresses.get(each["id"].lower()) for each in interfaces)
        address = next((each for each in found if each), None)
        return machine_from(vm, statuses, address, self._settings.ssh_port)

    def _addresses(self, scope: str) -> dict[str, str]:
        """The public addresses of the subscription or of a group, by the id of the interface, in lower case."""
        with translated("list the public addresses"):
            every = self._clients.pages(f"{scope}providers/Microsoft.Network/publicIPAddresses", NETWORK_API)
        used = (each["properties"] for each in every if each["properties"].get("ipConfiguration"))
        return {
            each["ipConfiguration"]["id"].lower().partition("/ipconfigurations/")[0]: each["ipAddress"]
            for each in used
            if each.get("ipAddress")
        }

    def _described(self, machine_id: str) -> Described:
        """One of our VMs with its instance view. Raises NotFound."""
        _, name = _names(machine_id)
        query = {"$expand": "instanceView"}
        with translated(f"look at the machine {name}"):
            vm: Described = self._clients.get(machine_id, COMPUTE_API, **query)
        if TAG_RUN not in (vm.get("tags") or {}):
            raise NotFound(f"no machine {machine_id}", "the VM of that id was not made by gpucloud")
        return vm

    def _living(self, machine_id: str) -> Described:
        vm = self._described(machine_id)
        if vm["properties"].get("provisioningState") == "Deleting":
            raise NotFound(f"no machine {vm['name']}", f"{machine_id} is being deleted")
        return vm

    def start(self, machine_id: str) -> None:
        """Waits for the end of the operation: Azure accepts it first, and looks for hardware afterwards."""
        vm = self._living(machine_id)
        power = power_of(statuses_of(vm))
        if power == "starting" or (power == "running" and vm["properties"].get("provisioningState") != "Updating"):
            return
        begin, (group, name) = self._clients.compute.virtual_machines.begin_start, _names(machine_id)
        try:
            in_its_turn(self._waiter, lambda: finished(f"start {name}", lambda: begin(group, name), START_TIMEOUT))
        except CapacityError as error:
            error.remedy = NO_HARDWARE
            raise
        if power != "stopped":  # that was billed all the time
            self.set_tags(machine_id, {TAG_STARTED: datetime.now(UTC).isoformat(timespec="seconds")})

    def stop(self, machine_id: str) -> None:
        if power_of(statuses_of(self._living(machine_id))) in ("deallocating", "deallocated"):
            return
        begin, (group, name) = self._clients.compute.virtual_machines.begin_deallocate, _names(machine_id)
        in_its_turn(self._waiter, lambda: accepted(f"stop {name}", lambda: begin(group, name, polling=False)))

    def terminate(self, machine_id: str) -> None:
        """Takes the machine's whole group along if it is its run's own, and otherwise the machine alone."""
        try:
            run = self._described(machine_id)["tags"][TAG_RUN]
            self._begin_end(machine_id, run)
        except NotFound:
            return

    def _begin_end(self, machine_id: str, run: str) -> None:
        group, name = _names(machine_id)
        around = resources.group(self._clients, group)
        if around and resources.is_of(around, run):
            in_its_turn(self._waiter, lambda: resources.begin_to_delete_group(self._clients, run))
        else:
            begin = self._clients.compute.virtual_machines.begin_delete
            in_its_turn(self._waiter, lambda: accepted(f"remove {name}", lambda: begin(group, name, polling=False)))

    def resources(self, run: str) -> builtins.list[Resource]:
        return resources.of_run(self._clients, run)

    def orphans(self, live_runs: Collection[str]) -> builtins.list[Resource]:
        return resources.of_no_run(self._clients, live_runs)

    def delete(self, resource: Resource) -> None:
        resources.delete(self._clients, self._waiter, resource)

    def set_tags(self, machine_id: str, tags: dict[str, str]) -> None:
        """Azure replaces all tags at once, so they are read first, and written only if nobody else has meanwhile."""
        group, name = _names(machine_id)

        def merge() -> None:
            vm = self._living(machine_id)
            merged = acceptable({**vm["tags"], **tags})
            begin = self._clients.compute.virtual_machines.begin_update
            unchanged = {"etag": vm["etag"], "match_condition": MatchConditions.IfNotModified} if "etag" in vm else {}
            finished(f"tag {name}", lambda: begin(group, name, {"tags": merged}, **unchanged), UPDATE_TIMEOUT)

        in_its_turn(self._waiter, merge)

    def expire_at(self, machine_id: str, end: datetime) -> None:
        """The clock first: should the tag fail, the machine lives as long as was asked for and is listed wrongly."""
        vm = self._living(machine_id)
        schedule.check_move(datetime.now(UTC), end, time_of(vm["tags"].get(TAG_EXPIRES, "")))
        tags = {**vm["tags"], TAG_EXPIRES: end.isoformat()}
        schedule.arm(self._clients, vm["id"], vm["location"], tags, end)
        self.set_tags(machine_id, {TAG_EXPIRES: end.isoformat()})

    def console(self, machine_id: str) -> str:
        self._living(machine_id)
        group, name = _names(machine_id)
        with translated(f"read the console of {name}"):
            answer = self._clients.compute.virtual_machines.retrieve_boot_diagnostics_data(group, name)
        return self._fetch(answer.serial_console_log_blob_uri) if answer.serial_console_log_blob_uri else ""

    def _fetch(self, url: str) -> str:
        """The text behind a signed link, or "" if there is none yet."""
        settings = self._settings
        trusting = urllib.request.HTTPSHandler(context=ssl.create_default_context(cafile=settings.ca_file or None))
        direct = [urllib.request.ProxyHandler({})] if settings.client_secret else []
        try:
            with urllib.request.build_opener(trusting, *direct).open(url, timeout=LOG_TIMEOUT) as answer:
                return str(answer.read(LOG_BYTES).decode("utf-8", "replace"))
        except urllib.error.HTTPError as exc:
            exc.close()  # it is an answer, too, and holds its connection
            if exc.code != HTTPStatus.NOT_FOUND:
                raise Unreachable("cannot read the boot log", f"Azure's storage answers {exc.code}") from exc
            return ""
        except OSError as exc:
            raise Unreachable("cannot read the boot log", str(exc), "check the network and the proxy") from exc


def _pool(spec: Spec) -> tuple[str, ...]:
    """The part of a spec that its quota depends on."""
    return (spec.region, spec.type, "spot" if spec.spot else "")


def _question(spec: Spec) -> tuple[object, ...]:
    """The part of a spec that a plan answers."""
    return (spec.region, spec.type, spec.image, spec.zone, spec.ssh_from, spec.spot)


def _names(machine_id: str) -> tuple[str, str]:
    """The group and the name of a VM, as the SDK wants them. Raises NotFound for what is no VM's id."""
    group, name = part_of(machine_id, "resourceGroups"), part_of(machine_id, "virtualMachines")
    if not (group and name):
        raise NotFound(f"no machine {machine_id}", "that is not the id of an Azure VM")
    return group, name
