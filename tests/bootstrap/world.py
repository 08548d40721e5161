"""A machine made of small fake commands, on which the stages run by themselves."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

from tests.bootstrap.conftest import SOURCE

KERNEL = "6.8.0-1035-aws"
FULL = "580.95.05-0ubuntu0.22.04.2"
FAKES = [
    *("apt-get", "apt-cache", "apt-mark", "dpkg", "dpkg-query", "uname", "modprobe", "rmmod", "modinfo", "dmesg"),
    *("systemctl", "update-initramfs", "cloud-init", "usermod", "getent", "id"),
]
TOOLS = [
    *(
        "bash",
        "awk",
        "cat",
        "chmod",
        "comm",
        "cp",
        "cut",
        "dirname",
        "find",
        "grep",
        "mkdir",
        "mv",
        "od",
        "rm",
        "sed",
        "sort",
    ),
    *("tail", "touch", "tr"),
]
BROUGHT = {
    "docker-ce-cli": ["docker"],
    "nvidia-container-toolkit-base": ["nvidia-ctk", "nvidia-container-runtime"],
    "nvidia-open-580": ["nvidia-smi"],
    **{f"nvidia-utils-{branch}-server": ["nvidia-smi"] for branch in (470, 535, 570, 580, 615)},
}
TOOLKIT = [
    "nvidia-container-toolkit",
    "nvidia-container-toolkit-base",
    "libnvidia-container-tools",
    "libnvidia-container1",
]


class World:
    """`kernel` is what it runs, `gpus` are PCI device ids, `archive` maps package to version."""

    def __init__(self, folder: Path, kernel: str = KERNEL, architecture: str = "amd64") -> None:
        self.folder, self.root, self.bin = folder, folder / "root", folder / "bin"
        self.bin.mkdir(parents=True)
        for tool in TOOLS:
            found = shutil.which(tool)
            assert found
            (self.bin / tool).symlink_to(found)
        (self.bin / "python3").symlink_to(sys.executable)
        self.fake(*FAKES)
        for package, tools in BROUGHT.items():
            brings = folder / "brings" / package
            brings.mkdir(parents=True)
            for tool in tools:
                (brings / tool).symlink_to(Path(__file__).parent / "fakes.sh")
        self.write("kernel", kernel)
        self.write("architecture", architecture)
        for name in ("calls", "installed", "archive", "depends", "faults", "held", "groups"):
            self.write(name, "")
        self.file("etc/os-release", 'ID=ubuntu\nVERSION_ID="22.04"\nVERSION_CODENAME=jammy\n')

    def fake(self, *names: str) -> None:
        for name in names:
            (self.bin / name).symlink_to(Path(__file__).parent / "fakes.sh")

    def write(self, name: str, text: str) -> None:
        (self.folder / name).write_text(text if text.endswith("\n") or not text else text + "\n")

    def file(self, path: str, text: str) -> Path:
        target = self.root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)
        return target

    def gpu(self, device: str, vendor: str = "0x10de", kind: str = "0x030200") -> None:
        slot = f"sys/bus/pci/devices/0000:00:{device[2:4]}.0"
        for name, text in (("vendor", vendor), ("device", device), ("class", kind)):
            self.file(f"{slot}/{name}", text + "\n")

    def secure_boot(self, on: bool) -> None:
        """The firmware's variable: four bytes of attributes, one that says it."""
        variable = self.file("sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c", "")
        variable.write_bytes(bytes([6, 0, 0, 0, on]))

    def image_driver(self, version: str, *modules: str) -> None:
        """A driver that no package of Ubuntu brought, with these of its modules loaded."""
        self.fake("nvidia-smi")
        self.write("prebuilt", version)
        for module in modules:
            self.loaded(module, version)

    def loaded(self, module: str, version: str = "") -> None:
        """A module that is in the kernel already."""
        self.file(f"sys/module/{module}/initstate", "live\n")
        self.file(f"sys/module/{module}/version", version + "\n")

    def archive(self, *packages: str, version: str) -> None:
        with (self.folder / "archive").open("a") as file:
            file.writelines(f"{package} {version}\n" for package in packages)

    def depends(self, package: str, on: str) -> None:
        with (self.folder / "depends").open("a") as file:
            file.write(f"{package} {on}\n")

    def stage(self, name: str, *args: str, **env: str) -> subprocess.CompletedProcess[str]:
        """Run a stage of the product."""
        everything = {
            "PATH": str(self.bin),
            "HOME": str(self.folder),
            "WORLD": str(self.folder),
            "GPUCLOUD_ROOT": str(self.root),
            "GPUCLOUD_REBOOT_FILE": str(self.folder / "reboot"),
            "GPUCLOUD_FAILURE_FILE": str(self.folder / "failure"),
            "GPUCLOUD_STAGE": name,
            **env,
        }
        argv = [str(self.bin / "bash"), str(SOURCE / f"stages/{name}.sh"), *args]
        return subprocess.run(argv, env=everything, capture_output=True, text=True, timeout=60)

    def calls(self) -> list[str]:
        return (self.folder / "calls").read_text().splitlines()

    def forget_calls(self) -> None:
        self.write("calls", "")

    @property
    def reboot_asked(self) -> bool:
        return (self.folder / "reboot").exists()


def free_of(calls: list[str], *starts: str) -> bool:
    """No call begins with one of these."""
    return not any(call.startswith(starts) for call in calls)


def is_executable(path: Path) -> bool:
    return os.access(path, os.X_OK)


def module(flavour: str, kernel: str, branch: str = "580") -> str:
    return f"linux-modules-nvidia-{branch}-server{'-open' * (flavour == 'open')}-{kernel}"


def userspace(branch: str = "580") -> list[str]:
    stems = ("nvidia-headless-no-dkms", "nvidia-utils", "libnvidia-decode", "libnvidia-encode")
    return [f"{stem}-{branch}-server" for stem in stems]


def stocked(
    world: World, branch: str = "580", version: str = FULL, kernel: str = KERNEL, lines: tuple[str, ...] = ("aws",)
) -> World:
    """An Ubuntu archive with a driver branch for the running kernel, in both flavours, and for these kernel lines."""
    world.archive(*userspace(branch), version=version)
    for flavour in ("open", "proprietary"):
        for suffix in (kernel, *lines):
            world.archive(module(flavour, suffix, branch), version="6.8.0-1035.37")
    world.archive(*(f"linux-image-{line}" for line in lines), version="6.8.0-1035.37")
    return world


def failure(world: World) -> dict[str, str]:
    document: dict[str, str] = json.loads((world.folder / "failure").read_text())
    assert all(document[key] for key in ("what", "why", "remedy"))
    return document
