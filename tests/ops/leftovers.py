"""A cloud in memory in which a run may leave more than its machine."""

from __future__ import annotations

import builtins
from collections.abc import Collection
from dataclasses import dataclass, field

import pytest

from gpucloud.machine import Resource
from gpucloud.ops import planning
from tests.ops import memory
from tests.ops.conftest import World
from tests.ops.memory import Memory


@dataclass
class Leaving(Memory):
    """Also holds what is no machine. `held` ids cannot be removed."""

    left: list[Resource] = field(default_factory=list)
    held: set[str] = field(default_factory=set)

    def leave(self, run: str, kind: str = "disk", *, costs: bool = True, owner: str | None = None) -> Resource:
        owner = planning.owner() if owner is None else owner
        self.left.append(Resource(kind, f"{kind}-{run}", self.region, run, costs, owner))
        return self.left[-1]

    def resources(self, run: str) -> builtins.list[Resource]:
        return [*super().resources(run), *(each for each in self.left if each.run == run)]

    def orphans(self, live_runs: Collection[str]) -> builtins.list[Resource]:
        self._ask("orphans")
        return [each for each in self.left if each.run not in live_runs]

    def delete(self, resource: Resource) -> None:
        if resource.kind == "instance":
            super().delete(resource)
            return
        self._ask(f"delete {resource.id}")
        if resource.id not in self.held:
            self.left.remove(resource)

    @property
    def changes(self) -> builtins.list[str]:
        """What was asked of it that changes something."""
        return [asked for asked in self.asked if asked.split()[0] in ("delete", "stop", "start", "launch")]


@pytest.fixture
def aws(world: World, monkeypatch: pytest.MonkeyPatch) -> Leaving:
    return _instead(world, Leaving("aws", "us-east-1"), monkeypatch)


@pytest.fixture
def azure(world: World, monkeypatch: pytest.MonkeyPatch) -> Leaving:
    return _instead(world, Leaving("azure", "eastus", False), monkeypatch)


def _instead(world: World, cloud: Leaving, monkeypatch: pytest.MonkeyPatch) -> Leaving:
    setattr(world, cloud.name, cloud)
    monkeypatch.setitem(memory.CLOUDS, cloud.name, cloud)
    return cloud
