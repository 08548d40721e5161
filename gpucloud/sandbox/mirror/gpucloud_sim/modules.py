"""Simulated kernel modules: found under /lib/modules, loaded into a list, visible where a real kernel shows them."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any, NamedTuple

from . import state

SIZES = {
    "nvidia": 104267776,
    "nvidia_uvm": 2101248,
    "nvidia_modeset": 1822720,
    "nvidia_drm": 135168,
    "nouveau": 2789376,
}
NEEDS = {"nvidia_uvm": "nvidia", "nvidia_modeset": "nvidia", "nvidia_drm": "nvidia_modeset"}
# What a distribution kernel brings along and scripts ask for; loading them has no effect here.
PLAIN = frozenset(
    [
        "overlay",
        "br_netfilter",
        "bridge",
        "nf_nat",
        "nf_conntrack",
        "ip_tables",
        "iptable_nat",
        "veth",
        "fuse",
        "efa",
        "ipmi_msghandler",
    ]
)
OPEN_LICENCE, CLOSED_LICENCE = "Dual MIT/GPL", "NVIDIA"
NO_SUCH_DEVICE = "No such device"


class ModuleFile(NamedTuple):
    """A module on disk. `fields` are its modinfo lines."""

    path: str
    fields: dict[str, str]

    @property
    def version(self) -> str:
        return self.fields.get("version", "")

    @property
    def is_open(self) -> bool:
        return self.fields.get("license") == OPEN_LICENCE


class ModuleError(Exception):
    """The kernel or modprobe refuses; the text is the real one."""


def plain_name(name: str) -> str:
    return name.replace("-", "_")


def find(name: str, release: str = "") -> ModuleFile | None:
    """The module's file for a kernel (default: the running one), DKMS before precompiled, as depmod orders them."""
    top = state.path("/lib/modules") / (release or state.kernel())
    wanted = plain_name(name) + ".ko"
    files = sorted(
        Path(folder) / file for folder, _, names in os.walk(str(top)) for file in names if plain_name(file) == wanted
    )
    files.sort(key=lambda file: "updates" not in file.parts)
    return read(files[0]) if files else None


def read(file: Path) -> ModuleFile:
    lines = [line.split(": ", 1) for line in file.read_text().splitlines() if ": " in line]
    return ModuleFile(str(file), dict(lines))


def modprobe_lines() -> list[list[str]]:
    """The words of every line in modprobe.d."""
    folders = [state.path(folder) for folder in ("/lib/modprobe.d", "/etc/modprobe.d", "/run/modprobe.d")]
    files = sorted(file for folder in folders for file in folder.glob("*.conf"))
    lines = [line.split() for file in files for line in file.read_text().splitlines()]
    return [words for words in lines if words and not words[0].startswith("#")]


def blacklisted(name: str) -> bool:
    return any(words[:2] == ["blacklist", name] for words in modprobe_lines())


def gsp_enabled(version: str) -> bool:
    """Whether the driver uses the GPU's own firmware: 510 and later do, unless the module option says no."""
    options = [words[2:] for words in modprobe_lines() if words[:2] == ["options", "nvidia"]]
    off = any("NVreg_EnableGpuFirmware=0" in words for words in options)
    return not off and state.version_key(version)[0] >= 510


def pci_address(gpu: dict[str, Any]) -> str:
    """The kernel's form of a bus id: 00000000:00:1E.0 is 0000:00:1e.0."""
    return str(gpu["bus_id"]).lower()[-12:]


def users(name: str) -> list[str]:
    return [user for user in state.loaded() if NEEDS.get(user) == name]


def load(name: str) -> None:
    """Load a module and what it needs. Raises ModuleError with the kernel's words."""
    name = plain_name(name)
    if name in state.loaded() or name in PLAIN:
        return
    file = find(name)
    if file is None:
        raise FileNotFoundError(name)
    if name in NEEDS:
        load(NEEDS[name])
    check_signature(file)
    if name == "nvidia":
        check_gpus(file)
    if name == "nvidia_uvm" and state.fault() == "uvm-missing":
        return
    store(dict(state.loaded(), **{name: running_version(file)}))
    announce(name, file)


def running_version(file: ModuleFile) -> str:
    """The version that the module reports once loaded: under the fault, an older patch release."""
    if state.fault() != "version-mismatch":
        return file.version
    parts = file.version.split(".")
    return ".".join([parts[0], f"{int(parts[1]) - 13:02}", *parts[2:]])


def unload(name: str) -> None:
    """Unload a module. Raises ModuleError while something uses it."""
    name, modules = plain_name(name), state.loaded()
    if name not in modules:
        raise ModuleError(f"Module {name} is not currently loaded")
    if users(name):
        raise ModuleError("Module {} is in use by: {}".format(name, " ".join(users(name))))
    if name == "nouveau" and state.fault() == "nouveau-loaded":
        raise ModuleError("Module nouveau is in use")
    del modules[name]
    store(modules)


def check_signature(file: ModuleFile) -> None:
    """With Secure Boot the kernel is locked down: it takes no module without a signature."""
    if state.secure_boot() and "signer" not in file.fields:
        state.kernel_log("Loading of unsigned module is rejected")
        raise ModuleError("Key was rejected by service")


def check_gpus(file: ModuleFile) -> None:
    """Refuse as the real module does: bound to nouveau, or no GPU that this driver supports."""
    gpus = state.gpus()
    if "nouveau" in state.loaded():
        for gpu in gpus:
            state.kernel_log(f"NVRM: GPU {pci_address(gpu)} is already bound to nouveau.")
        state.kernel_log(f"NVRM: The NVIDIA probe routine was not called for {len(gpus)} device(s).")
        raise ModuleError(NO_SUCH_DEVICE)
    reasons = [refusal(file, gpu) for gpu in gpus]
    if not gpus:
        reasons = ["NVRM: No NVIDIA GPU found."]
    if all(reasons):
        state.kernel_log(*reasons, "NVRM: None of the NVIDIA devices were initialized.")
        raise ModuleError(NO_SUCH_DEVICE)


def refusal(file: ModuleFile, gpu: dict[str, Any]) -> str:
    """The kernel log line of a driver that does not support the GPU; empty when it does."""
    branch, capability = state.version_key(file.version)[0], state.compute_capability(gpu)
    which = "The NVIDIA GPU {} (PCI ID: 10de:{})".format(pci_address(gpu), gpu["pci_device_id"][2:])
    last = 470 if capability < (5, 0) else 580 if capability < (7, 5) else 0
    first = {8: 450, 9: 525, 10: 570, 12: 570}.get(capability[0], 0) if capability != (8, 9) else 525
    if last and branch > last:
        return f"NVRM: {which} is supported through the NVIDIA {last}.xx Legacy drivers."
    if branch < first:
        return f"NVRM: {which} installed in this system is not supported by the NVIDIA {file.version} driver release."
    if file.is_open and capability < (7, 5):
        return (
            f"NVRM: {which} installed in this system is not supported by open nvidia.ko because it does not include "
            "the required GPU System Processor (GSP)."
        )
    if not file.is_open and capability >= (10, 0):
        return f"NVRM: {which} installed in this system requires use of the NVIDIA open kernel modules."
    return ""


def announce(name: str, file: ModuleFile) -> None:
    """What the kernel logs when the module comes up."""
    if name == "nvidia":
        state.kernel_log(
            "nvidia: loading out-of-tree module taints kernel.", "NVRM: loading " + banner(file.version, file.is_open)
        )
        if state.fault() == "gsp-xid":
            bus = pci_address(state.gpus()[0]).rsplit(".", 1)[0]
            state.kernel_log(
                f"NVRM: Xid (PCI:{bus}): 119, pid=1, name=nvidia-smi, Timeout after 45s of waiting for RPC response "
                "from GPU0 GSP! Expected function 4097 (GSP_INIT_DONE) (0x0 0x0)."
            )


def banner(version: str, is_open: bool) -> str:
    kind = "NVIDIA UNIX Open Kernel Module for x86_64" if is_open else "NVIDIA UNIX x86_64 Kernel Module"
    return f"{kind}  {version}  Release Build  [simulated]"


def store(modules: dict[str, str]) -> None:
    """Make `modules` the loaded ones, everywhere that a program looks."""
    file = state.path("/run/gpucloud-sim/modules")
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("".join("{} {}\n".format(*item) for item in modules.items()))
    show_proc_modules()
    for name in SIZES:
        show_module(name, modules)
    show_devices(modules)
    show_binding("nvidia" if "nvidia" in modules else "nouveau" if "nouveau" in modules else "")


def show_binding(driver: str) -> None:
    """Each GPU's `driver` link in /sys."""
    for gpu in state.gpus():
        link = state.path(f"/sys/bus/pci/devices/{pci_address(gpu)}/driver")
        remove(f"/sys/bus/pci/devices/{pci_address(gpu)}/driver")
        if driver:
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to("/sys/bus/pci/drivers/" + driver)


def proc_lines() -> list[str]:
    """The lines of /proc/modules, the module that was loaded last first."""
    modules, lines = state.loaded(), []
    for name in reversed(list(modules)):
        used = users(name)
        listed = "".join(user + "," for user in used) or "-"
        taint = " (POE)" if name.startswith("nvidia") else ""
        lines.append(f"{name} {SIZES[name]} {len(used)} {listed} Live 0x0000000000000000{taint}")
    return lines


def show_proc_modules() -> None:
    """/proc/modules is one bind-mounted file: write into it, never replace it. A kernel without modules has none."""
    if state.path("/proc/modules").exists():
        state.path("/proc/modules").write_text("".join(line + "\n" for line in proc_lines()))


def write(name: str, text: str) -> None:
    file = state.path(name)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)


def remove(name: str) -> None:
    file = state.path(name)
    if os.path.lexists(str(file)):
        file.unlink()


def show_module(name: str, modules: dict[str, str]) -> None:
    """/sys/module/NAME, and for the driver itself /proc/driver/nvidia."""
    folder = state.path("/sys/module/" + name)
    if name not in modules:
        shutil.rmtree(str(folder), ignore_errors=True)
    else:
        write(f"/sys/module/{name}/initstate", "live\n")
    if name in modules and modules[name] != "-":
        write(f"/sys/module/{name}/version", modules[name] + "\n")
        write(f"/sys/module/{name}/taint", "POE\n")
    if name == "nvidia" and name in modules:
        show_driver(modules[name])
    elif name == "nvidia":
        shutil.rmtree(str(state.path("/proc/driver/nvidia")), ignore_errors=True)


def show_driver(version: str) -> None:
    file = find("nvidia")
    text = f"NVRM version: {banner(version, bool(file and file.is_open))}\nGCC version:  [simulated]\n"
    write("/proc/driver/nvidia/version", text)
    write("/proc/driver/nvidia/params", f"EnableGpuFirmware: {18 if gsp_enabled(version) else 0}\n")


def show_devices(modules: dict[str, str]) -> None:
    """The device nodes: links to /dev/null, because a guest may not make devices."""
    count = len(state.gpus())
    wanted = []
    if "nvidia" in modules:
        wanted = ["nvidiactl", *(f"nvidia{index}" for index in range(count))]
    if "nvidia_uvm" in modules:
        wanted += ["nvidia-uvm", "nvidia-uvm-tools"]
    if "nvidia_modeset" in modules:
        wanted += ["nvidia-modeset"]
    every = [
        "nvidiactl",
        "nvidia-uvm",
        "nvidia-uvm-tools",
        "nvidia-modeset",
        *(f"nvidia{index}" for index in range(count)),
    ]
    for name in every:
        link = state.path("/dev/" + name)
        if name in wanted and not os.path.lexists(str(link)):
            link.parent.mkdir(exist_ok=True)
            link.symlink_to("/dev/null")
        elif name not in wanted:
            remove("/dev/" + name)
