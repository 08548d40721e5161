"""What a user may ask of `up`."""

from __future__ import annotations

from dataclasses import dataclass

from gpucloud.catalog import types
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

    def fitting(self, cloud: str, region: str = "") -> list[types.InstanceType]:
        """The types of a cloud that fit, the cheapest first, those without a known price last.

        With a `region`, those that are known there, at its prices; else at those of the reference region.
        """
        return types.search(
            gpu=self.gpu,
            count=self.gpu_count,
            memory_gb=self.memory_gb,
            max_price=self.max_price,
            region=region,
            cloud=cloud,
            spot=self.spot,
        )


def split_gpu(text: str) -> tuple[str, int | None]:
    """`T4:4` → (`T4`, 4); `T4` → (`T4`, None): any number of them. Raises UsageError."""
    name, colon, number = text.partition(":")
    if not colon:
        return name, None
    if not (number.isdigit() and int(number) > 0):
        raise UsageError(f"bad --gpu {text!r}", "", "write a GPU and a count, such as T4:4")
    return name, int(number)
