"""The AWS provider: the contract of providers/base.py, made of this folder's parts."""

from __future__ import annotations

import builtins
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from copy import copy
from datetime import datetime
from typing import Any, TypeVar

from gpucloud.errors import CloudError, GpucloudError, NotFound, PreflightFailed, Problem
from gpucloud.machine import TAG_EXPIRES, TAG_RUN, Headroom, Machine, Resource, Spec, State
from gpucloud.providers.aws import preflight, resources
from gpucloud.providers.aws.clients import Clients
from gpucloud.providers.aws.describe import LIVING, Filters, machine_from, tagged, to_aws, where
from gpucloud.providers.aws.errors import code_of, translated
from gpucloud.providers.aws.launch import Launch, Plan
from gpucloud.providers.aws.settings import AwsSettings
from gpucloud.saga import CONSISTENCY_WINDOW, Facts, Step
from gpucloud.waiting import Waiter

T = TypeVar("T")
U = TypeVar("U")

SETTLE_TIMEOUT = 600.0
"""Seconds for an instance to leave the state between two others; a GPU machine takes minutes to stop."""
THREADS = 40
"""More than AWS has regions: none has to wait for the answer of another one."""

OURS = where(tag_key=TAG_RUN)
GONE = (State.TERMINATING, State.TERMINATED)


class AwsProvider:
    """See `gpucloud.providers.base.Provider`. Machines are looked for in `region` and in `regions`."""

    name = "aws"
    guest_ends_billing = True

    def __init__(
        self, settings: AwsSettings, region: str, regions: Sequence[str] = (), waiter: Waiter | None = None
    ) -> None:
        self._settings, self._waiter = settings, waiter or Waiter()
        self._clients = Clients(settings)
        self._regions = list(dict.fromkeys([region, *regions]))
        self._plans: dict[tuple[str, ...], Plan] = {}
        self._headroom: dict[tuple[str, ...], Headroom | None] = {}
        self._seen: dict[str, str] = {}

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
        group_name, instance_name = f"gpucloud-{run}-security-group", f"gpucloud-{run}-instance"

        def make_group(facts: Facts) -> Facts:
            return {"security_group": work.make_group(group_name, self._plan(spec))}

        def make_instance(facts: Facts) -> Facts:
            made = work.make_instance(facts["security_group"], self._plan(spec))
            self._seen[made["id"]] = spec.region
            return made

        return [
            Step("security-group", group_name, make_group, self._undo("security-group", "security_group", spec, run)),
            Step("instance", instance_name, make_instance, self._undo("instance", "id", spec, run)),
        ]

    def _plan(self, spec: Spec) -> Plan:
        """What the preflight learnt; it is done now if it was left out."""
        if _question(spec) not in self._plans and (problems := self.preflight(spec)):
            raise PreflightFailed(problems)
        return self._plans[_question(spec)]

    def _undo(self, kind: str, fact: str, spec: Spec, run: str) -> Callable[[Facts], bool]:
        """Removes everything of a kind that carries the run's tag.

        What is recorded was made, so it is looked for until EC2 shows it: a listing may lag behind.
        """

        def look() -> builtins.list[Mapping[str, Any]]:
            return resources.described(self._clients, spec.region, kind, tagged(TAG_RUN, run))

        def undo(facts: Facts) -> bool:
            ones = self._waiter.until(look, CONSISTENCY_WINDOW) if fact in facts else look()
            for one in ones or []:
                self.delete(Resource(kind, one[resources.KINDS[kind].id_key], spec.region, run, costs=True))
            return bool(ones)

        return undo

    def get(self, machine_id: str) -> Machine:
        for region in [self._seen[machine_id]] if machine_id in self._seen else self._regions:
            for machine in self._machines(region, [*OURS, *where(instance_id=machine_id)]):
                if machine.state is State.TERMINATED:
                    raise NotFound(f"the machine {machine_id} has ended", machine.reason)
                return machine
        raise NotFound(f"no machine {machine_id} in {', '.join(self._regions)}")

    def regions(self) -> builtins.list[str]:
        with translated("list the regions of the account"):
            answer = self._clients.ec2(self._regions[0]).describe_regions()
        return sorted(region["RegionName"] for region in answer["Regions"])

    def everywhere(self) -> AwsProvider:
        wider = copy(self)
        wider._regions = builtins.list(dict.fromkeys([*self._regions, *self.regions()]))
        return wider

    def list(self) -> builtins.list[Machine]:
        living = [*OURS, *where(instance_state_name=LIVING)]
        found = _parallel(lambda region: self._machines(region, living), self._regions)
        return [machine for machines in found for machine in machines]

    def _machines(self, region: str, filters: Filters) -> builtins.list[Machine]:
        ones = resources.described(self._clients, region, "instance", filters)
        machines = [machine_from(one, region, self._settings.ssh_port) for one in ones]
        self._seen.update((machine.id, region) for machine in machines)
        return machines

    def start(self, machine_id: str) -> None:
        machine = self._living(machine_id)
        if machine.state not in (State.PENDING, State.RUNNING):
            ec2 = self._clients.ec2(machine.region)
            self._once_settled(machine, "start", lambda: ec2.start_instances(InstanceIds=[machine_id]))

    def stop(self, machine_id: str) -> None:
        machine = self._living(machine_id)
        if machine.state in (State.STOPPING, State.STOPPED):
            return
        if machine.spot:
            why = "AWS cannot stop a one-time spot instance"
            raise CloudError(f"cannot stop {machine.name}", why, f"`gpucloud down {machine.name}`")
        ec2 = self._clients.ec2(machine.region)
        self._once_settled(machine, "stop", lambda: ec2.stop_instances(InstanceIds=[machine_id]))

    def _living(self, machine_id: str) -> Machine:
        machine = self.get(machine_id)
        if machine.state in GONE:
            raise NotFound(f"no machine {machine.name}", f"{machine_id} is being terminated")
        return machine

    def _once_settled(self, machine: Machine, verb: str, call: Callable[[], object]) -> None:
        """Make the call, again while the machine is between two states."""
        refused: builtins.list[GpucloudError] = []

        def attempt() -> bool:
            refused.clear()
            try:
                with translated(f"{verb} {machine.name}"):
                    call()
            except GpucloudError as exc:
                if code_of(exc) != "IncorrectInstanceState":
                    raise
                refused.append(exc)
            return not refused

        if not self._waiter.until(attempt, SETTLE_TIMEOUT):
            raise refused[0]

    def terminate(self, machine_id: str) -> None:
        try:
            region = self._seen.get(machine_id) or self.get(machine_id).region
            with translated(f"terminate {machine_id}"):
                self._clients.ec2(region).terminate_instances(InstanceIds=[machine_id])
        except NotFound:
            return

    def resources(self, run: str) -> builtins.list[Resource]:
        return self._find(tagged(TAG_RUN, run))

    def orphans(self, live_runs: Collection[str]) -> builtins.list[Resource]:
        return [resource for resource in self._find(OURS) if resource.run not in live_runs]

    def _find(self, filters: Filters) -> builtins.list[Resource]:
        places = [(region, kind) for region in self._regions for kind in resources.KINDS]
        found = _parallel(lambda place: resources.found(self._clients, *place, filters), places)
        return [resource for part in found for resource in part]

    def delete(self, resource: Resource) -> None:
        resources.delete(self._clients, self._waiter, resource)

    def set_tags(self, machine_id: str, tags: dict[str, str]) -> None:
        machine = self._living(machine_id)
        with translated(f"tag {machine.name}"):
            self._clients.ec2(machine.region).create_tags(Resources=[machine_id], Tags=to_aws(tags))

    def expire_at(self, machine_id: str, end: datetime) -> None:
        self.set_tags(machine_id, {TAG_EXPIRES: end.isoformat()})

    def console(self, machine_id: str) -> str:
        machine = self.get(machine_id)
        try:
            return self._console(machine, Latest=True)
        except GpucloudError as exc:
            if code_of(exc) != "UnsupportedOperation":  # types before Nitro have no latest output
                raise
        return self._console(machine)

    def _console(self, machine: Machine, **options: bool) -> str:
        with translated(f"read the console of {machine.name}"):
            answer = self._clients.ec2(machine.region).get_console_output(InstanceId=machine.id, **options)
        return str(answer.get("Output", ""))


def _pool(spec: Spec) -> tuple[str, ...]:
    """The part of a spec that its quota depends on."""
    return (spec.region, spec.type, "spot" if spec.spot else "")


def _question(spec: Spec) -> tuple[str, ...]:
    """The part of a spec that a plan answers."""
    return (spec.region, spec.type, spec.image, spec.subnet, spec.zone, spec.ssh_from)


def _parallel(call: Callable[[T], U], over: Sequence[T]) -> builtins.list[U]:
    with ThreadPoolExecutor(max_workers=min(THREADS, len(over))) as pool:
        return builtins.list(pool.map(call, over))
