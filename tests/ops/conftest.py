"""Two clouds in memory, called as the real ones are, and a world that knows both."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import pytest

from gpucloud.config import Config
from gpucloud.errors import NoCredentials, Unreachable
from gpucloud.journal import Journal
from gpucloud.machine import Spec
from gpucloud.ops.context import Context
from gpucloud.progress import Progress
from gpucloud.providers import registry
from gpucloud.state import State
from gpucloud.waiting import Waiter
from tests.ops import memory
from tests.ops.memory import Memory

NO_AZURE = NoCredentials("no Azure credentials", "none found", "`az login`")
THROTTLED = Unreachable("Azure is throttling", "it says to wait 20 minutes", "try later")


@dataclass
class World:
    """Both clouds, what was said about them, and what was told of the work."""

    aws: Memory
    azure: Memory
    state: State
    waiter: Waiter
    remarks: list[str] = field(default_factory=list)
    told: list[Progress] = field(default_factory=list)

    def context(self, config: Config | None = None) -> Context:
        settings = {"aws": {"name": "aws"}, "azure": {"name": "azure"}}
        return Context(
            config or Config(),
            self.state,
            settings,
            self.told.append,
            waiter=self.waiter,
            remark=self.remarks.append,
        )

    def journal(self, name: str, cloud: str, region: str = "here", run: str = "") -> None:
        """This computer made that machine."""
        run = run or f"r-{name}"
        spec = Spec(name, region, "g4dn.xlarge").journal_form()
        header = {"run": run, "name": name, "cloud": cloud, "region": region, "spec": spec}
        with Journal.create(self.state.journal_path(run), header) as log:
            log.committed()


@pytest.fixture
def world(tmp_path: Path, waiter: Waiter, monkeypatch: pytest.MonkeyPatch) -> World:
    monkeypatch.setattr(registry, "CLOUDS", {"aws": "tests.ops.memory", "azure": "tests.ops.memory"})
    made = World(Memory("aws", "us-east-1"), Memory("azure", "eastus", False), State(tmp_path), waiter)
    monkeypatch.setattr(memory, "CLOUDS", {"aws": made.aws, "azure": made.azure})
    return made
