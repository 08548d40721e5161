"""The command line on a machine that exists already: a real sshd, named in config.yaml."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from gpucloud.errors import ExitStatus

from .conftest import Sshd

Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def gpucloud(home: Path, sshd: Sshd, monkeypatch: pytest.MonkeyPatch) -> Run:
    """The program, for a user who has been on that machine before and has no cloud."""
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    (home / ".ssh").mkdir()
    (home / ".ssh/known_hosts").write_text(f"[127.0.0.1]:{sshd.port} {sshd.host_key}\n")
    lab = {"address": "127.0.0.1", "user": sshd.user, "port": sshd.port, "key": str(sshd.key_path)}
    folder = home / ".config/gpucloud"
    folder.mkdir(parents=True)
    (folder / "config.yaml").write_text(json.dumps({"hosts": {"lab": lab}}))

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        argv = [sys.executable, "-m", "gpucloud", *arguments]
        return subprocess.run(argv, capture_output=True, text=True, timeout=120)

    return run


def test_exec_runs_the_command_there_and_asks_no_cloud(gpucloud: Run, sshd: Sshd) -> None:
    done = gpucloud("exec", "lab", "--", "sh", "-c", "id -un; exit 7")
    assert (done.returncode, done.stdout, done.stderr) == (7, f"{sshd.user}\n", "")


def test_ls_shows_it_and_makes_no_connection(gpucloud: Run, sshd: Sshd) -> None:
    done = gpucloud("--cloud", "hosts", "ls", "-o", "json")
    (row,) = json.loads(done.stdout)
    assert (row["name"], row["state"], row["ssh_port"], row["usd_per_hour"]) == ("lab", "unknown", sshd.port, None)
    assert done.stderr == ""


def test_logs_say_that_no_bootstrap_has_run_there(gpucloud: Run) -> None:
    done = gpucloud("logs", "lab")
    assert done.returncode == ExitStatus.NOT_FOUND
    assert "no bootstrap of gpucloud has run on lab" in done.stderr


def test_doctor_logs_in_to_it(gpucloud: Run) -> None:
    found = json.loads(gpucloud("--cloud", "hosts", "doctor", "-o", "json").stdout)
    assert {"status": "ok", "what": "lab", "found": "lets us in", "remedy": ""} in found


def test_down_refuses_it_before_it_asks_anything(gpucloud: Run) -> None:
    done = gpucloud("down", "lab")
    assert done.returncode == ExitStatus.USAGE
    assert done.stderr.startswith("error: gpucloud did not make lab and does not remove it")


@pytest.mark.slow
def test_verify_tells_what_the_machine_lacks(gpucloud: Run) -> None:
    done = gpucloud("verify", "lab", "-o", "json")
    (report,) = json.loads(done.stdout)
    assert report["machine"] == "lab"
    assert (done.returncode == ExitStatus.OK) is report["ok"]
