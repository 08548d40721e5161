"""A bundle in a temporary folder, run by the real runner under a root of its own."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

SOURCE = Path(__file__).resolve().parents[2] / "bootstrap"
Event = dict[str, Any]


class Bench:
    """Writes stages and plans, runs the runner, reads the events."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "root"
        self.state = self.root / "var/lib/gpucloud"
        self.bundle = self.state / "bundle"
        self.bundle.mkdir(parents=True)
        for source in (*SOURCE.glob("*.py"), SOURCE / "lib.sh"):
            shutil.copy(source, self.bundle)
        self.bin = folder / "bin"
        self.bin.mkdir()
        self.boot("first-boot")
        self.env = {"GPUCLOUD_ROOT": str(self.root), "PATH": f"{self.bin}:{os.environ['PATH']}", "HOME": str(folder)}

    def boot(self, boot_id: str) -> None:
        path = self.root / "proc/sys/kernel/random/boot_id"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(boot_id + "\n")

    def stage(self, id: str, script: str, **settings: Any) -> dict[str, Any]:
        """A stage whose script is `script`; it may use lib.sh."""
        (self.bundle / f"{id}.sh").write_text(f'set -euo pipefail\n. "$GPUCLOUD_BUNDLE/lib.sh"\n{script}\n')
        return {"id": id, "run": f"{id}.sh", "timeout": 20, "retries": 0, **settings}

    def plan(self, *stages: dict[str, Any], **settings: Any) -> None:
        document = {"version": 1, "run": "run-1", "stages": stages, **settings}
        (self.bundle / "plan.json").write_text(json.dumps(document))

    def command(self, name: str, script: str) -> None:
        """A command that comes first on PATH."""
        path = self.bin / name
        path.write_text(f"#!/bin/bash\n{script}\n")
        path.chmod(0o755)

    def start(self, verb: str = "run", python: str = sys.executable) -> subprocess.Popen[bytes]:
        return subprocess.Popen([python, str(self.bundle / "runner.py"), verb], env=self.env)

    def run(self, python: str = sys.executable) -> list[Event]:
        """Run to the end; the events of this run."""
        before = len(self.events())
        self.start(python=python).wait(30)
        return self.events()[before:]

    def events(self) -> list[Event]:
        path = self.state / "events.ndjson"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    yield Bench(tmp_path)


def story(events: list[Event]) -> list[str]:
    """The events as `event stage` words, without output lines."""
    return [f"{e['event']} {e.get('stage', '')}".strip() for e in events if e["event"] != "line"]


def one(events: list[Event], kind: str) -> Event:
    """The only event of a kind."""
    (event,) = (e for e in events if e["event"] == kind)
    return event
