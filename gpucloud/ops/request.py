"""What a user may ask of `up`."""

from __future__ import annotations

from dataclasses import dataclass

from gpucloud.errors import UsageError


@dataclass(frozen=True)
class Request:
    """What the user asked for. Empty means: as the profile or the configuration says."""

    type: str = ""
    gpu: str = ""
    gpu_count: int | None = None
    memory_gb: float | None = None
    max_price: float | None = None
    name: str = ""
    profile: str = ""
    image: str = ""
    disk_gb: int | None = None
    ttl: str = ""
    spot: bool = False
    subnet: str = ""
    zone: str = ""
    ssh_from: str = ""
    run: str = ""


def split_gpu(text: str) -> tuple[str, int | None]:
    """`T4:4` → (`T4`, 4); `T4` → (`T4`, None): any number of them. Raises UsageError."""
    name, colon, number = text.partition(":")
    if not colon:
        return name, None
    if not (number.isdigit() and int(number) > 0):
        raise UsageError(f"bad --gpu {text!r}", "", "write a GPU and a count, such as T4:4")
    return name, int(number)
