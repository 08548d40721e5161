"""The daemon's side of the guests: makes them, boots them, hears how they end, removes them without a trace."""

from __future__ import annotations

import json
import os
import sys
import threading
from base64 import b64decode, b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gpucloud.errors import CloudError, NotFound
from gpucloud.sandbox.guest import base, identity, rights, userdata
from gpucloud.sandbox.guest.possible import possible, reap_leftovers
from gpucloud.sandbox.guest.process import Supervised
from gpucloud.sandbox.guest.supervisor import Boot
from gpucloud.sandbox.guests import RUN_SECONDS, OnPower

__all__ = ["GuestManager", "possible", "reap_leftovers"]

RECORD = "guest.json"


@dataclass
class Guest:
    """One guest; `folder` keeps its disk, console log and this record of it."""

    id: str
    folder: Path
    address: str
    port: int
    user_data: bytes
    hardware: dict[str, Any]
    on_power: OnPower | None = None
    booted: bool = False
    running: Supervised | None = None
    lock: threading.RLock = field(default_factory=threading.RLock)

    @property
    def reboot_seconds(self) -> float:
        """What the scenario adds to a reboot. The boots that the API asks for are delayed by the daemon."""
        return float(self.hardware.get("latency", {}).get("boot", 0.0))

    def save(self) -> None:
        record = {"address": self.address, "port": self.port, "hardware": self.hardware, "booted": self.booted}
        record["user_data"] = b64encode(self.user_data).decode()
        (self.folder / RECORD).write_text(json.dumps(record))

    @classmethod
    def load(cls, folder: Path) -> Guest:
        record = json.loads((folder / RECORD).read_text())
        record["user_data"] = b64decode(record["user_data"])
        return cls(folder.name, folder, **record)


class GuestManager:
    """Guests under `root` (a folder of ours alone); their packages come from the mirror at `mirror_url`.

    Implements the sandbox's Guests protocol. `create` and `start` return once the guest's init runs; SSH answers about
    half a second later. `on_power` is called from a thread of the manager, after the guest has ended and, for a
    reboot, before it boots again. For guests of an earlier daemon `default_on_power` hears instead. An
    empty `mirror_url` makes guests without package sources.
    Raises CloudError when a guest cannot be built, ConfigError for bad user-data.
    """

    def __init__(self, root: Path, mirror_url: str) -> None:
        self.root, self.mirror_url = root, mirror_url
        self.default_on_power: OnPower | None = None
        self.rights = rights.available()
        root.mkdir(parents=True, exist_ok=True)
        root.chmod(0o755)
        # What a guest shows to its users must be readable to them, whatever this user's umask is.
        os.umask(0o022)
        rights.run(self.rights, "make-base", root / "base")
        self.guests = {folder.parent.name: Guest.load(folder.parent) for folder in root.glob(f"*/{RECORD}")}

    def create(
        self,
        instance_id: str,
        address: str,
        port: int,
        user_data: bytes,
        hardware: Mapping[str, Any],
        on_power: OnPower,
    ) -> None:
        """Make and boot a guest that answers SSH on `address`:`port`; `on_power` hears what it does to itself."""
        userdata.parse(user_data)
        folder = self.root / instance_id
        (folder / "holder").mkdir(parents=True)
        rights.run(self.rights, "make-disk", folder / "disk")
        (folder / "console.log").touch(0o600)
        guest = Guest(instance_id, folder, address, port, user_data, dict(hardware), on_power)
        guest.save()
        self.guests[instance_id] = guest
        try:
            self.boot(guest)
        except BaseException:
            self.destroy(instance_id)
            raise

    def start(self, instance_id: str, address: str) -> None:
        """Boot a stopped guest under a new address. Raises NotFound for an unknown one."""
        guest = self.guests.get(instance_id)
        if guest is None:
            raise NotFound(f"the sandbox has no guest {instance_id}")
        with guest.lock:
            self.end(guest)
            guest.address = address
            self.boot(guest)

    def stop(self, instance_id: str) -> None:
        """Shut the guest down and keep its files."""
        if guest := self.guests.get(instance_id):
            with guest.lock:
                self.end(guest)

    def reboot(self, instance_id: str) -> None:
        """Boot the guest again under the same address."""
        if guest := self.guests.get(instance_id):
            with guest.lock:
                self.end(guest)
                self.boot(guest, seconds=guest.reboot_seconds)

    def destroy(self, instance_id: str) -> None:
        """Remove the guest and its files."""
        if guest := self.guests.pop(instance_id, None):
            with guest.lock:
                if running := guest.running:
                    guest.running = None
                    running.kill()  # nobody will miss what a shutdown would save
                rights.run(self.rights, "remove", guest.folder)

    def run(
        self, instance_id: str, script: str, parameters: Mapping[str, str], seconds: float = RUN_SECONDS
    ) -> tuple[int, str, str]:
        """Run a script as root inside. Raises NotFound when nothing runs, CloudError when it ends before the script."""
        guest = self.guests.get(instance_id)
        running = guest.running if guest else None
        if running is None:
            raise NotFound(f"the sandbox's guest {instance_id} does not run")
        return running.run(script, parameters, seconds)

    def console(self, instance_id: str) -> str:
        """The boot log; empty when there is none."""
        log = self.root / instance_id / "console.log"
        return log.read_text(errors="replace") if instance_id in self.guests and log.exists() else ""

    def list(self) -> list[str]:
        """Ids of the guests that exist, running or not."""
        return sorted(self.guests)

    def close(self) -> None:
        """Shut down every guest at once, and keep their files where they are on a disk (see `rights.make_disk`)."""
        ends = [threading.Thread(target=self.stop, args=(name,)) for name in self.guests]
        for thread in ends:
            thread.start()
        for thread in ends:
            thread.join()
        rights.run(self.rights, "unmount", self.root)
        rights.run(self.rights, "remove", self.root / "base")

    def boot(self, guest: Guest, *, seconds: float = 0.0) -> None:
        """Start the guest's supervisor. The newest kernel in its /boot becomes the running one; at first it has none.

        `seconds` is simulated time on top of the boot's own.
        """
        if kernel := identity.newest_kernel(guest.folder / "disk/tree/boot"):
            guest.hardware.update(kernel=kernel, pending_kernel="")
        boot = self.describe(guest, seconds)
        guest.running = Supervised(self.rights.command("supervisor"), boot.line(), lambda how: self.ended(guest, how))
        if why := guest.running.failure():
            guest.running = None
            raise CloudError(f"the sandbox could not build guest {guest.id}", why, "`gpucloud doctor` checks this host")
        guest.booted = True
        guest.save()

    def describe(self, guest: Guest, seconds: float) -> Boot:
        hardware, folder = guest.hardware, guest.folder
        given = identity.files(guest.id, guest.address, hardware, guest.user_data, first_boot=not guest.booted)
        if self.mirror_url:
            given |= identity.mirror_files(self.mirror_url, hardware)
        hook = [identity.BOOT_PROGRAM] if identity.BOOT_PROGRAM in given else []
        settings = {
            "user": identity.user(hardware),
            "cloud": self.cloud_config(guest),
            "first_boot": not guest.booted,
            "boot_hook": hook,
            "boot_seconds": seconds,
        }
        return Boot(
            hostname=identity.hostname(hardware, guest.address),
            address=guest.address,
            port=guest.port,
            base=str(self.root / "base"),
            disk=str(folder / "disk"),
            holder=str(folder / "holder"),
            console=str(folder / "console.log"),
            python=sys.base_prefix,
            python_parts=base.python_parts(),
            python_program=f"bin/{base.python_name()}",
            fuse=self.rights.fuse,
            shown=identity.shown(hardware),
            files=given,
            settings=settings,
        )

    @staticmethod
    def cloud_config(guest: Guest) -> dict[str, Any]:
        """The user-data's settings, with the keys that the cloud itself was told, as Azure is."""
        settings = userdata.parse(guest.user_data)
        keys = [*guest.hardware.get("authorized_keys", ()), *(settings.get("ssh_authorized_keys") or ())]
        return {**settings, "ssh_authorized_keys": list(dict.fromkeys(keys))}

    def end(self, guest: Guest) -> None:
        """Shut down what runs of it; `on_power` does not hear of it."""
        if running := guest.running:
            guest.running = None
            running.stop()

    def ended(self, guest: Guest, how: str) -> None:
        """The guest has ended on its own."""
        with guest.lock:
            if guest.running is None:
                return
            guest.running = None
        if hear := guest.on_power or self.default_on_power:
            hear(guest.id, "reboot" if how == "reboot" else "poweroff")
        if how == "reboot":
            with guest.lock:
                if guest.id in self.guests and guest.running is None:
                    self.boot(guest, seconds=guest.reboot_seconds)
