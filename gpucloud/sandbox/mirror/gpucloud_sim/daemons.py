"""nvidia-persistenced, nvidia-modprobe, dkms and the pause of an installation script."""

from __future__ import annotations

import os
import platform

from . import modules, state

PID_FILE = "/run/nvidia-persistenced/nvidia-persistenced.pid"


def pause(argv: list[str]) -> int:
    state.pause(argv[0])
    return 0


def persistenced(argv: list[str]) -> int:
    """Only its effect is simulated: persistence mode is on. No process stays behind."""
    error = state.driver_error()
    if error:
        state.complain("nvidia-persistenced failed to initialize. Check syslog for more details. [simulated]")
        return 1
    file = state.path(PID_FILE)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(f"{os.getpid()}\n")
    return 0


def nvidia_modprobe(argv: list[str]) -> int:
    """-u adds nvidia-uvm, -m nvidia-modeset; -c MINOR and others only make device nodes, which are there already."""
    wanted = ["nvidia"] + (["nvidia-uvm"] if "-u" in argv else []) + (["nvidia-modeset"] if "-m" in argv else [])
    try:
        for name in wanted:
            modules.load(name)
    except (FileNotFoundError, modules.ModuleError):
        return 1
    return 0


def dkms(argv: list[str]) -> int:
    """`status`, and the `autoinstall` that the driver's postinst runs; that one names what to build."""
    if argv[:1] == ["status"]:
        for line in installed():
            state.say(line)
        return 0
    if argv[:1] == ["autoinstall"] and "--gpucloud-module" in argv:
        name, version = argv[argv.index("--gpucloud-module") + 1].split("/")
        return build(version.replace("-open", ""), version.endswith("-open"))
    return 0


def installed() -> list[str]:
    """One line for each module that was built, in dkms 3's form."""
    lines = []
    for file in sorted(state.path("/lib/modules").glob("*/updates/dkms/nvidia.ko")):
        release, version = file.parent.parent.parent.name, modules.read(file).version
        lines.append(f"nvidia/{version}, {release}, {platform.machine()}: installed")
    return lines


def build(version: str, is_open: bool) -> int:
    """Build for the running kernel. Without its headers dkms says so and, in a postinst, succeeds all the same."""
    top = "/lib/modules/" + state.kernel()
    if not state.path(top + "/build/Makefile").exists():
        state.complain(
            f"Error! Your kernel headers for kernel {state.kernel()} cannot be found at {top}/build or {top}/source."
        )
        state.complain(
            f"Please install the linux-headers-{state.kernel()} package or use the --kernelsourcedir option to tell "
            "DKMS where it's located."
        )
        return 0
    licence = modules.OPEN_LICENCE if is_open else modules.CLOSED_LICENCE
    for name in ("nvidia", "nvidia-uvm", "nvidia-modeset", "nvidia-drm"):
        modules.write(
            f"{top}/updates/dkms/{name}.ko", f"version: {version}\nlicense: {licence}\ndescription: [simulated]\n"
        )
    state.say(f"[simulated] nvidia/{version} built for {state.kernel()}")
    return 0
