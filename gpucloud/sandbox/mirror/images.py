"""What a cloud's image has installed beyond plain Ubuntu. Its files alone are there, and no package list knows them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from gpucloud.sandbox.mirror import vendors
from gpucloud.sandbox.mirror.deb import Package, file_mode
from gpucloud.sandbox.mirror.ubuntu import Driver, module_files, userspace

GuestFiles = dict[str, tuple[bytes, int]]
HPC_DRIVER = Driver("580", "", "0ubuntu1")
FIRST_WITH_GSP = (7, 5)


def image_files(hardware: Mapping[str, Any], codename: str) -> GuestFiles:
    """The files of the image that `hardware` names; empty for plain Ubuntu.

    `hpc` is Azure's: NVIDIA's driver with modules compiled on the machine, so without a signature, moby in docker's
    place and the container toolkit, but no torch (Azure/azhpc-images, 2026).
    """
    if hardware.get("image") != "hpc":
        return {}
    texts = {name: text for package in hpc_packages(codename) for name, text in package.files.items()}
    texts |= {"/usr" + name: texts.pop(name) for name in list(texts) if name.startswith("/lib/")}
    texts |= modules(hardware)
    return {name: (text.encode(), file_mode(name)) for name, text in texts.items()}


def hpc_packages(codename: str) -> Iterator[Package]:
    yield from userspace(HPC_DRIVER)
    yield from vendors.docker(codename)
    yield from vendors.toolkit()


def modules(hardware: Mapping[str, Any]) -> dict[str, str]:
    """Azure has a variant of the image for GPUs that the open module does not know."""
    capabilities = [tuple(int(part) for part in str(gpu["compute_cap"]).split(".")) for gpu in hardware["gpus"]]
    folder = f"/usr/lib/modules/{hardware['kernel']}/updates/dkms"
    knows_all = min(capabilities, default=FIRST_WITH_GSP) >= FIRST_WITH_GSP
    return module_files(folder, HPC_DRIVER.upstream, "-open" if knows_all else "")
