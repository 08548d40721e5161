"""Listings on Azure: few requests, no slow imports, every page, and nobody else's machines."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from gpucloud.errors import NotFound
from gpucloud.machine import State
from tests.providers.support import Cloud
from tests.providers.test_azure_launch import azure_provider, left

SLOW_IMPORTS = """
import json, sys
from gpucloud.providers import registry
provider = registry.connect("azure", json.load(sys.stdin), "eastus")
assert [machine.name for machine in provider.list()] == ["one"]
provider.resources("run1")
print(*sorted(name for name in sys.modules if name.startswith("azure.mgmt")))
"""


def test_a_list_of_many_machines_makes_three_requests_at_the_same_time(azure: Cloud) -> None:
    provider = azure.provider()
    for number in (1, 2, 3):
        azure.launch(provider, azure.spec(f"m{number}"), f"run{number}")
    before = len(azure.calls())
    azure.use("latency_ms: {'*': 400}")
    assert len(provider.list()) == 3
    calls = azure.calls()[before:]
    assert sorted(call["action"] for call in calls) == [
        "GET publicIPAddresses",
        "GET virtualMachines",
        "GET virtualMachines",
    ]
    begun = [call["started"] for call in calls]
    assert max(begun) - min(begun) < 0.4


def test_one_machine_takes_two_requests(azure: Cloud) -> None:
    provider = azure.provider()
    machine_id = azure.launch(provider)
    before = len(azure.calls())
    provider.get(machine_id)
    assert sorted(call["action"] for call in azure.calls()[before:]) == ["GET publicIPAddresses", "GET virtualMachines"]


def test_listings_import_no_sdk_of_any_service(azure: Cloud) -> None:
    """They cost half a second to a second each, which `ls` has no use for."""
    azure.launch(azure.provider())
    done = subprocess.run(
        [sys.executable, "-c", SLOW_IMPORTS],
        input=json.dumps(azure.settings),
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout.strip()) == (0, ""), done.stderr


def test_machines_of_every_region_are_listed_whatever_region_is_asked_for(azure: Cloud) -> None:
    azure.launch(azure.provider(), azure.spec(region="westeurope"))
    assert [machine.region for machine in azure.provider().list()] == ["westeurope"]


def test_a_machine_without_our_tag_is_nobody_of_ours(azure: Cloud) -> None:
    provider = azure_provider(azure)
    machine_id = azure.launch(provider)
    machines = provider._clients.compute.virtual_machines
    machines.begin_update("gpucloud-run1", "gpucloud-run1-instance", {"tags": {"team": "other"}}).result()
    assert provider.list() == []
    for verb in (provider.get, provider.start, provider.stop, provider.console):
        with pytest.raises(NotFound):
            verb(machine_id)
    provider.terminate(machine_id)
    assert machines.get("gpucloud-run1", "gpucloud-run1-instance").provisioning_state == "Succeeded"


def test_a_machine_that_is_being_made_is_pending(azure: Cloud) -> None:
    provider = azure_provider(azure)
    assert provider.preflight(azure.spec()) == []
    *network, instance = provider.launch_steps(azure.spec(), "run1")
    facts: dict[str, str] = {}
    for step in network:
        facts.update(step.do(facts))
    azure.use("azure: {operation_seconds: {'PUT virtualMachines': 600}}")
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("gpucloud.providers.azure.launch.MACHINE_TIMEOUT", 0.2)
        with pytest.raises(Exception, match="not finished"):
            instance.do(facts)
    assert [machine.state for machine in provider.list()] == [State.PENDING]
    assert provider.list()[0].address, "it is ours to pay already"
    assert instance.undo({})
    assert left(azure) == {}
