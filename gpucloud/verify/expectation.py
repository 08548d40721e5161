"""What a machine must have to count as proven."""

from __future__ import annotations

import re
from dataclasses import dataclass

DRIVER, TORCH, DOCKER = "driver", "torch", "docker"

# Words of NVIDIA's product names that do not tell one GPU from another.
BRAND = frozenset({"nvidia", "tesla"})


@dataclass(frozen=True)
class Expectation:
    """Plain values, from the catalogue and the profile. Empty or None: whatever the machine has is right.

    `gpu_memory_mib` is the memory of one GPU. `layers` names the parts of the stack that the profile installed;
    the checks of the others are skipped. `driver_branch` (580) and `driver_flavour` (open, proprietary, grid) only
    make the remedies of a machine without a driver exact.
    """

    gpu: str = ""
    gpu_count: int | None = None
    gpu_memory_mib: int | None = None
    # ECC takes a sixteenth of a GDDR6 card's memory: a T4 sold as 16384 MiB shows 15360.
    memory_tolerance: float = 0.1
    compute_capability: str = ""
    torch_version: str = ""
    driver_branch: str = ""
    driver_flavour: str = ""
    layers: frozenset[str] = frozenset({DRIVER, TORCH, DOCKER})


def words(gpu: str) -> frozenset[str]:
    """The words of a GPU's name that identify it, in lower case: `Tesla T4` → t4, `A100-SXM4-40GB` → a100 sxm4 40."""
    found = {word.removesuffix("gb") for word in re.findall(r"[a-z0-9]+", gpu.lower())}
    return frozenset(found - BRAND)


def is_same_gpu(expected: str, actual: str) -> bool:
    """Whether nvidia-smi's name is the expected GPU: it has each identifying word of `expected`, as a whole word."""
    return words(expected) <= words(actual)


def memory_fits(expectation: Expectation, mib: float) -> bool:
    """Whether a GPU with so much memory is the one that was expected."""
    wanted = expectation.gpu_memory_mib
    return wanted is None or abs(mib - wanted) <= wanted * expectation.memory_tolerance
