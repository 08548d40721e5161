"""What Azure shows of the inside of a VM, the console log, and what its agent does there."""

from __future__ import annotations

import ssl
import urllib.request

import pytest

from tests.sandbox_arm.machines import machine
from tests.sandbox_arm.support import GROUP, Arm, refused

pytestmark = pytest.mark.slow


def test_the_console_log_has_an_address_that_needs_no_token(arm: Arm) -> None:
    machine(arm)
    found = arm.compute.virtual_machines.retrieve_boot_diagnostics_data(GROUP, "vm")
    address = found.serial_console_log_blob_uri
    with urllib.request.urlopen(address, context=ssl.create_default_context(cafile=arm.info.azure_ca)) as reply:
        assert b"[simulated] Standard_NC4as_T4_v3" in reply.read()
        assert reply.headers["Content-Type"].startswith("text/plain")
    assert arm.send("GET", address.replace("sig=", "sig=0"), authorization="").status == 403
    assert arm.send("GET", address.partition("?")[0], authorization="").status == 403


def test_without_boot_diagnostics_there_is_no_log(arm: Arm) -> None:
    machine(arm, diagnosticsProfile={"bootDiagnostics": {"enabled": False}})
    with refused("OperationNotAllowed", 409):
        arm.compute.virtual_machines.retrieve_boot_diagnostics_data(GROUP, "vm")


def test_a_run_command_needs_a_machine_that_runs_and_has_a_guest(arm: Arm) -> None:
    machine(arm)
    machines = arm.compute.virtual_machines
    command = {"commandId": "RunShellScript", "script": ["id"]}
    with refused("VMAgentStatusCommunicationError") as found:
        machines.begin_run_command(GROUP, "vm", command).result()
    assert "'vm' has not reported status" in found.message
    assert "there is no guest" in found.message
    with refused("NotFound", 404):
        machines.begin_run_command(GROUP, "vm", {"commandId": "Reboot"})
    machines.begin_deallocate(GROUP, "vm").result()
    with refused("OperationNotAllowed", 409):
        machines.begin_run_command(GROUP, "vm", command)
