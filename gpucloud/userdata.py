"""The cloud-config document of a new machine: its host key, our login key, and the kill switch. Pure.

Order in cloud-init (cloud_init_modules of Ubuntu 22.04 and 24.04): `bootcmd`, then `ssh`, both in the network stage,
which ends before sysinit.target and so before sshd. `bootcmd` runs at every boot, `ssh` once per instance.
"""

from __future__ import annotations

from datetime import UTC, datetime
from importlib.resources import files
from typing import Any

from gpucloud.keys import KeyPair

LIMIT = 16_384
"""Bytes of user-data that EC2 accepts, before base64 (EC2 user guide)."""


def cloud_config(host_key: KeyPair, authorized_key: str, expires_at: datetime | None) -> str:
    """User-data that makes the machine answer with `host_key`, let in only `authorized_key` (for the image's default
    user), and power off at `expires_at` (None: never). It contains the private host key: keep it out of logs.
    """
    import yaml

    document: dict[str, Any] = {
        "ssh_deletekeys": True,
        "ssh_keys": {"ed25519_private": host_key.private.reveal(), "ed25519_public": host_key.public},
        "ssh_authorized_keys": [authorized_key],
        "ssh_pwauth": False,
        "disable_root": True,
    }
    if expires_at is not None:
        document["bootcmd"] = [["sh", "-c", _kill_switch(), "gpucloud-killswitch", "arm", stamp(expires_at)]]
    return "#cloud-config\n" + yaml.safe_dump(document, sort_keys=False)


def extend_commands(expires_at: datetime) -> str:
    """A shell script, to be run as root, that sets the machine's end to `expires_at`; arms one that had none."""
    return f"set -- extend {stamp(expires_at)}\n{_kill_switch()}"


def stamp(moment: datetime) -> str:
    """The moment as /etc/gpucloud/expires has it: UTC, `YYYY-MM-DDTHH:MM:SSZ`."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _kill_switch() -> str:
    return files("gpucloud").joinpath("killswitch.sh").read_text(encoding="utf-8")
