"""What the kernel and udev do at boot: say what hardware there is, then load the driver that is installed."""

from __future__ import annotations

import contextlib

from . import modules, state

AT_BOOT = ("nvidia", "nvidia-uvm")  # Ubuntu's 71-nvidia.rules load both as soon as the driver binds a GPU


def main(argv: list[str]) -> int:
    """Run once for each boot, before anything else; loads no module whose load fails."""
    state.path("/run/gpucloud-sim").mkdir(parents=True, exist_ok=True)
    state.path("/run/gpucloud-sim/kmsg").write_text("")
    state.kernel_log(f"Linux version {state.kernel()} [simulated]")
    for gpu in state.gpus():
        state.kernel_log(
            "pci {}: [10de:{}] type 00 class 0x030200".format(modules.pci_address(gpu), gpu["pci_device_id"][2:])
        )
    modules.store({})
    if state.fault() == "nouveau-loaded" and not modules.blacklisted("nouveau"):
        modules.store({"nouveau": "-"})
        state.kernel_log(f"nouveau {modules.pci_address(state.gpus()[0])}: NVIDIA TU104")
    load_drivers()
    add_docker_group()
    return 0


def add_docker_group() -> None:
    """An image that has docker was made with its package's group."""
    groups = state.path("/etc/group")
    if state.path("/usr/bin/dockerd").exists() and "\ndocker:" not in groups.read_text():
        groups.write_text(groups.read_text() + "docker:x:998:\n")


def load_drivers() -> None:
    """A driver that does not load is no reason not to boot: the kernel log has why."""
    for name in AT_BOOT:
        if modules.find(name):
            with contextlib.suppress(modules.ModuleError):
                modules.load(name)
