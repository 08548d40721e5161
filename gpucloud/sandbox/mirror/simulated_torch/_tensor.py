"""Tensors of one or two dimensions in plain Python. Above LARGEST elements only shape and time are simulated."""

from __future__ import annotations

import operator
import random
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from . import _gpu

if TYPE_CHECKING:
    Rows = tuple[tuple[float, ...], ...]
    Number = float  # inside Tensor, `float` is a method


class Kind(NamedTuple):
    """A data type: its name and the bytes of an element."""

    name: str
    itemsize: int


float32, float16, bfloat16 = Kind("torch.float32", 4), Kind("torch.float16", 2), Kind("torch.bfloat16", 2)
LARGEST = 2**20
_random = random.Random()
# A product is a function of its factors, and a check multiplies the same ones several times.
_products: dict[tuple[int, int], tuple[Rows, Rows, Rows]] = {}


class Tensor:
    """`rows` is a tuple of rows of floats, or None for a tensor that is too large to be computed."""

    def __init__(self, rows: Rows | None, shape: Sequence[int], dtype: Kind = float32, device: Any = "cpu") -> None:
        self.rows, self.shape, self.dtype, self.device = rows, tuple(shape), dtype, str(device)
        if self.is_cuda:
            _gpu.gpu(self.index)

    @property
    def is_cuda(self) -> bool:
        return self.device.startswith("cuda")

    @property
    def index(self) -> int:
        return int(self.device.split(":")[1]) if ":" in self.device else 0

    def numel(self) -> int:
        count = 1
        for size in self.shape:
            count *= size
        return count

    def element_size(self) -> int:
        return self.dtype.itemsize

    def to(self, device: Any = None, dtype: Kind | None = None) -> Tensor:
        if isinstance(device, Kind):
            device, dtype = None, device
        return Tensor(self.rows, self.shape, dtype or self.dtype, self.device if device is None else device)

    def cuda(self, device: int = 0) -> Tensor:
        return self.to(f"cuda:{device}")

    def cpu(self) -> Tensor:
        return self.to("cpu")

    def half(self) -> Tensor:
        return self.to(dtype=float16)

    def float(self) -> Tensor:
        return self.to(dtype=float32)

    def __matmul__(self, other: Tensor) -> Tensor:
        self.run(flop=2.0 * self.numel() * other.shape[-1])
        shape = (self.shape[0], other.shape[1])
        return Tensor(product(self.rows, other.rows), shape, self.dtype, self.device)

    def __add__(self, other: Any) -> Tensor:
        return self.each(operator.add, other)

    def __sub__(self, other: Any) -> Tensor:
        return self.each(operator.sub, other)

    def __mul__(self, other: Any) -> Tensor:
        return self.each(operator.mul, other)

    def each(self, operation: Callable[[Any, Any], Number], other: Any) -> Tensor:
        self.run(moved=3.0 * self.numel() * self.dtype.itemsize)
        if not isinstance(other, Tensor):
            return self.mapped(lambda value: operation(value, other))
        rows = (
            self.rows
            and other.rows
            and tuple(tuple(map(operation, *pair)) for pair in zip(self.rows, other.rows, strict=False))
        )
        return Tensor(rows, self.shape, self.dtype, self.device)

    def mapped(self, function: Callable[[Number], Number]) -> Tensor:
        rows = self.rows and tuple(tuple(map(function, row)) for row in self.rows)
        return Tensor(rows, self.shape, self.dtype, self.device)

    def abs(self) -> Tensor:
        return self.mapped(abs)

    def max(self) -> Tensor:
        return Tensor(((max(map(max, self.computed())),),), (), self.dtype, self.device)

    def sum(self) -> Tensor:
        return Tensor(((sum(map(sum, self.computed())),),), (), self.dtype, self.device)

    def mean(self) -> Tensor:
        return Tensor(((sum(map(sum, self.computed())) / self.numel(),),), (), self.dtype, self.device)

    def computed(self) -> Rows:
        if self.rows is None:
            raise NotImplementedError(f"[simulated] tensors of more than {LARGEST} elements have no values")
        return self.rows

    def copy_(self, other: Tensor) -> Tensor:
        self.run(moved=2.0 * self.numel() * self.dtype.itemsize)
        self.rows = other.rows
        return self

    def item(self) -> Number:
        return self.computed()[0][0]

    def tolist(self) -> Any:
        values = [list(row) for row in self.computed()]
        return values if len(self.shape) == 2 else values[0] if self.shape else values[0][0]

    def __float__(self) -> Number:
        return float(self.item())

    def __repr__(self) -> str:
        return f"tensor(shape={list(self.shape)}, device={self.device!r}) [simulated]"

    def run(self, flop: Number = 0.0, moved: Number = 0.0) -> None:
        """What every operation costs; on a GPU the wheel must have code for it."""
        if self.is_cuda:
            _gpu.require_kernel(self.index)
            _gpu.work(self.index, flop, moved)


def product(left: Rows | None, right: Rows | None) -> Rows | None:
    if left is None or right is None:
        return None
    key = (id(left), id(right))
    if key not in _products:
        columns = tuple(zip(*right, strict=False))
        rows = tuple(tuple(sum(map(operator.mul, row, column)) for column in columns) for row in left)
        _products[key] = (left, right, rows)  # the factors stay alive, so that their ids stay theirs
    return _products[key][2]


def filled(shape: Any, dtype: Kind | None, device: Any, value: Callable[[], float]) -> Tensor:
    """A tensor whose elements are what `value` returns, one call each."""
    if len(shape) == 1 and not isinstance(shape[0], int):
        shape = tuple(shape[0])
    made = Tensor(None, shape, dtype or float32, device or "cpu")
    if made.numel() <= LARGEST:
        height, width = shape if len(shape) == 2 else (1, made.numel())
        made.rows = tuple(tuple(value() for _ in range(width)) for _ in range(height))
    if made.is_cuda:
        made.run(moved=float(made.numel() * made.dtype.itemsize))
    return made


def randn(*shape: Any, dtype: Kind | None = None, device: Any = None) -> Tensor:
    return filled(shape, dtype, device, lambda: _random.gauss(0.0, 1.0))


def rand(*shape: Any, dtype: Kind | None = None, device: Any = None) -> Tensor:
    return filled(shape, dtype, device, _random.random)


def ones(*shape: Any, dtype: Kind | None = None, device: Any = None) -> Tensor:
    return filled(shape, dtype, device, lambda: 1.0)


def zeros(*shape: Any, dtype: Kind | None = None, device: Any = None) -> Tensor:
    return filled(shape, dtype, device, lambda: 0.0)


empty = zeros


def empty_like(other: Tensor) -> Tensor:
    return filled(other.shape, other.dtype, other.device, lambda: 0.0)


def tensor(values: Any, dtype: Kind | None = None, device: Any = None) -> Tensor:
    nested = bool(values) and isinstance(values[0], (list, tuple))
    rows = tuple(map(tuple, values)) if nested else (tuple(values),)
    shape = (len(rows), len(rows[0])) if nested else (len(values),)
    return Tensor(rows, shape, dtype or float32, device or "cpu")


def matmul(left: Tensor, right: Tensor) -> Tensor:
    return left @ right


def manual_seed(seed: int) -> None:
    _random.seed(seed)


def equal(left: Tensor, right: Tensor) -> bool:
    """Whether shape and every element are the same."""
    return left.shape == right.shape and left.rows == right.rows


def allclose(left: Tensor, right: Tensor, rtol: float = 1e-05, atol: float = 1e-08) -> bool:
    pairs = (
        (a, b) for rows in zip(left.computed(), right.computed(), strict=False) for a, b in zip(*rows, strict=False)
    )
    return all(abs(a - b) <= atol + rtol * abs(b) for a, b in pairs)
