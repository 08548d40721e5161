"""What a healthy GPU at least reaches. Below is a warning, never a failure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from gpucloud.verify.expectation import words


@dataclass(frozen=True)
class Floor:
    """`bandwidth_gb_s` is DCGM's shipped minimum, `fp16_tflop_s` a share of the data sheet's dense rate (below)."""

    words: str
    bandwidth_gb_s: float
    fp16_tflop_s: float
    pcie_generation: int
    pcie_width: int


# The share of the data sheet's fp16 rate that a plain matrix product must reach: a T4 is capped at 70 W, and the
# L4, L40S and A10G at clocks below their boost.
BIG, MIDDLE, SMALL = 0.6, 0.45, 0.3

# More specific names first.
FLOORS: Sequence[Floor] = (
    Floor("V100", 607, 125 * BIG, 3, 16),
    Floor("T4", 183, 65 * SMALL, 3, 8),
    Floor("A10G", 363, 70 * MIDDLE, 3, 8),
    Floor("A100 80GB", 1173, 312 * BIG, 3, 16),
    Floor("A100", 970, 312 * BIG, 3, 16),
    Floor("L4", 198, 121 * MIDDLE, 3, 16),
    Floor("L40S", 525, 362 * MIDDLE, 4, 8),
    Floor("H100 NVL", 2043, 835 * BIG, 3, 16),
    Floor("H100", 1905, 989 * BIG, 3, 16),
    Floor("H200", 2200, 989 * BIG, 3, 16),
    Floor("B200", 4072, 2250 * BIG, 3, 16),
)


def floor_of(gpu: str, floors: Sequence[Floor]) -> Floor | None:
    """The floor for a GPU by its driver's name, None where none is known."""
    return next((floor for floor in floors if words(floor.words) <= words(gpu)), None)
