"""How long the command line takes to start, beside a bare Python, in one run: `python benchmarks/startup.py`."""

from __future__ import annotations

import shutil
import statistics
import subprocess
import sys
import time
from pathlib import Path

ROUNDS = 15
LIMITS = {"--version": 0.18, "nope": 0.18, "up --nope": 0.18, "--help": 0.28, "up --help": 0.28}
"""Seconds, on a machine where `python -c pass` takes 0.02."""
REFERENCE = 0.02


def seconds(argv: list[str]) -> float:
    begun = time.perf_counter()
    subprocess.run(argv, capture_output=True, check=False)
    return time.perf_counter() - begun


def main() -> int:
    program = shutil.which("gpucloud", path=str(Path(sys.executable).parent)) or "gpucloud"
    commands = {"python -c pass": [sys.executable, "-c", "pass"]}
    commands |= {words: [program, *words.split()] for words in LIMITS}
    times: dict[str, list[float]] = {words: [] for words in commands}
    for _ in range(ROUNDS):  # in turns, so that a slow moment of the machine hits all of them
        for words, argv in commands.items():
            times[words].append(seconds(argv))
    median = {words: statistics.median(taken) for words, taken in times.items()}
    scale = max(1.0, median["python -c pass"] / REFERENCE)
    for words, taken in median.items():
        limit = f"limit {LIMITS[words]:.2f} s × {scale:.1f}" if words in LIMITS else "the measure of this machine"
        sys.stdout.write(f"{words:<16} {taken:.3f} s   {limit}\n")
    return 0 if all(median[words] <= limit * scale for words, limit in LIMITS.items()) else 1


if __name__ == "__main__":
    sys.exit(main())
