"""An independent client: the unmodified Azure CLI makes, shows, switches and deletes a VM.

Left out where there is no `az` (`pip install azure-cli`: 700 MB); GPUCLOUD_AZ names one that is not on the PATH.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import certifi
import pytest

from tests.sandbox_arm.support import GROUP, LOCATION, Arm

pytestmark = pytest.mark.slow
AZ = os.environ.get("GPUCLOUD_AZ") or shutil.which("az")
Az = Callable[..., Any]


@pytest.fixture
def az(arm: Arm, tmp_path: Path) -> Az:
    """`az("vm list")` of the API alone, see `logged_in`."""
    arm.use("azure: {poll_seconds: 1}")
    return logged_in(arm, tmp_path)


def logged_in(arm: Arm, tmp_path: Path) -> Az:
    """`az("vm list")`, logged in to the sandbox: the parsed output. The line is split, and may be followed by words."""
    if AZ is None:
        pytest.skip("no az")
    trusted = tmp_path / "ca.pem"
    trusted.write_text(Path(certifi.where()).read_text() + Path(arm.info.azure_ca).read_text())
    kept = {name: value for name, value in os.environ.items() if not name.startswith("AZURE_")}
    settings = {"AZURE_CONFIG_DIR": str(tmp_path / "azure"), "REQUESTS_CA_BUNDLE": str(trusted)}
    settings |= {"AZURE_CORE_COLLECT_TELEMETRY": "0", "AZURE_CORE_INSTANCE_DISCOVERY": "0", "HOME": str(tmp_path)}

    def run(line: str, *more: str) -> Any:
        command = [str(AZ), *line.split(), *more, "--only-show-errors", "-o", "json"]
        done = subprocess.run(command, env={**kept, **settings}, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout) if done.stdout.strip() else None

    run("cloud register -n sandbox --endpoint-resource-manager", arm.info.azure_endpoint)
    run("cloud set -n sandbox")
    secret = ["-u", arm.info.azure_client_id, "-p", arm.info.azure_client_secret, "--tenant", arm.info.azure_tenant]
    run("login --service-principal", *secret)
    return run


def test_the_azure_cli_makes_switches_and_deletes_a_vm(az: Az, arm: Arm) -> None:
    az(f"group create -n {GROUP} -l {LOCATION}")
    create = f"vm create -g {GROUP} -n vm --image Ubuntu2204 --size Standard_NC4as_T4_v3 --admin-username azureuser"
    made = az(f"{create} --generate-ssh-keys --public-ip-sku Standard")
    assert (made["powerState"], made["publicIpAddress"][:7]) == ("VM running", "127.77.")
    (listed,) = az("vm list -d")
    assert (listed["name"], listed["powerState"]) == ("vm", "VM running")
    az(f"vm auto-shutdown -g {GROUP} -n vm --time 1930")
    for verb, state in (("deallocate", "deallocated"), ("start", "running"), ("stop", "stopped")):
        az(f"vm {verb} -g {GROUP} -n vm")
        assert az(f"vm show -d -g {GROUP} -n vm")["powerState"] == f"VM {state}"
    az(f"vm delete -g {GROUP} -n vm --yes")
    assert az("vm list") == []
    az(f"group delete -n {GROUP} --yes")
    assert arm.inventory() == {}


def test_the_azure_cli_runs_a_script_in_a_vm_that_openssh_reaches(emptied: Arm, tmp_path: Path) -> None:
    az = logged_in(emptied, tmp_path)
    az(f"group create -n {GROUP} -l {LOCATION}")
    create = f"vm create -g {GROUP} -n vm --image Ubuntu2204 --size Standard_NC4as_T4_v3 --public-ip-sku Standard"
    key = str(emptied.folder / "key")
    made = az(f"{create} --admin-username azureuser --ssh-key-values", f"{key}.pub")
    run = f"vm run-command invoke -g {GROUP} -n vm --command-id RunShellScript"
    (status,) = az(f"{run} --parameters hello b=world --scripts", "id -un; echo $1 $2 $b")["value"]
    assert status["code"] == "ProvisioningState/succeeded"
    assert status["message"] == "Enable succeeded: \n[stdout]\nroot\nhello world world\n\n[stderr]\n"
    ssh = ["ssh", "-F", "none", "-i", key, "-p", str(emptied.info.ssh_port), "-o", "StrictHostKeyChecking=no"]
    ssh += ["-o", "UserKnownHostsFile=/dev/null", "-q", f"azureuser@{made['publicIpAddress']}", "sudo id -un; id -un"]
    assert subprocess.run(ssh, capture_output=True, text=True).stdout == "root\nazureuser\n"


def test_the_azure_cli_sees_sizes_quota_and_images(az: Az) -> None:
    (size,) = az(f"vm list-skus -l {LOCATION} -s Standard_NC4as_T4_v3")
    assert size["family"] == "Standard NCASv3_T4 Family"
    usage = {entry["localName"]: entry for entry in az(f"vm list-usage -l {LOCATION}")}
    assert usage["Standard NCASv3_T4 Family vCPUs"]["currentValue"] in (0, "0")
    image = az(f"vm image show -l {LOCATION} --urn Canonical:ubuntu-24_04-lts:server:latest")
    assert image["hyperVGeneration"] == "V2"
