"""A cloud of the sandbox under test, with short ways to what its tests do again and again."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from gpucloud.machine import Machine, Spec, State
from gpucloud.providers import registry
from gpucloud.providers.base import Provider
from gpucloud.sandbox import client
from gpucloud.waiting import Waiter

TYPES = {"aws": "g4dn.xlarge"}
REGIONS = {"aws": ("us-east-1", "eu-west-1")}


@dataclass
class Cloud:
    """Everything goes through the real SDK and real HTTP."""

    name: str
    info: client.SandboxInfo
    folder: Path

    @property
    def region(self) -> str:
        return REGIONS[self.name][0]

    @property
    def settings(self) -> dict[str, Any]:
        return {
            "endpoint_url": self.info.endpoint,
            "access_key": self.info.access_key,
            "secret_key": self.info.secret_key,
            "checkip_url": self.info.checkip,
        }

    def provider(self, regions: Sequence[str] = (), **settings: Any) -> Provider:
        return registry.connect(self.name, {**self.settings, **settings}, self.region, regions)

    def spec(self, name: str = "one", **fields: Any) -> Spec:
        return replace(Spec(name, self.region, TYPES[self.name], user_data="#cloud-config\n"), **fields)

    def launch(self, provider: Provider, spec: Spec | None = None, run: str = "run1") -> str:
        """Do every step, and wait until the machine runs; its id."""
        facts: dict[str, str] = {}
        for step in provider.launch_steps(spec or self.spec(), run):
            facts.update(step.do(facts))
        self.until(provider, facts["id"], State.RUNNING)
        return facts["id"]

    def until(self, provider: Provider, machine_id: str, state: State) -> Machine:
        def reached() -> Machine | None:
            machine = provider.get(machine_id)
            return machine if machine.state is state else None

        machine = Waiter(first=0.05).until(reached, 10)
        assert machine is not None, f"never {state}"
        return machine

    def use(self, scenario: str) -> None:
        """Put a scenario in force, over the API-only one."""
        file = self.folder / "scenario.yaml"
        file.write_text(f"guests: none\n{scenario}\n")
        self.ask("scenario", "POST", {"scenario": str(file)})

    def ask(self, path: str, method: str = "GET", body: dict[str, str] | None = None) -> Any:
        data = json.dumps(body or {}).encode() if method == "POST" else None
        headers = {"Content-Type": "application/json"}
        request = urllib.request.Request(f"{self.info.endpoint}/_gpucloud/{path}", data, headers, method=method)
        with urllib.request.urlopen(request) as reply:
            return json.load(reply)

    def calls(self) -> list[dict[str, Any]]:
        """Every API call since the last reset, in the order of their ends."""
        return list(self.ask("calls")["calls"])
