"""Which simulated torch wheels there are, and where: PyPI's own and the extra indexes of download.pytorch.org."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from gpucloud.sandbox.mirror.wheels import SIMULATED, Files, Wheel, page, project


class Build(NamedTuple):
    """What a wheel was compiled for: CUDA version, GPU architectures, and the oldest driver branch that runs it."""

    cuda: str
    architectures: str
    driver: int


# Architectures as read out of the published x86_64 wheels; drivers from NVIDIA's CUDA compatibility tables.
BUILDS = {
    "cpu": Build("", "", 0),
    "cu118": Build("11.8", "37 50 60 70 75 80 86 90", 450),
    "cu121": Build("12.1", "50 60 70 75 80 86 90", 525),
    "cu126": Build("12.6", "50 60 70 75 80 86 90", 525),
    "cu128": Build("12.8", "70 75 80 86 90 100 120", 525),
    "cu130": Build("13.0", "75 80 86 90 100 120", 580),
    "cu132": Build("13.2", "75 80 86 90 100 120", 580),
}
PYTHONS = {
    "2.15.0": ">=3.11",
    "2.14.1": ">=3.10",
    "2.14.0": ">=3.10",
    "2.10.0": ">=3.10",
    "2.7.1": ">=3.9",
    "2.3.1": ">=3.8",
}
ON_PYPI = {"2.15.0": "cu132", "2.14.1": "cu130", "2.10.0": "cu128", "2.7.1": "cu126", "2.3.1": "cu121"}
INDEXES = {
    "cpu": ("2.15.0", "2.14.1", "2.10.0", "2.7.1", "2.3.1"),
    "cu118": ("2.7.1", "2.3.1"),
    "cu121": ("2.3.1",),
    "cu126": ("2.14.1", "2.14.0", "2.10.0", "2.7.1"),
    "cu128": ("2.10.0", "2.7.1"),
    "cu130": ("2.15.0", "2.14.1", "2.14.0", "2.10.0"),
    "cu132": ("2.15.0",),
}
NUMPY = "2.4.1"


@dataclass(frozen=True)
class TorchWheels:
    """The wheels; under the fault cpu-wheel every index serves CPU builds."""

    cpu_only: bool = False

    def wheel(self, version: str, build: str, local: bool) -> Wheel:
        """`local`: whether the version of the distribution itself names the build, which it does not on PyPI."""
        build = "cpu" if self.cpu_only else build
        chosen, full = BUILDS[build], f"{version}+{build}"
        about = (
            f"__version__ = {full!r}\ncuda = {chosen.cuda or None!r}\nsimulated = True\n"
            f"architectures = {tuple(map(int, chosen.architectures.split()))!r}\noldest_driver = {chosen.driver}\n"
        )
        files = {
            f"torch/{name}.py": source(f"simulated_torch/{name}.py") for name in ("__init__", "cuda", "_tensor", "_gpu")
        }
        files |= {
            "torch/version.py": about.encode(),
            "torch/_state.py": source("gpucloud_sim/state.py"),
            "torch/py.typed": b"",
        }
        return Wheel("torch", full if local or self.cpu_only else version, files, PYTHONS[version])

    def pypi(self) -> Files:
        wheels = [self.wheel(version, build, local=False) for version, build in ON_PYPI.items()]
        return project(wheels, "simple") | project([numpy()], "simple")

    def index(self, build: str) -> Files:
        """One of the extra indexes; like the real ones it has numpy as well."""
        wheels = [self.wheel(version, build, local=True) for version in INDEXES[build]]
        links = "".join(f'<a href="{name}/">{name}</a><br>\n' for name in ("torch", "numpy"))
        return {f"{build}/": page(build, links)} | project(wheels, build) | project([numpy()], build)


def numpy() -> Wheel:
    body = f'"""[simulated] numpy: only what says that it is there."""\n\n__version__ = "{NUMPY}"\nsimulated = True\n'
    return Wheel("numpy", NUMPY, {"numpy/__init__.py": body.encode()}, ">=3.8")


def source(name: str) -> bytes:
    return (SIMULATED / name).read_bytes()
