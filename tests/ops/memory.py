"""Clouds that exist in memory only, behind the real registry: what the use cases do when there are two of them."""

from __future__ import annotations

import builtins
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from gpucloud.errors import GpucloudError, NotConfigured, NotFound, Problem
from gpucloud.machine import Headroom, Machine, Resource, Spec, State
from gpucloud.saga import Facts, Step


@dataclass
class Memory:
    """One cloud. `refuses` is raised by whatever is asked of it; `problems` are what a preflight finds, by type."""

    name: str
    region: str = "here"
    guest_ends_billing: bool = True
    machines: dict[str, Machine] = field(default_factory=dict)
    refuses: GpucloudError | None = None
    problems: dict[str, list[Problem]] = field(default_factory=dict)
    quota: Headroom | None = None
    launch_error: Callable[[Spec], GpucloudError | None] = lambda spec: None
    asked: list[str] = field(default_factory=list)

    def add(self, name: str, **fields: Any) -> Machine:
        made = Machine(
            f"{self.name}-{name}", name, f"r-{name}", self.name, self.region, "", "g4dn.xlarge", State.RUNNING
        )
        self.machines[made.id] = replace(made, **{"address": "192.0.2.1", **fields})
        return self.machines[made.id]

    def _ask(self, what: str) -> None:
        self.asked.append(what)
        if self.refuses:
            raise self.refuses

    def preflight(self, spec: Spec) -> builtins.list[Problem]:
        self._ask(f"preflight {spec.type}")
        return self.problems.get(spec.type, [])

    def headroom(self, spec: Spec) -> Headroom | None:
        return self.quota

    def launch_steps(self, spec: Spec, run: str) -> builtins.list[Step]:
        def do(facts: Facts) -> Facts:
            self._ask(f"launch {spec.type}")
            if error := self.launch_error(spec):
                raise error
            return {"id": self.add(spec.name, run=run, type=spec.type, region=spec.region).id}

        return [Step("instance", f"gpucloud-{run}-instance", do, lambda facts: False)]

    def get(self, machine_id: str) -> Machine:
        self._ask("get")
        if machine_id not in self.machines:
            raise NotFound(f"no machine {machine_id}")
        return self.machines[machine_id]

    def list(self) -> builtins.list[Machine]:
        self._ask("list")
        return builtins.list(self.machines.values())

    def start(self, machine_id: str) -> None:
        self._ask("start")
        self.machines[machine_id] = replace(self.machines[machine_id], state=State.RUNNING)

    def stop(self, machine_id: str) -> None:
        self._ask("stop")
        self.machines[machine_id] = replace(self.machines[machine_id], state=State.STOPPED)

    def expire_at(self, machine_id: str, end: datetime) -> None:
        self._ask(f"expire_at {end.isoformat()}")

    def resources(self, run: str) -> builtins.list[Resource]:
        self._ask(f"resources {run}")
        ours = [machine for machine in self.machines.values() if machine.run == run]
        return [Resource("instance", machine.id, machine.region, run, costs=True) for machine in ours]

    def delete(self, resource: Resource) -> None:
        self._ask(f"delete {resource.id}")
        del self.machines[resource.id]

    def everywhere(self) -> Memory:
        self._ask("everywhere")
        return self

    def regions(self) -> builtins.list[str]:
        self._ask("regions")
        return [self.region]

    def console(self, machine_id: str) -> str:
        return ""


LISTS_EVERY_REGION = False
MAKES_MACHINES = True

CLOUDS: dict[str, Memory] = {}
"""By name: what `connect` hands out. Tests fill it."""


def connect(settings: Mapping[str, Any], region: str, regions: Sequence[str] = ()) -> Memory:
    return CLOUDS[settings["name"]]


def home_region(settings: Mapping[str, Any]) -> str:
    cloud = CLOUDS[settings["name"]]
    if not cloud.region:
        raise NotConfigured(f"no {cloud.name} region", "", "add `--region`")
    return cloud.region
