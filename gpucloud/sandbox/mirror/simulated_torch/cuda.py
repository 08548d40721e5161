"""torch.cuda: what a program asks before it uses a GPU."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from . import _gpu, _state, version

if TYPE_CHECKING:
    Device = int | str | None


class Properties(NamedTuple):
    name: str
    major: int
    minor: int
    total_memory: int
    multi_processor_count: int
    uuid: str


def is_available() -> bool:
    return _gpu.why_not() is None


def init() -> None:
    error = _gpu.why_not()
    if error:
        raise error


def device_count() -> int:
    return len(_state.gpus()) if is_available() else 0


def current_device() -> int:
    init()
    return 0


def get_arch_list() -> list[str]:
    return [f"sm_{number}" for number in version.architectures] if is_available() else []


def get_device_name(device: Device = 0) -> str:
    return str(_gpu.gpu(index_of(device))["name"])


def get_device_capability(device: Device = 0) -> tuple[int, int]:
    return _state.compute_capability(_gpu.gpu(index_of(device)))


def get_device_properties(device: Device = 0) -> Properties:
    gpu = _gpu.gpu(index_of(device))
    major, minor = _state.compute_capability(gpu)
    return Properties(gpu["name"], major, minor, gpu["memory_mib"] * 2**20, 40, gpu["uuid"].replace("GPU-", ""))


def mem_get_info(device: Device = 0) -> tuple[int, int]:
    total = int(_gpu.gpu(index_of(device))["memory_mib"]) * 2**20
    return total, total


def synchronize(device: Device = 0) -> None:
    _gpu.synchronize(index_of(device))


def index_of(device: Device) -> int:
    """A device is a number, None (the first), or `cuda:N`."""
    if isinstance(device, int):
        return device
    name = str(device or "cuda")
    return int(name.split(":")[1]) if ":" in name else 0
