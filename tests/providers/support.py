"""A cloud of the sandbox under test, with short ways to what its tests do again and again.

To put another provider under the contract: write a class here, and add it to CLOUDS.
"""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any, ClassVar

from gpucloud.keys import new_keypair
from gpucloud.machine import Machine, Spec, State
from gpucloud.providers import registry
from gpucloud.providers.base import Provider
from gpucloud.sandbox import client
from gpucloud.waiting import Waiter

KEY = new_keypair().public


@dataclass
class Cloud:
    """Everything goes through the real SDK and real HTTP."""

    info: client.SandboxInfo
    folder: Path

    name: ClassVar[str]
    makes_machines: ClassVar[bool] = True
    """Whether the sentences about making, ending and marking a machine are about it."""
    type: ClassVar[str]
    """The smallest machine with one T4."""
    regions: ClassVar[tuple[str, ...]]
    """Where machines are made, and another region; none where there are no regions."""
    unknown: ClassVar[str]
    """The id of a machine that never was."""
    looks: ClassVar[frozenset[str]]
    """The reads with which a launch waits for what it has begun, and `get` looks at a machine."""
    undone: ClassVar[tuple[bool, ...]]
    """What undoing the steps of a whole launch finds, in reverse."""
    full: ClassVar[str]
    """The scenario in which there is no hardware left."""
    small_pages: ClassVar[str]
    """The scenario in which lists come in many pages."""
    latest_end: ClassVar[timedelta | None]
    """How long from now the cloud's clock can end a machine; None if it is not that clock which ends it."""
    off: ClassVar[tuple[State, ...]]
    """What a machine is that switched itself off: first without, then with a lifetime. The latter may be gone."""

    @property
    def region(self) -> str:
        return self.regions[0] if self.regions else ""

    @property
    def settings(self) -> dict[str, Any]:
        raise NotImplementedError

    def provider(self, regions: Sequence[str] = (), **settings: Any) -> Provider:
        return registry.connect(self.name, {**self.settings, **settings}, self.region, regions)

    def spec(self, name: str = "one", **fields: Any) -> Spec:
        spec = Spec(name, self.region, self.type, user_data="#cloud-config\n", authorized_key=KEY)
        return replace(spec, **fields)

    def existing(self, provider: Provider) -> str:
        """The id of a machine that is there."""
        return self.launch(provider)

    def launch(self, provider: Provider, spec: Spec | None = None, run: str = "run1") -> str:
        """Do every step, and wait until the machine runs; its id."""
        machine_id = self.do(provider, spec, run)["id"]
        self.until(provider, machine_id, State.RUNNING)
        return machine_id

    def do(self, provider: Provider, spec: Spec | None = None, run: str = "run1") -> dict[str, str]:
        """Do every step; the facts."""
        facts: dict[str, str] = {}
        for step in provider.launch_steps(spec or self.spec(), run):
            facts.update(step.do(facts))
        return facts

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

    def reset(self) -> None:
        """The API-only scenario, and an empty account."""
        self.use("")
        self.ask("reset", "POST")

    def ask(self, path: str, method: str = "GET", body: dict[str, str] | None = None) -> Any:
        data = json.dumps(body or {}).encode() if method == "POST" else None
        headers = {"Content-Type": "application/json"}
        request = urllib.request.Request(f"{self.info.endpoint}/_gpucloud/{path}", data, headers, method=method)
        with urllib.request.urlopen(request) as reply:
            return json.load(reply)

    def calls(self) -> list[dict[str, Any]]:
        """Every API call since the last reset, in the order of their ends."""
        return list(self.ask("calls")["calls"])

    def changes(self) -> list[str]:
        """The calls that changed something."""
        return [call["action"] for call in self.calls() if call["mutating"] and not call["dry_run"]]


class AwsCloud(Cloud):
    name = "aws"
    type = "g4dn.xlarge"
    regions = ("us-east-1", "eu-west-1")
    unknown = "i-0123456789abcdef0"
    looks = frozenset({"DescribeInstances"})
    undone = (True, True)  # the instance, and the security group, which outlives it
    full = "capacity: [{type: 'g*', machines: 0}]"
    small_pages = ""  # the sandbox's EC2 puts everything into one page
    latest_end = None  # the kill switch is on the machine
    off = (State.STOPPED, State.TERMINATED)

    @property
    def settings(self) -> dict[str, Any]:
        return {
            "endpoint_url": self.info.endpoint,
            "access_key": self.info.access_key,
            "secret_key": self.info.secret_key,
            "checkip_url": self.info.checkip,
        }


class AzureCloud(Cloud):
    name = "azure"
    type = "Standard_NC4as_T4_v3"
    regions = ("eastus", "westeurope")
    unknown = (
        "/subscriptions/5b005b00-0000-4000-8000-73616e64626f/resourceGroups/gpucloud-none"
        "/providers/Microsoft.Compute/virtualMachines/gpucloud-none-instance"
    )
    # The SDKs look at an operation until it ends, and then at what it made; a new group must not be somebody else's.
    looks = frozenset(
        f"GET {what}"
        for what in (
            "operations",
            "resourceGroups",
            "virtualNetworks",
            "networkSecurityGroups",
            "publicIPAddresses",
            "networkInterfaces",
            "virtualMachines",
        )
    )
    undone = (True, False, False, False)  # the group goes with the first, and takes everything along
    full = "azure: {capacity: [{machines: 0}]}"
    small_pages = "azure: {page_size: 1}"
    latest_end = timedelta(hours=23, minutes=30)
    off = (State.HALTED, State.HALTED)  # the hardware is kept for it until it is deallocated

    @property
    def settings(self) -> dict[str, Any]:
        return {
            "endpoint_url": self.info.azure_endpoint,
            "authority": self.info.azure_endpoint,
            "ca_file": self.info.azure_ca,
            "tenant": self.info.azure_tenant,
            "client_id": self.info.azure_client_id,
            "client_secret": self.info.azure_client_secret,
            "subscription": self.info.azure_subscription,
            "checkip_url": self.info.checkip,
            "poll_seconds": 0.05,
        }


class Hosts(Cloud):
    name = "hosts"
    makes_machines = False  # its machines exist already, and are somebody else's to make and to end
    type = "g4dn.xlarge"
    regions = ()
    unknown = "hosts/nobody"

    @property
    def settings(self) -> dict[str, Any]:
        lab = {"address": "192.0.2.1", "user": "ada", "port": 2222, "key": "/keys/lab", "type": self.type}
        return {"lab": lab, "box": {"address": "box", "user": "", "port": 22, "key": "", "type": ""}}

    def existing(self, provider: Provider) -> str:
        return "hosts/lab"


CLOUDS: dict[str, type[Cloud]] = {kind.name: kind for kind in (AwsCloud, AzureCloud, Hosts)}
MAKERS = [name for name, kind in CLOUDS.items() if kind.makes_machines]
