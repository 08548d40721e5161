"""Every failure that users meet: its recorded facts, and the layer, cause and remedy that verify must name.

The tools' words in the recorded facts are real ones. Sources:
nvidia-smi "couldn't communicate": NVIDIA/nvidia-docker#988 · "version mismatch": intel/llvm#17614
nouveau in the kernel log: mattshma/bigdata#133 · unsigned modules: Fred78290/nct6687d#94
GSP, Xid 119: open-gpu-kernel-modules, src/nvidia/src/kernel/gpu/gsp · RmInitAdapter: open-gpu-kernel-modules#789
module refuses the GPU: open-gpu-kernel-modules, kernel-open/nvidia/nv-pci.c
torch "unknown error": pytorch#159954 · "too old", "no NVIDIA driver": pytorch, torch/csrc/cuda
"Torch not compiled with CUDA enabled": vllm#6655 · 802: microsoft/lisa#2823 · "no kernel image": pytorch#31285
docker "could not select device driver": nvidia-docker#1352 · CDI: nvidia-container-toolkit#434
"Unknown Error" in a container: nvidia-docker#1671
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gpucloud.verify.expectation import Expectation
from gpucloud.verify.report import Layer, Status
from gpucloud.verify.run import judge

Recorded = Callable[[str], dict[str, Any]]
Sold = Callable[[str], Expectation]

K, NEW = "6.8.0-1035-aws", "6.8.0-1039-aws"
# facts → GPU sold, first broken layer, words of the cause, words of the remedy
FAILURES = {
    "driver-not-installed": ("t4", Layer.MODULE, "driver is not installed", "nvidia-utils-580-server"),
    "nouveau-loaded": ("t4", Layer.MODULE, "nouveau driver is loaded", "blacklist nouveau"),
    "no-module-for-kernel": (
        "t4",
        Layer.MODULE,
        f"no nvidia module for kernel {NEW}",
        f"linux-modules-nvidia-580-server-open-{NEW}",
    ),
    "dkms-without-headers": (
        "t4",
        Layer.MODULE,
        "for want of the kernel's headers",
        f"apt-get install linux-headers-{NEW}",
    ),
    "dkms-build-failed": ("t4", Layer.MODULE, "the DKMS build failed", "make.log"),
    "secure-boot-unsigned": (
        "t4",
        Layer.MODULE,
        "Secure Boot refuses the unsigned",
        f"linux-modules-nvidia-580-server-{K}",
    ),
    "secure-boot-unknown-key": (
        "t4",
        Layer.MODULE,
        "whose signer the firmware does not know (t4 Secure Boot Module Signature key)",
        "az vm update -g GROUP -n NAME --enable-secure-boot false",
    ),
    "module-not-loaded": ("t4", Layer.MODULE, "nothing loaded it", "modprobe nvidia"),
    "module-refuses-gpu": ("t4", Layer.MODULE, "open module flavour does not drive it", f"nvidia-580-server-{K}"),
    "version-mismatch": (
        "t4",
        Layer.SMI,
        "loaded module is 580.95.05, the libraries are 580.105.08",
        "sudo rmmod nvidia_uvm",
    ),
    "version-mismatch-on-disk": ("t4", Layer.SMI, "a reboot does not help", "--only-upgrade"),
    "gsp-xid": ("t4", Layer.SMI, "GSP firmware fault, Xid 119", "NVreg_EnableGpuFirmware=0"),
    "gsp-firmware-does-not-start": ("t4", Layer.SMI, "GSP firmware does not start", "NVreg_EnableGpuFirmware=0"),
    "adapter-does-not-start": ("t4", Layer.SMI, "RmInitAdapter failed", "reboot"),
    "smi-hangs": ("t4", Layer.SMI, "hangs in the kernel", "reboot"),
    "gpu-fell-off-the-bus": ("a100", Layer.SMI, "Xid 79", "replace the machine"),
    "uvm-missing": ("t4", Layer.DEVICES, "nvidia-uvm module is not loaded", "modprobe nvidia-uvm"),
    "uvm-in-a-bad-state": ("t4", Layer.TORCH, "nvidia-uvm is in a bad state", "rmmod nvidia_uvm"),
    "cpu-wheel": ("t4", Layer.TORCH, "CPU-only wheel: torch 2.15.0+cpu", "--reinstall torch numpy"),
    "driver-too-old": ("t4", Layer.TORCH, "driver 535.274.02 is older than CUDA 13.2", "driver 580 or newer"),
    "fabric-manager-down": ("a100", Layer.TORCH, "fabric manager", "nvidia-fabricmanager-580"),
    "wheel-without-sm": ("v100", Layer.TORCH, "no kernels for sm_70", "whl/cu126"),
    "wrong-numbers": ("t4", Layer.TORCH, "differs from the CPU's by 11.75", "replace the machine"),
    "torch-missing": ("t4", Layer.TORCH, "no Python with torch", "gpucloud up"),
    "docker-missing": ("t4", Layer.CONTAINER, "no `docker` on PATH", "docker-ce"),
    "docker-daemon-down": ("t4", Layer.CONTAINER, "Cannot connect to the Docker daemon", "systemctl restart docker"),
    "toolkit-missing": ("t4", Layer.CONTAINER, "container toolkit is missing", "nvidia-container-toolkit"),
    "runtime-not-configured": ("t4", Layer.CONTAINER, "runtime is not configured", "nvidia-ctk runtime configure"),
    "docker-not-restarted": ("t4", Layer.CONTAINER, "docker was not restarted", "systemctl restart docker"),
    "cdi-out-of-date": ("t4", Layer.CONTAINER, "no CDI description", "nvidia-ctk cdi generate"),
    "container-lost-its-devices": ("t4", Layer.CONTAINER, "daemon-reload", "use CDI"),
    "image-cannot-be-pulled": ("t4", Layer.CONTAINER, "ubuntu:22.04 cannot be pulled", "docker login"),
    "uncorrected-ecc-errors": ("t4", Layer.HEALTH, "2 since the driver was loaded", "--gpu-reset"),
}
HEALTHY = {
    "ok-t4-g4dn": "t4",
    "ok-t4-nc4as": "t4",
    "ok-a10g-g5": "a10g",
    "ok-a100x8-p4d": "a100",
    "ok-h200-deep": "h200",
}
WARNED = {"pending-kernel-without-module": "t4", "slow-gpu-deep": "h200"}


@pytest.mark.parametrize("name", FAILURES)
def test_names_the_cause_and_the_remedy(name: str, recorded: Recorded, sold: Sold) -> None:
    gpu, layer, cause, remedy = FAILURES[name]
    report = judge(recorded(name), sold(gpu), "demo")
    failure = report.first_failure
    assert failure is not None and not report.ok
    assert failure.layer is layer
    assert cause in failure.cause
    assert remedy in failure.remedy
    assert report.summary == f"demo: {layer}: {failure.what}: {failure.cause}"


@pytest.mark.parametrize("name", HEALTHY)
def test_a_healthy_machine_is_ok_in_every_layer(name: str, recorded: Recorded, sold: Sold) -> None:
    report = judge(recorded(name), sold(HEALTHY[name]))
    assert {check.layer for check in report.checks} == set(Layer)
    assert {check.status for check in report.checks} == {Status.OK}


def test_a_healthy_machine_asks_for_nothing(recorded: Recorded, sold: Sold) -> None:
    assert all(check.remedy == check.cause == "" for check in judge(recorded("ok-t4-g4dn"), sold("t4")).checks)


def test_every_warning_and_failure_has_a_cause_and_a_remedy(recorded: Recorded, sold: Sold) -> None:
    reports = [judge(recorded(name), sold(FAILURES[name][0])) for name in FAILURES]
    found = [check for report in reports for check in report.checks if check.status in (Status.WARN, Status.FAIL)]
    assert len(found) >= len(FAILURES)
    assert all(check.cause and check.remedy for check in found)


def test_the_kernel_of_the_next_boot_is_looked_at(recorded: Recorded, sold: Sold) -> None:
    report = judge(recorded("pending-kernel-without-module"), sold("t4"))
    (warning,) = [check for check in report.checks if check.status is Status.WARN]
    assert report.ok
    assert warning.what == f"kernel {NEW} of the next boot has no nvidia module"
    assert f"linux-modules-nvidia-580-server-{NEW}" in warning.remedy


def test_a_slow_gpu_is_a_warning_per_measure(recorded: Recorded, sold: Sold) -> None:
    report = judge(recorded("slow-gpu-deep"), sold("h200"))
    warnings = [check.what for check in report.checks if check.status is Status.WARN]
    assert report.ok
    assert warnings == [
        "GPU 0: memory bandwidth is low",
        "GPU 0: fp16 matrix product is low",
        "GPU 0: PCIe gen 1 x8 is slow",
    ]


def test_every_recorded_document_is_judged_here(recorded: Recorded) -> None:
    names = {path.stem for path in (Path(__file__).parent / "facts").glob("*.json")}
    assert names == {*FAILURES, *HEALTHY, *WARNED}
