"""[simulated] torch of a gpucloud sandbox: the little of its API that a check of a GPU needs, computed in Python."""

import sys

from . import _tensor, cuda, version
from ._tensor import (
    Tensor,
    allclose,
    empty,
    empty_like,
    equal,
    float16,
    float32,
    manual_seed,
    matmul,
    ones,
    rand,
    randn,
    tensor,
    zeros,
)

__version__ = version.__version__
__all__ = [
    "Tensor",
    "allclose",
    "cuda",
    "empty",
    "empty_like",
    "equal",
    "float16",
    "float32",
    "manual_seed",
    "matmul",
    "ones",
    "rand",
    "randn",
    "set_float32_matmul_precision",
    "tensor",
    "version",
    "zeros",
]

bfloat16 = _tensor.bfloat16


def set_float32_matmul_precision(precision: str) -> None:
    """Accepted as by torch; sums are exact here whatever the precision."""
    if precision not in ("highest", "high", "medium"):
        raise ValueError("precision must be one of: highest, high, medium")


sys.stderr.write(f"[simulated] torch {__version__}\n")
