"""Who a guest says it is: the files of one guest, written into it at each boot."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gpucloud.sandbox.guest import base

RELEASES = {"ubuntu-22.04": ("22.04", "jammy", "Jammy Jellyfish"), "ubuntu-24.04": ("24.04", "noble", "Noble Numbat")}
# The mirror's program that does what kernel and udev do at boot.
BOOT_PROGRAM = "/usr/lib/gpucloud-sim/bin/boot"
Files = dict[str, tuple[str, int]]


def hostname(hardware: Mapping[str, Any], address: str) -> str:
    """The name that the cloud was told, as Azure is; else EC2's for a private address."""
    return str(hardware.get("hostname") or "ip-" + address.replace(".", "-"))


def user(hardware: Mapping[str, Any]) -> str:
    """The user that logs in: the one that the cloud was told, as Azure is; else the image's own."""
    return str(hardware.get("user") or "ubuntu")


def files(instance_id: str, address: str, hardware: Mapping[str, Any], user_data: bytes, *, first_boot: bool) -> Files:
    """Path in the guest -> (base64 of the content, mode). Some are written once only: the guest may change them."""
    name = hostname(hardware, address)
    always = {
        "/etc/hostname": f"{name}\n",
        "/etc/hosts": f"127.0.0.1 localhost\n{address} {name}\n::1 localhost ip6-localhost\n",
        "/etc/gpucloud-sim/hardware.json": json.dumps(dict(hardware), indent=1) + "\n",
        "/var/lib/cloud/data/instance-id": f"{instance_id}\n",
    }
    once = {
        **release(str(hardware["os"])),
        "/etc/machine-id": hashlib.md5(instance_id.encode(), usedforsecurity=False).hexdigest() + "\n",
        "/etc/fstab": "# [simulated]\n",
        "/etc/environment": "",
        "/etc/profile.d/gpucloud-sandbox.sh": "# A sandbox guest [simulated]\n",
    }
    for kernel in filter(None, (str(hardware["kernel"]), str(hardware.get("pending_kernel", "")))):
        once |= {f"/boot/vmlinuz-{kernel}": "[simulated]\n", f"/usr/lib/modules/{kernel}/modules.builtin": ""}
    texts = {**always, **(once if first_boot else {})}
    found = {path: encoded(text.encode(), 0o644) for path, text in texts.items()}
    if first_boot:
        for kind, text in base.accounts(user(hardware)).items():
            found[f"/etc/{kind}"] = encoded(text.encode(), 0o600 if "shadow" in kind else 0o644)
    return {**found, "/var/lib/cloud/instance/user-data.txt": encoded(user_data, 0o600)}


def encoded(content: bytes, mode: int) -> tuple[str, int]:
    return base64.b64encode(content).decode(), mode


def release(system: str) -> dict[str, str]:
    """os-release and its kin. Raises KeyError for a system that the sandbox does not know."""
    version, codename, title = RELEASES[system]
    fields = {
        "PRETTY_NAME": f"Ubuntu {version} LTS",
        "NAME": "Ubuntu",
        "VERSION_ID": version,
        "VERSION": f"{version} LTS ({title})",
        "VERSION_CODENAME": codename,
        "ID": "ubuntu",
        "ID_LIKE": "debian",
        "UBUNTU_CODENAME": codename,
        "GPUCLOUD_SIMULATED": "1",
    }
    lsb = f"DISTRIB_ID=Ubuntu\nDISTRIB_RELEASE={version}\nDISTRIB_CODENAME={codename}\n"
    bare = ("VERSION_ID", "VERSION_CODENAME", "ID", "ID_LIKE", "UBUNTU_CODENAME", "GPUCLOUD_SIMULATED")
    text = "".join(f"{key}={value}\n" if key in bare[1:] else f'{key}="{value}"\n' for key, value in fields.items())
    return {
        "/etc/os-release": text,
        "/usr/lib/os-release": text,
        "/etc/lsb-release": f'{lsb}DISTRIB_DESCRIPTION="Ubuntu {version} LTS [simulated]"\n',
        "/etc/issue": f"Ubuntu {version} LTS [simulated] \\n \\l\n",
    }


def newest_kernel(boot: Path) -> str:
    """The release that GRUB would boot: of all `vmlinuz-*` in the folder the one that sorts last; empty without any."""
    releases = [file.name.removeprefix("vmlinuz-") for file in boot.glob("vmlinuz-[0-9]*")]
    return max(releases, key=lambda release: [int(number) for number in re.findall(r"\d+", release)], default="")


def shown(hardware: Mapping[str, Any]) -> dict[str, str]:
    """The text of the /proc files that a guest sees; see rootfs.SHOWN."""
    kernel = hardware["kernel"]
    return {
        "osrelease": f"{kernel}\n",
        "boot_id": f"{uuid.uuid4()}\n",
        "version": f"Linux version {kernel} (gpucloud sandbox) #1 SMP [simulated]\n",
        "modules": "",
        "cmdline": f"BOOT_IMAGE=/boot/vmlinuz-{kernel} root=/dev/root ro console=ttyS0 [simulated]\n",
    }


def mirror_files(mirror_url: str, hardware: Mapping[str, Any]) -> Files:
    """What leads the guest to the sandbox's mirror, and simulates its hardware. Raises OSError without a mirror."""
    from gpucloud.sandbox import mirror

    given = mirror.guest_files(mirror_url, hardware)
    return {path: encoded(content, mode) for path, (content, mode) in given.items()}
