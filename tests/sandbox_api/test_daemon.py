"""The daemon's life: one at a time, found again, its state kept, its failures told."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from gpucloud.errors import ConfigError
from gpucloud.sandbox import client
from gpucloud.waiting import Waiter
from tests.sandbox_api.support import Sandbox

pytestmark = pytest.mark.slow  # each test starts processes of its own


@pytest.fixture
def state(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "state"
    yield folder
    client.stop(folder)


def test_two_callers_at_a_time_get_one_daemon(state: Path) -> None:
    with ThreadPoolExecutor(2) as pool:
        first, second = pool.map(lambda _: client.ensure("api-only", state), range(2))
    assert first == second
    assert client.status(state) == first


@pytest.mark.slow
def test_a_daemon_that_hangs_is_not_joined_by_a_second_one(state: Path) -> None:
    info = client.ensure("api-only", state)
    os.rename(state / "daemon.json", state / "hidden.json")
    os.kill(info.pid, signal.SIGSTOP)
    try:
        with pytest.raises(ConfigError) as error:
            client.ensure("api-only", state)
    finally:
        os.rename(state / "hidden.json", state / "daemon.json")
        os.kill(info.pid, signal.SIGCONT)
    assert "another one holds" in error.value.why
    found = client.status(state)
    assert found is not None
    assert found.pid == info.pid


@pytest.mark.slow
def test_a_restart_keeps_the_account_and_machines_come_back_stopped(state: Path, tmp_path: Path) -> None:
    before = Sandbox(client.ensure("api-only", state), tmp_path)
    assert before.info.state == "fresh"
    machine = before.run(ClientToken="t1")["InstanceId"]
    assert before.reaches(machine, "running")
    assert client.stop(state)
    assert client.status(state) is None
    after = Sandbox(client.ensure("api-only", state), tmp_path)
    assert after.info.state == "kept"
    assert after.info.endpoint == before.info.endpoint
    assert after.state(machine) == "stopped"
    assert after.describe(machine)["StateReason"]["Code"] == "Server.ScheduledStop"
    assert after.run(ClientToken="t1")["InstanceId"] == machine
    after.ec2.start_instances(InstanceIds=[machine])
    assert after.reaches(machine, "running")
    client.reset(state)
    found = client.status(state)
    assert found is not None
    assert found.state == "reset"
    assert not any(after.ask("inventory").values())


@pytest.mark.slow
def test_after_sigkill_the_next_daemon_has_the_last_change(state: Path, tmp_path: Path) -> None:
    before = Sandbox(client.ensure("api-only", state), tmp_path)
    machine = before.run()["InstanceId"]
    os.kill(before.info.pid, signal.SIGKILL)
    assert Waiter(first=0.02).until(lambda: client.status(state) is None, 5)
    after = Sandbox(client.ensure(None, state), tmp_path)
    assert after.info.pid != before.info.pid
    assert after.state(machine) in ("stopped", "terminated")


def test_a_wrong_scenario_is_told_before_anything_runs(state: Path, tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text("guests: none\nsshdelay: 3\n")
    with pytest.raises(ConfigError) as error:
        client.ensure(str(tmp_path / "mine.yaml"), state)
    assert "sshdelay" in error.value.why
    assert client.status(state) is None


def test_another_scenario_is_put_in_force_in_the_running_daemon(state: Path, tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text("guests: none\nquota: {L-DB2E81BA: 4}\n")
    first = client.ensure("api-only", state)
    second = client.ensure(str(tmp_path / "mine.yaml"), state)
    assert (second.pid, second.scenario) == (first.pid, str(tmp_path / "mine.yaml"))
    with pytest.raises(ConfigError) as error:
        client.ensure("nightmare", state)
    assert "nightmare" in error.value.what


def test_a_stale_file_of_a_dead_daemon_is_no_daemon(state: Path) -> None:
    client.ensure("api-only", state)
    kept = (state / "daemon.json").read_text()
    client.stop(state)
    (state / "daemon.json").write_text(kept)
    assert client.status(state) is None
    assert not client.stop(state)
    (state / "daemon.json").unlink()


def test_a_daemon_of_another_version_is_named_with_its_end(state: Path) -> None:
    info = client.ensure("api-only", state)
    found_by = state / "daemon.json"
    said = json.loads(found_by.read_text())
    del said["azure_endpoint"]
    found_by.write_text(json.dumps(said))
    with pytest.raises(ConfigError, match="another version") as caught:
        client.ensure(None, state)
    assert caught.value.remedy == f"`kill {info.pid}`"
    os.kill(info.pid, signal.SIGKILL)
    gone = Waiter(first=0.05).until(lambda: client.status(state) is None, 10)
    assert gone


def test_a_daemon_whose_directory_is_deleted_ends_by_itself(state: Path) -> None:
    info = client.ensure("api-only", state)
    shutil.rmtree(state)

    def gone() -> bool:
        return not Path(f"/proc/{info.pid}").exists()

    assert Waiter(first=0.1).until(gone, 10)


def test_the_state_is_for_its_owner_only(state: Path, tmp_path: Path) -> None:
    Sandbox(client.ensure("api-only", state), tmp_path).run(UserData="secret")
    assert state.stat().st_mode & 0o077 == 0
    assert (state / "state.pickle").stat().st_mode & 0o077 == 0


def test_the_callers_aws_settings_do_not_reach_the_daemon(state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_PROFILE", "does-not-exist")
    monkeypatch.setenv("MOTO_ACCOUNT_ID", "999999999999")
    info = client.ensure("api-only", state)
    monkeypatch.delenv("AWS_PROFILE")
    identity = Sandbox(info, state).client("sts").get_caller_identity()
    assert identity["Account"] == "123456789012"


def test_the_client_needs_nothing_but_the_standard_library() -> None:
    code = "import sys, gpucloud.sandbox.client; print(*{name.split('.')[0] for name in sys.modules})"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not {"moto", "boto3", "flask", "werkzeug", "pydantic", "yaml", "paramiko", "rich"} & set(loaded)


@pytest.mark.slow
def test_the_aws_cli_works(sandbox: Sandbox) -> None:
    machine = sandbox.run()["InstanceId"]
    command = [sys.executable, "-m", "awscli", "--endpoint-url", sandbox.info.endpoint, "--region", "us-east-1"]
    command += ["ec2", "describe-instances", "--query", "Reservations[].Instances[].InstanceId", "--output", "text"]
    keys = {"AWS_ACCESS_KEY_ID": sandbox.info.access_key, "AWS_SECRET_ACCESS_KEY": sandbox.info.secret_key}
    answer = subprocess.run(command, capture_output=True, text=True, env={**os.environ, **keys}, check=True)
    assert answer.stdout.strip() == machine
