"""The unmodified `az` command line beside gpucloud on the sandbox's Azure: both see and switch the same machine.

It takes 730 MB to install, so it is not in the development environment: `make test-az` fetches it and runs this.
"""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import dataclass
from typing import Any

import pytest

from tests.e2e.support import Sandbox

AZ = os.environ.get("GPUCLOUD_AZ") or shutil.which("az")
pytestmark = [pytest.mark.slow, pytest.mark.skipif(not AZ, reason="the az command line is not installed: make test-az")]


@dataclass(frozen=True)
class Az:
    """The `az` command line, logged in to the sandbox."""

    sandbox: Sandbox

    def __call__(self, *arguments: str) -> Any:
        """One command that must succeed: its JSON document, or None if it prints none."""
        done = self.sandbox.program_of_others(str(AZ), *arguments, "-o", "json", env=self.environment)
        assert done.rc == 0, (arguments, done.err)
        return json.loads(done.out) if done.out else None

    @property
    def environment(self) -> dict[str, str]:
        return {
            "AZURE_CONFIG_DIR": str(self.sandbox.home / "azure"),
            "AZURE_CORE_COLLECT_TELEMETRY": "no",
            "AZURE_CORE_ONLY_SHOW_ERRORS": "yes",
            "REQUESTS_CA_BUNDLE": self.sandbox.info["azure_ca"],
        }

    def log_in(self) -> None:
        info = self.sandbox.info
        self("cloud", "register", "-n", "sandbox", "--endpoint-resource-manager", info["azure_endpoint"])
        self("cloud", "set", "-n", "sandbox")
        self("config", "set", "core.instance_discovery=false")
        who = ("-u", info["azure_client_id"], "-p", info["azure_client_secret"], "--tenant", info["azure_tenant"])
        (subscription,) = self("login", "--service-principal", *who)
        assert subscription["id"] == info["azure_subscription"]

    def power(self) -> str:
        """The VM's power state, as `az vm list -d` shows it."""
        (machine,) = self("vm", "list", "-d")
        return str(machine["powerState"])


@pytest.fixture(scope="module")
def az(sandbox: Sandbox) -> Az:
    sandbox.use("azure: {poll_seconds: 1}")  # without a Retry-After it waits half a minute between two looks
    made = Az(sandbox)
    made.log_in()
    return made


def test_gpucloud_and_az_see_the_same_machine(az: Az) -> None:
    made = az.sandbox.ok("up", "Standard_NC4as_T4_v3", "-n", "seen", "--profile", "minimal", "-o", "json").document
    (machine,) = az("vm", "list", "-d")
    assert (machine["id"].lower(), machine["publicIps"]) == (made["id"].lower(), made["address"])
    assert machine["tags"]["gpucloud-name"] == "seen"

    az("vm", "stop", "--ids", machine["id"])
    assert az.sandbox.machine("seen")["state"] == "halted"
    az.sandbox.ok("stop", "seen", "--yes")
    assert az.power() == "VM deallocated"
    az.sandbox.ok("down", "seen", "--yes")
    assert az("vm", "list") == []
