"""The parts of cloud-init that user-data of a GPU machine uses, in cloud-init's own order.

On each boot: bootcmd. On the first one also write_files, host and user keys, then, once SSH is up, runcmd.
"""

from __future__ import annotations

import base64
import gzip
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

from . import accounts

KNOWN = ("bootcmd", "write_files", "ssh_keys", "ssh_authorized_keys", "ssh_deletekeys", "runcmd")
# Settings that change nothing here: the sandbox's answer to them is what they ask for, or has no meaning in a guest.
HARMLESS = (
    "package_update",
    "package_upgrade",
    "preserve_hostname",
    "disable_root",
    "ssh_pwauth",
    "ssh_genkeytypes",
    "growpart",
)
HOST_KEY = Path("/etc/ssh/ssh_host_ed25519_key")
LOG = Path("/var/log/cloud-init-output.log")


class CloudInit:
    """`settings` is the parsed #cloud-config; `say` writes to the console."""

    def __init__(
        self, settings: dict[str, Any], user: accounts.Account, say: Callable[[str], None], *, first_boot: bool
    ) -> None:
        self.settings, self.user, self.say, self.first_boot = settings, user, say, first_boot
        self.errors: list[str] = []

    def early(self) -> None:
        """All that comes before SSH."""
        unknown = [key for key in self.settings if key not in KNOWN + HARMLESS]
        if unknown:
            self.say(f"cloud-init: [simulated] ignored: {', '.join(sorted(unknown))}")
        self.run("bootcmd")
        if self.first_boot:
            self.step("write_files", self.write_files)
            self.step("ssh", self.ssh_keys)

    def late(self) -> None:
        """What comes after SSH is up; the first boot's commands."""
        if self.first_boot:
            self.run("runcmd")
        Path("/var/lib/cloud/instance").mkdir(parents=True, exist_ok=True)
        Path("/var/lib/cloud/instance/boot-finished").write_text("[simulated]\n")

    def step(self, name: str, do: Callable[[], None]) -> None:
        """A module that fails is logged and counted; the boot goes on, as cloud-init's does."""
        try:
            do()
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            self.errors.append(f"{name}: {error!r}")
            self.say(f"cloud-init: {name} failed: {error!r}")

    def run(self, key: str) -> None:
        """Run commands: a list is argv, a string is a shell line."""
        for command in self.settings.get(key) or ():
            argv = ["sh", "-c", command] if isinstance(command, str) else [str(word) for word in command]
            self.step(f"{key} {argv}", lambda argv=argv: self.execute(argv))  # type: ignore[misc]

    def execute(self, argv: list[str]) -> None:
        with LOG.open("ab") as log:
            environment = {"PATH": accounts.PATH, "HOME": "/root", "LANG": "C.UTF-8", "INSTANCE_ID": self.instance_id}
            code = subprocess.run(
                argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment, cwd="/"
            ).returncode
        if code:
            raise ValueError(f"exit status {code}, see {LOG}")

    @property
    def instance_id(self) -> str:
        return Path("/var/lib/cloud/data/instance-id").read_text().strip()

    def write_files(self) -> None:
        for entry in self.settings.get("write_files") or ():
            place = Path(entry["path"])
            place.parent.mkdir(parents=True, exist_ok=True)
            with place.open("ab" if entry.get("append") else "wb") as file:
                file.write(decoded(entry.get("content", ""), entry.get("encoding", "")))
            place.chmod(int(str(entry.get("permissions", "0644")), 8))
            owner, _, group = entry.get("owner", "root:root").partition(":")
            shutil.chown(place, owner, group or None)

    def ssh_keys(self) -> None:
        keys = self.settings.get("ssh_keys") or {}
        if private := keys.get("ed25519_private"):
            store(HOST_KEY, private, 0o600)
            if public := keys.get("ed25519_public"):
                store(HOST_KEY.with_suffix(".pub"), public, 0o644)
        folder = Path(self.user.home, ".ssh")
        folder.mkdir(mode=0o700, exist_ok=True)
        authorized = folder / "authorized_keys"
        store(authorized, "\n".join(self.settings.get("ssh_authorized_keys") or ()), 0o600)
        for path in (folder, authorized):
            os.chown(path, self.user.uid, self.user.gid)


def store(place: Path, text: str, mode: int) -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    place.touch(mode)
    place.write_text(text.rstrip("\n") + "\n")
    place.chmod(mode)


def decoded(content: str | bytes, encoding: str) -> bytes:
    """The bytes of a write_files entry. Raises ValueError for an encoding that cloud-init does not have."""
    raw = content.encode() if isinstance(content, str) else content
    if encoding in ("b64", "base64", "gz+b64", "gzip+base64", "gz+base64", "gzip+b64"):
        raw = base64.b64decode(raw)
    elif encoding not in ("", "text/plain", "gz", "gzip"):
        raise ValueError(f"encoding {encoding}")
    return gzip.decompress(raw) if encoding.startswith("gz") else raw


def ensure_host_key() -> str:
    """The host key in PEM; made now when neither user-data nor an earlier boot has left one."""
    if not HOST_KEY.exists():
        from cryptography.hazmat.primitives import serialization as form
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

        key = Ed25519PrivateKey.generate()
        text = key.private_bytes(form.Encoding.PEM, form.PrivateFormat.OpenSSH, form.NoEncryption())
        store(HOST_KEY, text.decode(), 0o600)
    return HOST_KEY.read_text()
