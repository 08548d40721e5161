"""The device nodes through which programs reach the driver, and the module behind CUDA's: nvidia-uvm."""

from __future__ import annotations

from gpucloud.verify.expectation import Expectation
from gpucloud.verify.facts import Facts
from gpucloud.verify.report import Check, Layer, failed, passed


def check_devices(facts: Facts, expected: Expectation) -> list[Check]:
    nodes = set(facts.rows("devices"))
    wanted = ["/dev/nvidiactl", *(f"/dev/nvidia{index}" for index in range(len(facts.gpus)))]
    missing = [node for node in wanted if node not in nodes]
    if not facts.is_loaded("nvidia_uvm"):
        return [uvm("the nvidia-uvm module is not loaded", "`sudo modprobe nvidia-uvm`")]
    if "/dev/nvidia-uvm" not in nodes:
        return [uvm("nvidia-uvm is loaded, but its device node was not made", "`sudo nvidia-modprobe -u -c=0`")]
    if missing:
        return [
            failed(
                Layer.DEVICES,
                f"{', '.join(missing)} missing",
                "the driver is loaded, but nothing made its device nodes",
                "`sudo nvidia-modprobe -c=0`, or start nvidia-persistenced, which makes them",
            )
        ]
    return [passed(Layer.DEVICES, f"{', '.join([*wanted, '/dev/nvidia-uvm'])} are there")]


def uvm(cause: str, remedy: str) -> Check:
    """CUDA opens /dev/nvidia-uvm first: without it nvidia-smi works and every CUDA program fails."""
    return failed(
        Layer.DEVICES,
        "CUDA cannot open /dev/nvidia-uvm",
        cause,
        f"{remedy}; to have it at every boot: `echo nvidia-uvm | sudo tee /etc/modules-load.d/nvidia-uvm.conf`",
    )
