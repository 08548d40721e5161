"""How much of `up` is gpucloud's own doing, with the timings of a real cloud: `python benchmarks/overhead.py`.

Runs `gpucloud --sandbox up` in the `realistic` scenario [simulated] and subtracts the scenario's critical path: the
calls that must follow one another, the passage to `running`, the boot, and the longest chain of installations.
What is left is ours: processes, connections, polling, the real apt and dpkg work of the guest.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time

from gpucloud.sandbox import scenario

MOST = 0.10
CALLS = (
    "DescribeInstanceTypeOfferings",  # stands for the first wave, whose calls run side by side
    "RunInstances",  # the dry run
    "CreateSecurityGroup",
    "AuthorizeSecurityGroupIngress",
    "RunInstances",
    "DescribeInstances",  # the one that first sees `running`
)
INSTALLS: tuple[tuple[scenario.Step, ...], ...] = (("apt", "torch", "pull"), ("apt", "modprobe", "pull"))
"""Package lists first, then torch beside the driver, then the container image of verify."""


def up(state: str) -> float:
    """Seconds of one `up`, the sandbox being started before."""
    environment = {**os.environ, "XDG_STATE_HOME": state, "GPUCLOUD_SCENARIO": "realistic"}
    gpucloud = [sys.executable, "-m", "gpucloud"]
    subprocess.run([*gpucloud, "sandbox", "start"], env=environment, check=True, stdout=subprocess.DEVNULL)
    try:
        begun = time.monotonic()
        subprocess.run([*gpucloud, "--sandbox", "up", "g4dn.xlarge", "-n", "bench"], env=environment, check=True)
        took = time.monotonic() - begun
        subprocess.run([*gpucloud, "--sandbox", "down", "bench", "--yes"], env=environment, check=True)
    finally:
        subprocess.run([*gpucloud, "sandbox", "stop"], env=environment, check=True)
    return took


def main() -> int:
    path = scenario.critical_path(scenario.load("realistic"), CALLS, INSTALLS)
    with tempfile.TemporaryDirectory() as state:
        took = up(state)
    share = (took - path) / path
    sys.stdout.write(
        f"[simulated] up took {took:.1f} s; the scenario's critical path is {path:.1f} s; "
        f"gpucloud's own overhead {took - path:.1f} s, {share:.0%} of it (at most {MOST:.0%})\n"
    )
    return 0 if share <= MOST else 1


if __name__ == "__main__":
    sys.exit(main())
