"""Machines that exist already: named in config.yaml, reached over SSH, and never made, billed, stopped or removed."""

from __future__ import annotations

import builtins
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any, NoReturn

from gpucloud.errors import NotFound, Problem, UsageError, not_made
from gpucloud.machine import Headroom, Machine, Resource, Spec, State
from gpucloud.saga import Step

LISTS_EVERY_REGION = True
MAKES_MACHINES = False

_WHAT = "hosts are machines that exist already"
_REMEDY = "leave out --cloud, or name a cloud that makes machines"


def connect(settings: Mapping[str, Any], region: str, regions: Sequence[str] = ()) -> HostsProvider:
    """The Provider for the hosts of `settings`: name → the fields of `config.Host`. There are no regions."""
    return HostsProvider(settings)


def home_region(settings: Mapping[str, Any]) -> str:
    """None: it is the machine's owner who knows where it stands."""
    return ""


def policy() -> NoReturn:
    """Raises UsageError: there is no API, and so nothing to permit."""
    raise UsageError("hosts have no policy", _WHAT, "what you may do there is what your SSH login may do")


class HostsProvider:
    """The hosts as the configuration names them. Nothing here makes a connection: `list` does not know what runs."""

    name = "hosts"
    guest_ends_billing = False

    def __init__(self, hosts: Mapping[str, Mapping[str, Any]]) -> None:
        self._machines = {machine.id: machine for machine in (_machine(name, hosts[name]) for name in hosts)}

    def preflight(self, spec: Spec) -> builtins.list[Problem]:
        return [Problem(f"{spec.name} cannot be made among the hosts", _WHAT, _REMEDY)]

    def headroom(self, spec: Spec) -> Headroom | None:
        return None

    def launch_steps(self, spec: Spec, run: str) -> builtins.list[Step]:
        raise UsageError(f"{spec.name} cannot be made among the hosts", _WHAT, _REMEDY)

    def get(self, machine_id: str) -> Machine:
        if machine_id not in self._machines:
            raise NotFound(f"no host {machine_id}", "", "`hosts` in config.yaml names them")
        return self._machines[machine_id]

    def start(self, machine_id: str) -> None:
        raise not_made(self.get(machine_id).name, "start")

    def stop(self, machine_id: str) -> None:
        raise not_made(self.get(machine_id).name, "stop")

    def terminate(self, machine_id: str) -> None:
        if machine_id in self._machines:
            raise not_made(self._machines[machine_id].name, "remove")

    def resources(self, run: str) -> builtins.list[Resource]:
        return []

    def orphans(self, live_runs: Collection[str]) -> builtins.list[Resource]:
        return []

    def delete(self, resource: Resource) -> None:
        self.terminate(resource.id)

    def set_tags(self, machine_id: str, tags: dict[str, str]) -> None:
        raise not_made(self.get(machine_id).name, "tag")

    def expire_at(self, machine_id: str, end: datetime) -> None:
        raise not_made(self.get(machine_id).name, "end")

    def console(self, machine_id: str) -> str:
        self.get(machine_id)
        return ""

    def regions(self) -> builtins.list[str]:
        return []

    def everywhere(self) -> HostsProvider:
        return self

    def list(self) -> builtins.list[Machine]:
        return [*self._machines.values()]


def _machine(name: str, host: Mapping[str, Any]) -> Machine:
    """The id says where the name is from: it tells a host from a cloud's machine that is called the same."""
    return Machine(
        id=f"hosts/{name}",
        name=name,
        run="",
        cloud=HostsProvider.name,
        region="",
        zone="",
        type=host["type"],
        state=State.UNKNOWN,
        address=host["address"],
        ssh_user=host["user"],
        ssh_port=host["port"],
        ssh_key=host["key"],
    )
