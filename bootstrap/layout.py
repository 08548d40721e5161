"""Where everything lives on the GPU machine. GPUCLOUD_ROOT puts another folder in the place of `/` (tests do)."""

from __future__ import annotations

import os
from pathlib import Path


class Layout:
    """The runner's paths. GPUCLOUD_STATE_DIR moves the state folder alone."""

    def __init__(self) -> None:
        root = Path(os.environ.get("GPUCLOUD_ROOT", "/"))
        self.state = Path(os.environ.get("GPUCLOUD_STATE_DIR", root / "var/lib/gpucloud"))
        self.bundle = Path(__file__).resolve().parent
        self.plan = self.bundle / "plan.json"
        self.events = self.state / "events.ndjson"
        self.markers = self.state / "markers"
        self.logs = self.state / "logs"
        self.answers = self.state / "answers"
        self.lock = self.state / "runner.lock"
        self.reboot_state = self.state / "reboot.json"
        self.systemd = root / "run/systemd/system"
        self.units = root / "etc/systemd/system"
        self._boot_id = root / "proc/sys/kernel/random/boot_id"

    def make_folders(self) -> None:
        """Make what is missing of the state folder."""
        for folder in (self.markers, self.logs, self.answers):
            folder.mkdir(parents=True, exist_ok=True)

    def boot_id(self) -> str:
        """The kernel's identity of this boot: another one proves that the machine has rebooted."""
        return self._boot_id.read_text().strip()
