"""A simulated machine in a folder, without namespaces: its programs see the folder as /."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gpucloud.sandbox.mirror.launcher import program
from gpucloud.sandbox.mirror.ubuntu import module_files

KERNEL = "6.8.0-1035-aws"
T4 = {
    "index": 0,
    "name": "Tesla T4",
    "pci_device_id": "0x1eb8",
    "bus_id": "00000000:00:1E.0",
    "memory_mib": 15360,
    "uuid": "GPU-5a3c",
    "compute_cap": "7.5",
}


def hardware(fault: str = "", **changes: Any) -> dict[str, Any]:
    """A g4dn.xlarge's hardware.json."""
    machine = {"instance_id": "i-1", "instance_type": "g4dn.xlarge", "cloud": "aws", "os": "ubuntu-22.04"}
    return {**machine, "kernel": KERNEL, "fault": fault, "latency": {}, "gpus": [T4], **changes}


@dataclass(frozen=True)
class SimulatedMachine:
    """A guest's file tree in a folder; its programs see it as / through GPUCLOUD_SIM_ROOT."""

    root: Path

    @property
    def environment(self) -> dict[str, str]:
        path = ":".join(str(self.root / folder) for folder in ("usr/sbin", "usr/bin"))
        return {"GPUCLOUD_SIM_ROOT": str(self.root), "PATH": f"{path}:{os.environ['PATH']}"}

    def run(self, *argv: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(argv, env=self.environment, capture_output=True, text=True, timeout=60)

    def write(self, name: str, text: str, mode: int = 0o644) -> None:
        file = self.root / name.lstrip("/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        file.chmod(mode)

    def install_driver(self, version: str = "580.95.05", tail: str = "") -> None:
        """What the packages of one branch bring: modules, libraries, nvidia-smi."""
        for name, text in module_files(f"/lib/modules/{KERNEL}/kernel/nvidia", version, tail).items():
            self.write(name, text)
        self.write(f"/usr/lib/x86_64-linux-gnu/libnvidia-ml.so.{version}", "")
        self.write("/usr/bin/nvidia-smi", program("nvidia_smi"), 0o755)

    def boot(self) -> None:
        assert self.run(str(self.root / "usr/lib/gpucloud-sim/bin/boot")).returncode == 0
