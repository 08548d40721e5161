"""A machine made of small fake commands, on which the stages run by themselves."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from tests.bootstrap.conftest import SOURCE

FAKES = [
    *("apt-get", "apt-cache", "apt-mark", "dpkg", "dpkg-query", "uname", "modprobe", "rmmod", "modinfo", "dmesg"),
    *("systemctl", "update-initramfs", "cloud-init", "usermod", "getent", "id", "nvidia-smi"),
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
        "rm",
        "sed",
        "sort",
    ),
    *("tail", "touch", "tr"),
]
BROUGHT = {
    "docker-ce-cli": ["docker"],
    "nvidia-container-toolkit-base": ["nvidia-ctk", "nvidia-container-runtime"],
}
TOOLKIT = [
    "nvidia-container-toolkit",
    "nvidia-container-toolkit-base",
    "libnvidia-container-tools",
    "libnvidia-container1",
]


class World:
    """`kernel` is what it runs, `gpus` are PCI device ids, `archive` maps package to version."""

    def __init__(self, folder: Path, kernel: str = "6.8.0-1035-aws", architecture: str = "amd64") -> None:
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
