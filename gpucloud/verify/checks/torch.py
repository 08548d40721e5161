"""torch: is it a CUDA build for this driver and this GPU, and does a real kernel give the right numbers?"""

from __future__ import annotations

import math
from typing import Any

from gpucloud.verify.checks.packages import branch
from gpucloud.verify.expectation import Expectation
from gpucloud.verify.facts import Facts
from gpucloud.verify.report import Check, Layer, failed, passed, warned

# A 256-term dot product of unit normals is about 16; its fp32 rounding error stays near 1e-5 whatever the order.
MAX_ABS_ERROR = 1e-3
# CUDA of the wheel → oldest driver that runs it. Source: CUDA release notes, minor-version compatibility.
OLDEST_DRIVER = {"13": (580,), "12": (525, 60, 13), "11": (450, 80, 2)}
INDEX = "https://download.pytorch.org/whl"


def check_torch(facts: Facts, expected: Expectation) -> list[Check]:
    if not facts.get("torch.installed"):
        looked = ", ".join(facts.rows("torch.looked_in")) or "no interpreter"
        cause = f"no Python with torch found (looked in {looked})"
        remedy = "run `gpucloud up` again with the same name, or name the interpreter that has it"
        return [failed(Layer.TORCH, "torch is not installed", cause, remedy)]
    if not facts.text("torch.version"):
        return [
            failed(
                Layer.TORCH,
                "torch cannot be imported",
                import_error(facts),
                f"reinstall it: {install(facts, expected)}",
            )
        ]
    if not facts.get("torch.available"):
        return [failed(Layer.TORCH, "torch.cuda.is_available() is False", *unavailable(facts, expected))]
    return [*build(facts, expected), *devices(facts), *kernels(facts, expected)]


def import_error(facts: Facts) -> str:
    command = facts.command("torch.command")
    return command.last_line or f"it ended with code {command.rc} and said nothing"


def unavailable(facts: Facts, expected: Expectation) -> tuple[str, str]:
    """Why torch sees no GPU although nvidia-smi does."""
    said = facts.text("torch.init_error") or facts.command("torch.command").last_line
    version = facts.text("torch.version")
    if not facts.text("torch.cuda"):
        return (
            f"CPU-only wheel: torch {version} was built without CUDA",
            f"install a CUDA build: {install(facts, expected)}",
        )
    if driver_too_old(facts):
        return (
            f"the driver {facts.loaded_version} is older than CUDA {facts.text('torch.cuda')} of torch {version} needs",
            f"install driver {oldest(facts)} or newer, or a wheel for this driver: {install(facts, expected)}",
        )
    if "802" in said or fabric_is_down(facts):
        return (
            "CUDA error 802, system not yet initialized: the fabric manager of the NVSwitches is not running",
            f"`sudo apt-get install nvidia-fabricmanager-{branch(facts, expected)}` in exactly the driver's version "
            f"({facts.loaded_version}), then `sudo systemctl enable --now nvidia-fabricmanager`",
        )
    if "unknown error" in said:
        return (
            "CUDA unknown error: nvidia-uvm is in a bad state",
            "`sudo rmmod nvidia_uvm && sudo modprobe nvidia-uvm`, or reboot",
        )
    return said or "torch gave no reason", "run `python -c 'import torch; torch.cuda.init()'` and read its error"


def driver_too_old(facts: Facts) -> bool:
    major = facts.text("torch.cuda").split(".")[0]
    return numbers(facts.loaded_version) < OLDEST_DRIVER.get(major, ()) if facts.loaded_version else False


def oldest(facts: Facts) -> str:
    return ".".join(map(str, OLDEST_DRIVER[facts.text("torch.cuda").split(".")[0]]))


def numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".") if part.isdigit())


def fabric_is_down(facts: Facts) -> bool:
    return bool(facts.get("module.nvswitches")) and not facts.command("module.fabricmanager").ok


def install(facts: Facts, expected: Expectation) -> str:
    """The command that installs a wheel which this driver and this GPU can run.

    By the catalogue's facts: CUDA 13 needs driver 580 and sm_75, CUDA 12 needs 525; cu126 is the last with sm_50 to 70.
    """
    python = facts.text("torch.python") or "python3"
    seen = next((gpu.get("capability", "") for gpu in facts.rows("torch.gpus")), "")
    capability, driver = numbers(seen or expected.compute_capability), numbers(facts.loaded_version)
    index = ""
    if driver < (525,):
        index = f" --index-url {INDEX}/cu118"
    elif driver < (580,) or (capability and capability < (7, 5)):
        index = f" --index-url {INDEX}/cu126"
    return f"`uv pip install --python {python} --reinstall torch numpy{index}`"


def build(facts: Facts, expected: Expectation) -> list[Check]:
    version = facts.text("torch.version")
    statement = f"torch {version} for CUDA {facts.text('torch.cuda')} sees the GPU"
    if expected.torch_version and version.split("+")[0] != expected.torch_version.split("+")[0]:
        cause = f"expected torch {expected.torch_version}"
        return [warned(Layer.TORCH, f"torch is {version}", cause, "run `gpucloud up` again with the same name")]
    return [passed(Layer.TORCH, statement)]


def devices(facts: Facts) -> list[Check]:
    seen, listed = len(facts.rows("torch.gpus")), len(facts.gpus)
    if seen == listed:
        return []
    what = f"torch sees {seen} GPUs, nvidia-smi lists {listed}"
    cause = "CUDA_VISIBLE_DEVICES hides some, or MIG is on"
    return [
        failed(
            Layer.TORCH,
            what,
            cause,
            "unset CUDA_VISIBLE_DEVICES; `nvidia-smi --query-gpu=mig.mode.current --format=csv`",
        )
    ]


def kernels(facts: Facts, expected: Expectation) -> list[Check]:
    gpus = facts.rows("torch.gpus")
    bad = [check for gpu in gpus if (check := kernel(facts, gpu, expected))]
    wrong = [gpu for gpu in gpus if expected.compute_capability not in ("", gpu.get("capability"))]
    if wrong:
        what = f"compute capability is {wrong[0].get('capability')}"
        bad.append(failed(Layer.TORCH, what, f"expected {expected.compute_capability}", "check the machine type"))
    return bad or [
        passed(Layer.TORCH, f"a kernel ran on {len(gpus)} of {len(gpus)} GPUs: equal to the CPU, and twice the same")
    ]


def kernel(facts: Facts, gpu: dict[str, Any], expected: Expectation) -> Check | None:
    """What is wrong with the kernel of one GPU, if anything."""
    result, index, error = gpu.get("kernel"), gpu["index"], gpu.get("kernel_error", "")
    if result is None:
        return failed(Layer.TORCH, f"a kernel fails on GPU {index}", *no_kernel(facts, gpu, error, expected))
    difference = result["max_abs_error"]
    remedy = "reset the GPU (`sudo nvidia-smi --gpu-reset`) and verify again; if it stays wrong, replace the machine"
    if math.isnan(difference) or difference > MAX_ABS_ERROR:
        cause = f"a matrix product differs from the CPU's by {difference:g} (allowed: {MAX_ABS_ERROR:g})"
        return failed(Layer.TORCH, f"GPU {index} computes wrong numbers", cause, remedy)
    if not result["repeats"]:
        return failed(
            Layer.TORCH, f"GPU {index} does not repeat itself", "the same product differed bit for bit", remedy
        )
    return None


def no_kernel(facts: Facts, gpu: dict[str, Any], error: str, expected: Expectation) -> tuple[str, str]:
    capability, archs = gpu.get("capability", ""), facts.rows("torch.arch_list")
    if "no kernel image" in error or (capability and archs and not runs_on(archs, capability)):
        return (
            f"torch {facts.text('torch.version')} has no kernels for sm_{capability.replace('.', '')} "
            f"(it has {' '.join(archs)})",
            f"install a wheel that has them: {install(facts, expected)}",
        )
    return error.splitlines()[0] if error else "no reason given", "read `sudo dmesg | grep -i xid`, then reboot"


def runs_on(archs: list[str], capability: str) -> bool:
    """Whether a wheel has code for a GPU: machine code of its major version, not newer; or PTX, not newer."""
    major, minor = numbers(capability)
    for arch in archs:
        kind, _, digits = arch.rstrip("af").partition("_")
        version = (int(digits[:-1]), int(digits[-1]))
        if version <= (major, minor) and (kind == "compute" or version[0] == major):
            return True
    return False
