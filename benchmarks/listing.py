"""How long `gpucloud ls --all-regions` takes over both clouds, and what for: `python benchmarks/listing.py`.

Machines are made in an API-only sandbox [simulated] that then takes 60 ms over every call. `ls` runs in a process of
its own, as it does for people. It shares the processor with the sandbox, which the real clouds would not ask for.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections import Counter
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any

from gpucloud.config import Config
from gpucloud.keys import new_keypair
from gpucloud.machine import Spec
from gpucloud.ops import context
from gpucloud.sandbox import client

MOST_SECONDS = 1.5
"""On a machine where `python -c pass` takes REFERENCE."""
REFERENCE = 0.02
MOST_CALLS = {"aws": 18, "azure": 3, "login": 2}
"""AWS: its regions, then each of the 17. Azure: machines, their states, addresses, after a login."""
ROUNDS = 9
FIND = "_find_and_load"
"""What Python calls for an import of something that is not loaded yet."""
QUICK, SLOW = "{guests: none}", "{guests: none, latency_ms: {'*': 60}}"
LISTING = ("--sandbox", "ls", "--all-regions", "-o", "json")
MACHINES = (
    ("aws", "us-east-1", "g4dn.xlarge"),
    ("aws", "eu-west-1", "g4dn.xlarge"),
    ("aws", "ap-northeast-1", "g4dn.xlarge"),
    ("azure", "eastus", "Standard_NC4as_T4_v3"),
    ("azure", "westeurope", "Standard_NC4as_T4_v3"),
)


class Stopwatch:
    """Seconds of processor time that each part of the work takes, in all threads, without the parts inside of it."""

    def __init__(self) -> None:
        self.seconds: Counter[str] = Counter()
        self._inside = threading.local()

    def timed(self, part: str, call: Callable[..., Any]) -> Callable[..., Any]:
        """The same call, as a part of that name."""

        @wraps(call)
        def timed(*args: Any, **options: Any) -> Any:
            outer = getattr(self._inside, "seconds", 0.0)
            self._inside.seconds, begun = 0.0, time.thread_time()
            try:
                return call(*args, **options)
            finally:
                took = time.thread_time() - begun
                self.seconds[part] += took - self._inside.seconds
                self._inside.seconds = outer + took

        return timed


def traced() -> int:
    """`ls` in this process, under a stopwatch whose findings go to stderr."""
    watch, importer = Stopwatch(), sys.modules["_frozen_importlib"]
    setattr(importer, FIND, watch.timed("imports", getattr(importer, FIND)))
    from gpucloud.cli.main import main as gpucloud
    from gpucloud.providers.aws.clients import Clients as Aws
    from gpucloud.providers.azure.clients import Clients as Azure

    for clients, maker in ((Aws, "client"), (Azure, "_pipeline")):
        setattr(clients, maker, watch.timed("clients", getattr(clients, maker)))
    status = gpucloud(LISTING)
    sys.stderr.write(json.dumps({**watch.seconds, "processor": time.process_time()}))
    return status


def world(folder: Path, scenario: str) -> context.Context:
    """The sandbox in that scenario."""
    file = folder / "scenario.yaml"
    file.write_text(scenario)
    return context.sandbox(Config(scenario=str(file)), lambda event: None)


def prepare(folder: Path) -> None:
    """Make the machines, then make the clouds slow."""
    clouds, key = world(folder, QUICK), new_keypair().public
    for number, (cloud, region, kind) in enumerate(MACHINES):
        facts: dict[str, str] = {}
        spec = Spec(f"box{number}", region, kind, ssh_from="203.0.113.7/32", authorized_key=key)
        for step in clouds.provider(cloud, region).launch_steps(spec, f"bench{number}"):
            facts.update(step.do(facts))
    world(folder, SLOW)


def seconds(*argv: str) -> tuple[float, subprocess.CompletedProcess[bytes]]:
    """How long a run of Python takes, and the run."""
    begun = time.perf_counter()
    done = subprocess.run([sys.executable, *argv], capture_output=True, check=True)
    return time.perf_counter() - begun, done


def listed() -> float:
    """Seconds of one `ls`, which must show every machine."""
    took, done = seconds("-m", "gpucloud", *LISTING)
    if len(json.loads(done.stdout)) != len(MACHINES):
        raise SystemExit(f"machines are missing: {done.stdout.decode()}")
    return took


def split() -> dict[str, float]:
    """Seconds of one more `ls` by what they went into."""
    took, done = seconds(__file__, "traced")
    parts: dict[str, float] = json.loads(done.stderr)
    rest = parts["processor"] - parts["imports"] - parts["clients"]
    return {
        "imports": parts["imports"],
        "clients": parts["clients"],
        "requests and the rest": rest,
        "waiting": took - parts["processor"],
    }


def calls(folder: Path) -> Counter[str]:
    """How many requests the clouds have seen."""
    info = client.status(folder / "gpucloud" / "sandbox")
    if info is None:
        raise SystemExit("the sandbox does not run any more")
    with urllib.request.urlopen(f"{info.endpoint}/_gpucloud/calls") as reply:
        services = [call["service"] for call in json.load(reply)["calls"]]
    return Counter("aws" if service == "ec2" else service for service in services)


def main() -> int:
    with tempfile.TemporaryDirectory() as name:
        folder, os.environ["XDG_STATE_HOME"] = Path(name), name
        try:
            prepare(folder)
            before = calls(folder)
            listed()  # Python compiles what it has not seen yet
            asked = calls(folder) - before
            times = [(seconds("-c", "pass")[0], listed(), split()) for _ in range(ROUNDS)]
        finally:
            client.stop(folder / "gpucloud" / "sandbox")
    bare, whole, parts = zip(*times, strict=True)
    took, limit = statistics.median(whole), MOST_SECONDS * max(1.0, statistics.median(bare) / REFERENCE)
    report = {part: f"{statistics.median(each[part] for each in parts):.2f} s" for part in parts[0]}
    requests = ", ".join(f"{service} {count} (at most {MOST_CALLS[service]})" for service, count in asked.items())
    sys.stdout.write(f"[simulated] ls --all-regions over both clouds, {len(MACHINES)} machines, 60 ms a request:\n")
    sys.stdout.write(f"{took:.2f} s ({min(whole):.2f} to {max(whole):.2f}), limit {limit:.2f} s\n")
    sys.stdout.write(", ".join(f"{part} {duration}" for part, duration in report.items()) + "\n")
    sys.stdout.write(f"requests: {requests}\n")
    return 0 if took <= limit and asked <= Counter(MOST_CALLS) else 1


if __name__ == "__main__":
    sys.exit(traced() if sys.argv[1:] == ["traced"] else main())
