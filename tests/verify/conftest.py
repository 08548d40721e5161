"""Recorded facts documents, and what the machines behind them were sold as."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gpucloud.verify.expectation import Expectation

FACTS = Path(__file__).parent / "facts"

# GPU, number, memory in MiB (EC2 DescribeInstanceTypes), compute capability.
SOLD = {
    "t4": ("T4", 1, 16384, "7.5"),
    "a10g": ("A10G", 1, 22888, "8.6"),
    "a100": ("A100", 8, 40960, "8.0"),
    "v100": ("V100", 1, 16384, "7.0"),
    "h200": ("H200", 1, 144384, "9.0"),
}


@pytest.fixture
def recorded() -> Callable[[str], dict[str, Any]]:
    """A recorded facts document by name."""

    def load(name: str) -> dict[str, Any]:
        document: dict[str, Any] = json.loads((FACTS / f"{name}.json").read_text())
        return document

    return load


@pytest.fixture
def sold() -> Callable[[str], Expectation]:
    """What the catalogue promises of a machine with that GPU."""
    return lambda gpu: Expectation(*SOLD[gpu][:3], compute_capability=SOLD[gpu][3])
