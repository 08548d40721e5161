"""A machine from `up` to `down` in either cloud, as people and as other programs use it."""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.e2e.support import TYPES, Sandbox, every_cloud

pytestmark = pytest.mark.slow

STAGES = ("system", "driver", "docker", "torch")
KEEPING_USD = {"aws": 100 * 0.08 / 730, "azure": 19.71 / 730 + 0.005}
"""Per hour of a stopped machine: 100 GB of gp3; Premium SSD of up to 128 GB (P10) and a Standard IPv4 address."""
STAYS = {"aws": False, "azure": True}
"""Does a stopped machine keep its address, and pay for it?"""
MADE = {
    "aws": {"instance", "volume", "network-interface", "security-group"},
    "azure": {
        "resource-group",
        "instance",
        "disk",
        "schedule",
        "network-interface",
        "public-ip",
        "security-group",
        "virtual-network",
    },
}


@pytest.fixture(scope="module", params=TYPES)
def demo(sandbox: Sandbox, request: pytest.FixtureRequest) -> dict[str, Any]:
    """A machine of each cloud, as `up -o json` describes it: both are there while the second one is looked at."""
    cloud = str(request.param)
    made = sandbox.ok("up", TYPES[cloud], "-n", f"demo-{cloud}", "-o", "json")
    return dict(made.document)


def test_up_describes_the_verified_machine(demo: dict[str, Any]) -> None:
    assert demo["name"] == f"demo-{demo['cloud']}"
    assert (demo["type"], demo["state"]) == (TYPES[demo["cloud"]], "running")
    assert demo["verify"]["ok"] is True
    assert demo["verify"]["simulated"] is True


def test_verify_proves_every_layer(sandbox: Sandbox, demo: dict[str, Any], tmp_path: Path) -> None:
    done = sandbox.ok("verify", demo["name"], "-o", "json", "--junit", str(tmp_path / "report.xml"))
    (report,) = done.document
    assert report["ok"] is True
    assert {check["layer"] for check in report["checks"]} >= {"pci", "kernel module", "torch", "container"}
    assert 'failures="0"' in (tmp_path / "report.xml").read_text()


def test_ls_gives_one_document_in_either_format(sandbox: Sandbox, demo: dict[str, Any]) -> None:
    for document in (sandbox.ok("ls", "-o", "json").document, yaml.safe_load(sandbox.ok("ls", "-o", "yaml").out)):
        (listed,) = [each for each in document if each["name"] == demo["name"]]
        assert (listed["cloud"], listed["type"], listed["address"]) == (demo["cloud"], demo["type"], demo["address"])
        assert listed["usd_per_hour"] == pytest.approx(0.526)


def test_exec_passes_output_and_exit_code_on(sandbox: Sandbox, demo: dict[str, Any]) -> None:
    done = sandbox.run("exec", demo["name"], "--", "sh", "-c", "echo out; echo err >&2; exit 42")
    assert (done.rc, done.out, done.err) == (42, "out\n", "err\n")
    assert "Tesla T4" in sandbox.ok("exec", demo["name"], "--", "nvidia-smi").out


def test_exec_hands_on_hostile_arguments_as_they_are(sandbox: Sandbox, demo: dict[str, Any]) -> None:
    hostile = "a b'c\"d $(id) `id` ; * \\ é"
    assert sandbox.ok("exec", demo["name"], "--", "printf", "%s", hostile).out.rstrip("\n") == hostile


def test_ssh_runs_one_command_with_openssh(sandbox: Sandbox, demo: dict[str, Any]) -> None:
    done = sandbox.run("ssh", demo["name"], "--", "sh", "-c", "id -un; exit 7")
    assert (done.rc, done.out) == (7, "ubuntu\n"), done.err


def test_plain_openssh_reaches_the_machine(sandbox: Sandbox, demo: dict[str, Any]) -> None:
    keys = sandbox.folder / "client/keys" / demo["run"]
    options = {
        "IdentityFile": keys / "id_ed25519",
        "UserKnownHostsFile": keys / "known_hosts",
        "HostKeyAlias": f"gpucloud-{demo['run']}",
        "StrictHostKeyChecking": "yes",
        "BatchMode": "yes",
    }
    flags = [part for key, value in options.items() for part in ("-o", f"{key}={value}")]
    where = ["-p", str(demo["ssh_port"]), f"{demo['ssh_user']}@{demo['address']}"]
    done = sandbox.program_of_others("ssh", "-F", "none", *flags, *where, "nvidia-smi -L")
    assert done.rc == 0, done.err
    assert done.out.startswith("GPU 0: Tesla T4")


def test_the_aws_command_line_sees_the_machine(sandbox: Sandbox, demo: dict[str, Any]) -> None:
    if demo["cloud"] != "aws":
        pytest.skip("az does this in test_az.py")
    info = sandbox.info
    credentials = {"AWS_ACCESS_KEY_ID": info["access_key"], "AWS_SECRET_ACCESS_KEY": info["secret_key"]}
    aws = str(Path(sys.executable).with_name("aws"))
    query = ["--endpoint-url", info["endpoint"], "--region", "us-east-1", "ec2", "describe-instances"]
    done = sandbox.program_of_others(aws, *query, "--instance-ids", demo["id"], "--output", "json", env=credentials)
    assert done.rc == 0, done.err
    (instance,) = json.loads(done.out)["Reservations"][0]["Instances"]
    assert instance["PublicIpAddress"] == demo["address"]
    assert instance["MetadataOptions"]["HttpTokens"] == "required"


def test_logs_tell_what_the_bootstrap_did(sandbox: Sandbox, demo: dict[str, Any]) -> None:
    said = sandbox.ok("logs", demo["name"]).out
    assert all(f"{stage:<8} stage-done" in said for stage in STAGES)


def test_the_second_up_changes_nothing(sandbox: Sandbox, demo: dict[str, Any]) -> None:
    sandbox.ask("calls", "DELETE")
    installed = "dpkg-query -W; find /opt/gpucloud/venv /etc/docker -type f -printf '%p %T@\\n' | sort"
    before = sandbox.ok("exec", demo["name"], "--", "sh", "-c", installed).out
    done = sandbox.ok("up", demo["type"], "-n", demo["name"], "-o", "json")

    assert done.document["id"] == demo["id"]
    words = [" ".join(line.split()[2:4]) for line in done.err.splitlines()]
    assert {f"{stage} skip" for stage in STAGES} <= set(words), done.err
    assert not {f"{stage} start" for stage in STAGES} & set(words) or done.document["seconds"] < 10
    assert sandbox.changes() == {}
    assert sandbox.ok("exec", demo["name"], "--", "sh", "-c", installed).out == before


def test_recover_has_nothing_to_do(sandbox: Sandbox, demo: dict[str, Any]) -> None:
    assert "no interrupted run" in sandbox.ok("recover").err
    assert sandbox.ok("recover", "-o", "json").document == []
    assert sandbox.machine(demo["name"])["state"] == "running"


@every_cloud
def test_the_life_of_a_machine(sandbox: Sandbox, cloud: str) -> None:
    made = sandbox.ok("up", TYPES[cloud], "-n", "life", "--ttl", "2h", "-o", "json").document
    everything = _ids(sandbox)

    what_stays = "disk and address still cost" if STAYS[cloud] else "the disk still costs"
    assert what_stays in sandbox.ok("stop", "life", "--yes").err
    stopped = sandbox.machine("life")
    assert (stopped["state"], stopped["address"]) == ("stopped", made["address"] if STAYS[cloud] else None)
    assert stopped["usd_per_hour"] == pytest.approx(KEEPING_USD[cloud], abs=0.0005)
    assert sandbox.run("exec", "life", "--", "true").rc == 6

    sandbox.ok("start", "life")
    started = sandbox.machine("life")
    assert (started["state"], started["address"] == made["address"]) == ("running", STAYS[cloud])
    assert started["address"]
    assert sandbox.ok("verify", "life", "-o", "json").document[0]["ok"] is True

    extended = sandbox.ok("extend", "life", "5h", "-o", "json").document[0]["expires_at"]
    assert datetime.fromisoformat(extended) - datetime.now(UTC) > timedelta(hours=4, minutes=55)
    assert sandbox.machine("life")["expires_at"] == extended

    receipt = sandbox.ok("down", "life", "--yes", "-o", "json").document[0]
    assert receipt["remains"] == []
    assert {each["kind"] for each in receipt["gone"]} == MADE[cloud]
    gone = {each["id"].lower() for each in receipt["gone"]}
    assert gone <= everything
    assert not gone & _ids(sandbox)
    assert "life" not in sandbox.ok("ls").out
    assert made["run"] not in sandbox.identities()


def _ids(sandbox: Sandbox) -> set[str]:
    """Everything that exists. Azure's answers differ in the case of an id."""
    return {id.lower() for ids in sandbox.left().values() for id in ids}
