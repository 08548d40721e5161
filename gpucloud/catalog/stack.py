"""Which driver and which torch a GPU gets: one table and one pure function.

Sources, read 2026-11: NVIDIA's data-centre driver and CUDA release notes (branches, minimum drivers), the sm lists
inside the PyPI x86_64 wheels of torch, AWS's and Azure's GPU driver pages (GRID, GSP), Azure/azhpc-images (hpc).
"""

from __future__ import annotations

from dataclasses import dataclass

from gpucloud.catalog.types import InstanceType
from gpucloud.errors import ConfigError


@dataclass(frozen=True)
class Stack:
    """What is installed on one machine.

    `flavour` is `open`, `proprietary` or `grid`; `branch` the driver's, such as `580`, and `driver_cuda` the newest
    CUDA that the branch runs (empty: not known). Without `gsp` the GPU's own firmware is switched off. `torch` is a
    version, empty where the image has to bring it; `torch_index` the index of download.pytorch.org, empty for PyPI;
    `cuda` the version that torch is built with; `min_driver` the oldest driver for it; `python` a request for uv.
    """

    gpu: str
    flavour: str
    branch: str
    gsp: bool
    driver_cuda: str
    torch: str
    torch_index: str
    cuda: str
    min_driver: str
    python: str


@dataclass(frozen=True)
class _Driver:
    """The default for some GPUs, and the branches that know them (None: no end in sight)."""

    flavour: str
    branch: int
    oldest: int
    newest: int | None = None
    gsp: bool = True


_BY_ARCHITECTURE = {
    "Maxwell": _Driver("proprietary", 580, oldest=470, newest=580),
    "Pascal": _Driver("proprietary", 580, oldest=470, newest=580),
    "Volta": _Driver("proprietary", 580, oldest=470, newest=580),
    "Turing": _Driver("open", 580, oldest=470),
    "Ampere": _Driver("open", 580, oldest=470),
    "Ada Lovelace": _Driver("open", 580, oldest=570),
    "Hopper": _Driver("open", 580, oldest=570),
    "Blackwell": _Driver("open", 580, oldest=570),
    "Blackwell Ultra": _Driver("open", 580, oldest=580),
}

_BY_FAMILY = {
    # The GSP firmware faults on these (Xid 119, 120); the open module cannot do without it.
    "g4dn": _Driver("proprietary", 580, oldest=470, gsp=False),
    "g5": _Driver("proprietary", 580, oldest=470, gsp=False),
    "g5g": _Driver("proprietary", 580, oldest=470, gsp=False),
    # vGPUs reject the CUDA drivers; the clouds hand out GRID ones, of these branches.
    "g6f": _Driver("grid", 570, oldest=570),
    "gr6f": _Driver("grid", 570, oldest=570),
    "NVadsA10_v5": _Driver("grid", 570, oldest=570),
    "NCads_A10_v4": _Driver("grid", 570, oldest=570),
    "NC_RTXPRO6000BSE_v6": _Driver("grid", 595, oldest=595),
}

BRANCHES = {470: "11.4", 570: "12.8", 580: "13.0", 595: "13.2", 615: ""}
"""The driver branches that can be asked for, with the newest CUDA that each runs (empty: not known)."""

_FIRST_OPEN = 515
_ONLY_OPEN = 615
"""From this branch on NVIDIA publishes the open module alone, which needs the GPU's own firmware (Ubuntu archive,
2026-11)."""
_IMAGE_BRANCH = {"dlami": 595, "hpc": 580}
"""Of the images that bring a driver: the open module, or for GPUs that it does not know a variant of the image."""
_WITHOUT_TORCH = ("ubuntu-22.04", "ubuntu-24.04", "hpc")


@dataclass(frozen=True)
class _Build:
    """One build of torch. `sms`: the GPU generations compiled in, as compute capability times ten; None: not known."""

    version: str
    cuda: str
    index: str = ""
    sms: tuple[int, ...] | None = None
    python: str = ">=3.10,<3.14"

    @property
    def min_driver(self) -> str:
        """Of the CUDA major version, by its minor version compatibility."""
        return {"11": "450.80.02", "12": "525.60.13", "13": "580"}[self.cuda.split(".")[0]]


_BUILDS = (
    _Build("2.15.0", "13.2", sms=(75, 80, 86, 90, 100, 120), python=">=3.11,<3.14"),
    _Build("2.14.1", "13.0", sms=(75, 80, 86, 90, 100, 120)),
    _Build("2.10.0", "12.8", sms=(70, 75, 80, 86, 90, 100, 120)),
    _Build("2.7.1", "12.6", sms=(50, 60, 70, 75, 80, 86, 90)),
    _Build("2.7.1", "11.8", index="cu118"),
)
"""Newest first: a machine gets the first that its driver and its GPU can run."""


def default_image(wanted: InstanceType) -> str:
    """The image for a type when nobody asked for one: Ubuntu 22.04, or on AWS's Arm types the one that brings torch."""
    return "dlami" if wanted.cpu_arch == "arm64" and wanted.cloud == "aws" else "ubuntu-22.04"


def choose(wanted: InstanceType, *, image: str = "ubuntu-22.04", driver: str = "", torch: str = "") -> Stack:
    """The stack for a type on an image. `driver` (a branch) and `torch` (`2.15.0`, `2.7.1+cu118`) override the table.

    Raises ConfigError that names the rule, for a GPU without a stack and for overrides that do not go together.
    """
    row = _row(wanted)
    branch = _branch(wanted, row, image, driver)
    flavour, gsp = _module(row, branch, image)
    build = _torch(wanted, branch, image, torch)
    return Stack(
        gpu=wanted.gpu.name,
        flavour=flavour,
        branch=str(branch),
        gsp=gsp,
        driver_cuda=BRANCHES[branch],
        torch=build.version if build else "",
        torch_index=build.index if build else "",
        cuda=build.cuda if build else "",
        min_driver=build.min_driver if build else "",
        python=build.python if build else "",
    )


def _row(wanted: InstanceType) -> _Driver:
    gpu = wanted.gpu
    if row := _BY_FAMILY.get(wanted.family) or _BY_ARCHITECTURE.get(gpu.architecture):
        return row
    if gpu.architecture == "Kepler":
        why = f"the last driver for a {gpu.name} (Kepler) is 470, and the last torch for that is 2.3"
    else:
        why = f"its {gpu.name} is an AMD GPU: no CUDA"
    raise ConfigError(f"no driver and torch for {wanted.name}", why, "`gpucloud types` lists what can be had")


def _module(row: _Driver, branch: int, image: str) -> tuple[str, bool]:
    """The kernel module's flavour, and whether it uses the GPU's firmware."""
    if row.flavour == "grid":
        return row.flavour, row.gsp
    if branch < _FIRST_OPEN:
        return "proprietary", row.gsp
    if branch >= _ONLY_OPEN or (image in _IMAGE_BRANCH and row.newest is None):
        return "open", True
    return row.flavour, row.gsp


def _branch(wanted: InstanceType, row: _Driver, image: str, asked: str) -> int:
    """The driver branch: the image's, the one asked for, or the table's."""
    known = ", ".join(str(branch) for branch in BRANCHES)
    if asked and (not asked.isdigit() or int(asked) not in BRANCHES):
        raise ConfigError(f"driver {asked}: no such branch", "", f"known branches: {known}")
    if asked and image in _IMAGE_BRANCH:
        raise ConfigError(f"driver {asked}: the image {image} brings its own", "", "choose another image")
    branch = int(asked) if asked else _IMAGE_BRANCH.get(image, row.branch)
    what = f"driver {branch} cannot run a {wanted.gpu.name}"
    if row.newest is not None and branch > row.newest:
        raise ConfigError(what, f"{row.newest} is the last branch for {wanted.gpu.architecture}", _other(image))
    if branch < row.oldest:
        raise ConfigError(what, f"{wanted.name} needs driver >= {row.oldest}", f"known branches: {known}")
    return branch


def _other(image: str) -> str:
    return "take the image ubuntu-22.04" if image in _IMAGE_BRANCH else "leave the driver out to get the right one"


def _torch(wanted: InstanceType, branch: int, image: str, asked: str) -> _Build | None:
    """The build of torch, None where the image has to bring it. PyPI's arm64 builds lack the GPUs that clouds have."""
    if wanted.cpu_arch == "arm64":
        if image not in _WITHOUT_TORCH and not asked:
            return None
        why = f"no arm64 build of torch is known to run on a {wanted.gpu.name} (sm_{_sm(wanted)})"
        example = "`--image dlami`" if wanted.cloud == "aws" else "one of your own"
        raise ConfigError(f"no torch for {wanted.name}", why, f"use an image that brings it, such as {example}")
    builds = _asked_for(asked) if asked else _BUILDS
    reasons = [_why_not(build, wanted, branch) for build in builds]
    for build, reason in zip(builds, reasons, strict=True):
        if not reason:
            return build
    raise ConfigError(f"no torch for {wanted.name} with driver {branch}", reasons[0], "leave torch or driver out")


def _asked_for(asked: str) -> tuple[_Build, ...]:
    """The builds of that name. One that we do not know must say its CUDA, which is also its index."""
    version, _, local = asked.partition("+")
    known = [build for build in _BUILDS if build.version == version and local in ("", f"cu{_digits(build.cuda)}")]
    if known:
        return tuple(known)
    cuda = local.removeprefix("cu")
    if local.startswith("cu") and cuda.isdigit() and cuda[:2] in ("11", "12", "13"):
        return (_Build(version, f"{cuda[:2]}.{cuda[2:]}", index=local),)
    names = ", ".join(dict.fromkeys(build.version for build in _BUILDS))
    raise ConfigError(
        f"torch {asked}: which CUDA?", f"only {names} are known", f"name the build, such as {version}+cu126"
    )


def _why_not(build: _Build, wanted: InstanceType, branch: int) -> str:
    """Why this build does not run on that GPU with that driver; empty if it does."""
    if branch < int(build.min_driver.split(".")[0]):
        return f"torch {build.version} (CUDA {build.cuda}) needs driver >= {build.min_driver}"
    sm = _sm(wanted)
    # Code for one generation runs on later minor ones of the same major version: sm_86 on an 8.9.
    if build.sms is not None and not any(each // 10 == sm // 10 and each <= sm for each in build.sms):
        return f"torch {build.version} has no sm_{sm}, which a {wanted.gpu.name} needs"
    return ""


def _sm(wanted: InstanceType) -> int:
    return int(_digits(wanted.gpu.compute_capability))


def _digits(version: str) -> str:
    return version.replace(".", "")
