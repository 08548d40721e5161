"""nvidia-smi: does the driver answer, and are these the GPUs that were paid for?"""

from __future__ import annotations

from gpucloud.verify.checks.packages import branch, uses_open_module
from gpucloud.verify.expectation import Expectation, is_same_gpu, memory_fits
from gpucloud.verify.facts import Facts
from gpucloud.verify.report import Check, Layer, failed, passed

GSP_XIDS = frozenset({119, 120})
LOST_XIDS = frozenset({79})
RELOAD = (
    "`sudo systemctl stop nvidia-persistenced; sudo rmmod nvidia_uvm nvidia_drm nvidia_modeset nvidia; "
    "sudo modprobe nvidia && sudo modprobe nvidia-uvm`, or reboot"
)
GSP_OFF = "`echo options nvidia NVreg_EnableGpuFirmware=0 | sudo tee /etc/modprobe.d/nvidia-gsp.conf`, then reboot"
# The open module cannot work without the GPU's firmware.
GSP_REBOOT = "reboot; if it comes back, install another release of the driver, or replace the machine"


def check_smi(facts: Facts, expected: Expectation) -> list[Check]:
    command = facts.command("smi.query")
    mismatch = "version mismatch" in command.text or versions_differ(facts)
    if mismatch:
        return [failed(Layer.SMI, "driver and library are of different versions", *version_mismatch(facts, expected))]
    if not command.ok or not facts.gpus:
        return [failed(Layer.SMI, "nvidia-smi cannot talk to the driver", *no_answer(facts, expected))]
    return [*count(facts, expected), *model(facts, expected), *memory(facts, expected)]


def versions_differ(facts: Facts) -> bool:
    loaded, library = facts.loaded_version, facts.userspace_version
    return bool(loaded and library) and loaded != library


def version_mismatch(facts: Facts, expected: Expectation) -> tuple[str, str]:
    loaded, library, on_disk = facts.loaded_version, facts.userspace_version, facts.command("module.modinfo").stdout
    cause = f"Driver/library version mismatch: the loaded module is {loaded or '?'}, the libraries are {library or '?'}"
    server = f"{branch(facts, expected)}-server"
    if on_disk and library and on_disk != library:
        return (
            f"{cause}, and the module on disk is {on_disk}, so a reboot does not help",
            f"bring both to one version: `sudo apt-get install --only-upgrade 'linux-modules-nvidia-*' "
            f"'libnvidia-*-{server}' nvidia-utils-{server}`, reboot, then hold them",
        )
    return (
        f"{cause}: the packages were upgraded under the loaded module",
        f"{RELOAD}; then keep them together: `sudo apt-mark hold $(dpkg-query -W -f '${{Package}} ' '*nvidia*')`",
    )


def no_answer(facts: Facts, expected: Expectation) -> tuple[str, str]:
    """Why nvidia-smi ended badly or listed nothing although the module is loaded."""
    command = facts.command("smi.query")
    gsp, remedy = facts.xids(GSP_XIDS), GSP_REBOOT if uses_open_module(facts, expected) else GSP_OFF
    grid = facts.logged("GRID") or facts.logged("vGPU")
    if gsp:
        return f"GSP firmware fault, Xid {gsp[-1]['code']}: {gsp[-1]['text']}", remedy
    if said := facts.logged("Cannot initialize GSP firmware"):
        return f"the GSP firmware does not start: {said}", remedy
    if lost := facts.xids(LOST_XIDS):
        return (
            f"the GPU has fallen off the bus, Xid 79: {lost[-1]['text']}",
            "reboot; if it comes back, replace the machine",
        )
    if command.rc == 127:
        return "nvidia-smi is not installed", f"`sudo apt-get install nvidia-utils-{branch(facts, expected)}-server`"
    if command.rc == 124:
        return f"it hangs: {command.last_line}", "reboot; on 8-GPU machines also enable nvidia-persistenced"
    if grid:
        return f"this is a vGPU, which needs the GRID driver: {grid}", "install the cloud's GRID driver for this size"
    said = facts.logged("RmInitAdapter failed") or facts.logged("rm_init_adapter failed")
    return said or command.last_line or "it listed no GPU", "reboot; if it comes back, read `sudo dmesg | grep -i nvrm`"


def count(facts: Facts, expected: Expectation) -> list[Check]:
    found, wanted = len(facts.gpus), expected.gpu_count or len(facts.rows("pci"))
    driver = facts.gpus[0]["driver_version"]
    if found == wanted:
        return [passed(Layer.SMI, f"nvidia-smi lists {found} GPU{'s' * (found > 1)}, driver {driver}")]
    what = f"nvidia-smi lists {found} GPUs, expected {wanted}"
    if found > wanted:
        return [failed(Layer.SMI, what, "this is another machine type than expected", "check the machine type")]
    lost = facts.xids(LOST_XIDS)
    cause = (
        f"Xid 79: {lost[-1]['text']}" if lost else facts.logged("RmInitAdapter failed") or "the driver left some out"
    )
    return [failed(Layer.SMI, what, cause, "reboot; if it comes back, replace the machine")]


def model(facts: Facts, expected: Expectation) -> list[Check]:
    names = sorted({gpu["name"] for gpu in facts.gpus})
    strange = [name for name in names if not is_same_gpu(expected.gpu, name)]
    if strange:
        return [
            failed(
                Layer.SMI,
                f"the GPU is {', '.join(strange)}",
                f"expected {expected.gpu}",
                "check the machine type; report it to the cloud if that is right",
            )
        ]
    return [passed(Layer.SMI, f"the GPU is {', '.join(names)}")]


def memory(facts: Facts, expected: Expectation) -> list[Check]:
    sizes = [gpu["memory.total"] for gpu in facts.gpus]
    wrong = [size for size in sizes if size.isdigit() and not memory_fits(expected, int(size))]
    if wrong:
        return [
            failed(
                Layer.SMI,
                f"the GPU has {wrong[0]} MiB of memory",
                f"expected {expected.gpu_memory_mib} MiB, within {expected.memory_tolerance:.0%}",
                "check the machine type, and that the GPU is not a vGPU or MIG slice",
            )
        ]
    return [passed(Layer.SMI, f"GPU memory {sizes[0]} MiB")]
