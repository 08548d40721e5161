"""The simulated GPUs as CUDA sees them: whether they can be used, and how long their work takes."""

from __future__ import annotations

import time
from typing import Any

from . import _state, version

DOWNLOAD = "http://www.nvidia.com/Download/index.aspx"
NOT_COMPILED = "Torch not compiled with CUDA enabled"
NO_DRIVER = (
    "Found no NVIDIA driver on your system. Please check that you have an NVIDIA GPU and installed a driver from "
    + DOWNLOAD
)
MISMATCH = (
    "Unexpected error from cudaGetDeviceCount(). Did you run some cuda functions before calling NumCudaDevices() that "
    "might have already set an error? Error 803: system has unsupported display driver / cuda driver combination"
)
TOO_OLD = (
    "The NVIDIA driver on your system is too old (found version {}). Please update your GPU driver by downloading and "
    f"installing a new version from the URL: {DOWNLOAD} Alternatively, go to: https://pytorch.org to install a PyTorch "
    "version that has been compiled with your version of the CUDA driver."
)
NO_UVM = (
    "CUDA unknown error - this may be due to an incorrectly set up environment, e.g. changing env variable "
    "CUDA_VISIBLE_DEVICES after program start. Setting the available devices to be zero."
)
NO_KERNEL = (
    "CUDA error: no kernel image is available for execution on the device\n"
    "CUDA kernel errors might be asynchronously reported at some other API call, so the stacktrace below might be "
    "incorrect."
)
# Published fp16 TFLOP/s and GB/s of the cards, by a part of their name; the longer name first.
SPEEDS = (
    ("L40S", 362, 864),
    ("A10G", 70, 600),
    ("A100", 312, 1555),
    ("H100", 989, 3350),
    ("H200", 989, 4800),
    ("B200", 2250, 8000),
    ("V100", 125, 900),
    ("L4", 121, 300),
    ("T4", 65, 320),
)
REACHED = 0.7  # the share of the published figures that real programs get
_busy_until: dict[int, float] = {}


def why_not() -> Exception | None:
    """Why CUDA does not come up, in torch's words; None when it does."""
    if version.cuda is None:
        return AssertionError(NOT_COMPILED)
    error = _state.driver_error()
    if error:
        return RuntimeError(MISMATCH if error.code == 18 else NO_DRIVER)
    if int(_state.loaded()["nvidia"].split(".")[0]) < version.oldest_driver:
        major, minor = _state.driver_cuda().split(".")
        return RuntimeError(TOO_OLD.format(f"{major}0{minor}0"))
    return None if "nvidia_uvm" in _state.loaded() else RuntimeError(NO_UVM)


def gpu(index: int) -> dict[str, Any]:
    """The GPU's entry in hardware.json. Raises what torch raises when CUDA does not come up or there is no such GPU."""
    error = why_not()
    if error:
        raise error
    found = _state.gpus()
    if not 0 <= index < len(found):
        raise RuntimeError("CUDA error: invalid device ordinal")
    return found[index]


def require_kernel(index: int) -> None:
    """Raise torch's error when the wheel has no code for the GPU: that for an older minor of the same major runs."""
    major, minor = _state.compute_capability(gpu(index))
    if not any(number // 10 == major and number % 10 <= minor for number in version.architectures):
        raise RuntimeError(NO_KERNEL)


def work(index: int, flop: float = 0.0, moved: float = 0.0) -> None:
    """Queue work that takes as long as on the real card: `flop` operations and `moved` bytes."""
    name = gpu(index)["name"]
    tflops, bandwidth = next(((flops, rate) for part, flops, rate in SPEEDS if part in name), (50, 300))
    seconds = max(flop / (tflops * 1e12), moved / (bandwidth * 1e9)) / REACHED
    now = time.perf_counter()
    _busy_until[index] = max(now, _busy_until.get(index, now)) + seconds


def synchronize(index: int) -> None:
    """Wait for the queued work."""
    time.sleep(max(0.0, _busy_until.get(index, 0.0) - time.perf_counter()))
