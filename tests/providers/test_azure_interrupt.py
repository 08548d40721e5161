"""A launch on Azure that is interrupted or killed at any point leaves nothing: by its own rollback, or by another's."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from gpucloud import journal, saga
from gpucloud.machine import Spec
from gpucloud.waiting import Waiter
from tests.providers.support import Cloud
from tests.providers.test_azure_launch import azure_provider, left

pytestmark = pytest.mark.slow

PROGRAM = """
import json, sys
from pathlib import Path
from gpucloud import journal, saga, signals
from gpucloud.machine import Spec
from gpucloud.providers import registry
from gpucloud.waiting import Waiter

saga.CONSISTENCY_WINDOW = 2.0  # what the sandbox has made is seen at once
told = json.load(sys.stdin)
signals.install()
provider = registry.connect("azure", told["settings"], "eastus")
spec = Spec(**told["spec"], user_data="#cloud-config\\n")
assert provider.preflight(spec) == []
steps = provider.launch_steps(spec, "run1")
header = {"run": "run1", "name": spec.name, "cloud": "azure", "region": spec.region, "spec": spec.journal_form()}
log = journal.Journal.create(Path(told["journal"]), header)
tell = lambda event, step: print(event, step, flush=True)
try:
    with log, saga.transaction(steps, log, Waiter(), tell):
        saga.run(steps, log, tell)
except signals.Interrupted as interrupted:
    sys.exit(interrupted.status)
"""
STEPS = ("resource-group", "network", "network-interface", "instance", "schedule")


@pytest.fixture
def slow(azure: Cloud) -> Iterator[Cloud]:
    """Everything that is made takes long enough to be interrupted."""
    azure.use("azure: {operation_seconds: {'PUT *': 1.5}}\nlatency_ms: {'PUT *': 500}")
    yield azure
    azure.use("")


def run_until(azure: Cloud, step: str, number: int, log: Path) -> subprocess.Popen[str]:
    """A launch in a process of its own, sent a signal when it is at the step."""
    form = azure.spec(ttl_minutes=60).journal_form()
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdin and process.stdout
    process.stdin.write(json.dumps({"settings": azure.settings, "spec": form, "journal": str(log)}))
    process.stdin.close()
    for line in process.stdout:
        if line == f"do {step}\n":
            break
    process.send_signal(number)
    return process


@pytest.mark.parametrize("step", STEPS)
def test_an_interrupted_launch_rolls_itself_back_and_ends(slow: Cloud, step: str, tmp_path: Path) -> None:
    with run_until(slow, step, signal.SIGINT, tmp_path / "run1.ndjson") as process:
        assert process.wait(60) == 130, process.stderr and process.stderr.read()
    assert left(slow) == {}


@pytest.mark.parametrize("step", STEPS)
def test_a_killed_launch_is_undone_by_another_process_from_its_journal(
    slow: Cloud, step: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(saga, "CONSISTENCY_WINDOW", 2.0)
    file = tmp_path / "run1.ndjson"
    with run_until(slow, step, signal.SIGKILL, file) as process:
        assert process.wait(60) == -signal.SIGKILL
    with journal.Journal.open(file) as log:
        spec = Spec.from_journal(log.header["spec"])
        steps = azure_provider(slow).launch_steps(spec, "run1")
        saga.roll_back(steps, log, Waiter())
    assert left(slow) == {}
