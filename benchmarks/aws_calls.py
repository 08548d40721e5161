"""Counts what `up` asks of AWS before RunInstances, and how deep: `python benchmarks/aws_calls.py`.

It runs the AWS provider against an API-only sandbox [simulated], whose call log is the measure. Every call is given
the same latency, so that those which wait for one another can be told from those which run side by side.
"""

from __future__ import annotations

import json
import sys
import tempfile
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from gpucloud.machine import Spec
from gpucloud.providers import registry
from gpucloud.sandbox import client

MOST_CALLS, MOST_DEEP = 9, 4
SCENARIO = "{guests: none, latency_ms: {'*': 400}}"

Calls = Sequence[dict[str, Any]]


def before_launch(calls: Calls) -> list[dict[str, Any]]:
    """The calls up to the one RunInstances that is no dry run."""
    launch = next(call["started"] for call in calls if call["action"] == "RunInstances" and not call["dry_run"])
    return [call for call in calls if call["started"] < launch]


def depth(calls: Calls) -> int:
    """The length of the longest chain of calls of which each began after the one before had ended."""
    longest: list[tuple[float, int]] = []
    for call in sorted(calls, key=lambda each: float(each["started"])):
        chain = max((length for ended, length in longest if ended <= call["started"]), default=0)
        longest.append((call["started"] + call["seconds"], chain + 1))
    return max((length for _, length in longest), default=0)


def measure(image: str, folder: Path) -> list[dict[str, Any]]:
    """Every call of one launch."""
    scenario = folder / "scenario.yaml"
    scenario.write_text(SCENARIO)
    info = client.ensure(str(scenario), folder)
    try:
        settings = {
            "endpoint_url": info.endpoint,
            "access_key": info.access_key,
            "secret_key": info.secret_key,
            "checkip_url": info.checkip,
        }
        provider = registry.connect("aws", settings, "us-east-1")
        facts: dict[str, str] = {}
        for step in provider.launch_steps(Spec("bench", "us-east-1", "g4dn.xlarge", image, disk_gb=200), "bench"):
            facts.update(step.do(facts))
        with urllib.request.urlopen(f"{info.endpoint}/_gpucloud/calls") as reply:
            return list(json.load(reply)["calls"])
    finally:
        client.stop(folder)


def main() -> int:
    good = True
    for image in ("ubuntu-22.04", "dlami"):
        with tempfile.TemporaryDirectory() as folder:
            calls = before_launch(measure(image, Path(folder)))
        deep = depth(calls)
        good = good and len(calls) <= MOST_CALLS and deep <= MOST_DEEP
        actions = ", ".join(call["action"] + (" (dry run)" if call["dry_run"] else "") for call in calls)
        line = f"[simulated] {image}: {len(calls)} calls before RunInstances, {deep} deep: {actions}"
        sys.stdout.write(line + "\n")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
