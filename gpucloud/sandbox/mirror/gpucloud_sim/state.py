"""The simulated machine: its hardware, what its kernel has loaded, and whether its driver works."""

from __future__ import annotations

import json
import os
import re
import sys
import time
from pathlib import Path
from typing import Any, NamedTuple


def path(name: str) -> Path:
    """`name` in the guest; tests put the whole guest under $GPUCLOUD_SIM_ROOT."""
    return Path(os.environ.get("GPUCLOUD_SIM_ROOT", "/")) / name.lstrip("/")


def hardware() -> dict[str, Any]:
    """The contents of hardware.json."""
    found: dict[str, Any] = json.loads(path("/etc/gpucloud-sim/hardware.json").read_text())
    return found


def fault() -> str:
    """The fault that the scenario gave this machine; empty when it has none."""
    return str(hardware().get("fault", ""))


def gpus() -> list[dict[str, Any]]:
    return list(hardware()["gpus"])


def secure_boot() -> bool | None:
    """Whether the firmware loads only what is signed; None for a machine that boots without UEFI variables."""
    found: bool | None = hardware().get("secure_boot")
    return found


def pause(step: str) -> None:
    """Take the time that the scenario gives to this step (seconds)."""
    time.sleep(float(hardware().get("latency", {}).get(step, 0.0)))


def kernel() -> str:
    """The kernel release that this machine reports."""
    return path("/proc/sys/kernel/osrelease").read_text().strip()


def compute_capability(gpu: dict[str, Any]) -> tuple[int, int]:
    major, minor = str(gpu["compute_cap"]).split(".")
    return int(major), int(minor)


def version_key(version: str) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", version))


def loaded() -> dict[str, str]:
    """Loaded modules and their versions, in the order in which they were loaded."""
    file = path("/run/gpucloud-sim/modules")
    lines = file.read_text().splitlines() if file.exists() else []
    return dict(line.split(" ", 1) for line in lines)


def userspace_version() -> str:
    """Version of the installed NVIDIA libraries; empty when there are none."""
    found = [file.name.split(".so.", 1)[1] for file in path("/usr/lib").glob("*/libnvidia-ml.so.*.*")]
    return max(found, key=version_key, default="")


def kernel_log(*lines: str) -> None:
    """Append to what `dmesg` shows."""
    file = path("/run/gpucloud-sim/kmsg")
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("a") as log:
        log.writelines(f"[{time.monotonic():12.6f}] {line}\n" for line in lines)


class DriverError(NamedTuple):
    """How NVML and nvidia-smi say that the driver does not work: nvidia-smi's exit code and text."""

    code: int
    text: str


NO_DRIVER = DriverError(
    9,
    "NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver. "
    "Make sure that the latest NVIDIA driver is installed and running.\n",
)


def driver_error() -> DriverError | None:
    """Why NVML does not come up; None when it does."""
    version, libraries = loaded().get("nvidia", ""), userspace_version()
    if not version or fault() == "gsp-xid":
        return NO_DRIVER
    if version != libraries:
        short = ".".join(libraries.split(".")[:2])
        text = f"Failed to initialize NVML: Driver/library version mismatch\nNVML library version: {short}"
        return DriverError(18, text)
    return None if gpus() else DriverError(6, "No devices were found")


CUDA_OF_BRANCH = {470: "11.4", 535: "12.2", 550: "12.4", 570: "12.8", 580: "13.0", 590: "13.1", 595: "13.2"}


def driver_cuda() -> str:
    """The newest CUDA that the loaded driver supports; empty without a driver."""
    version = loaded().get("nvidia", "")
    return CUDA_OF_BRANCH.get(int(version.split(".")[0]), "12.0") if version else ""


def say(text: str) -> None:
    sys.stdout.write(text + "\n")


def complain(text: str) -> None:
    sys.stderr.write(text + "\n")


def mark() -> None:
    """Say on stderr that what follows is simulated, so that machine-read output stays as it is."""
    complain("[simulated]")
