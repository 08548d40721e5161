"""What a guest gets from the mirror's side on each boot: package sources, hardware, the simulation's programs."""

from __future__ import annotations

import json
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Any
from urllib.request import ProxyHandler, build_opener

from gpucloud.sandbox.mirror.images import GuestFiles, image_files
from gpucloud.sandbox.mirror.launcher import LIBRARY, program

CODENAMES = {"ubuntu-22.04": "jammy", "ubuntu-24.04": "noble"}
KEYRING = "/usr/share/keyrings/ubuntu-archive-keyring.asc"
NVIDIA_VENDOR, DISPLAY_CLASS = "0x10de", "0x030200"  # 3D controller, as data-center GPUs say
# Of the UEFI specification: four bytes of attributes, then 1 where the firmware loads only what is signed.
SECURE_BOOT = "/sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c"


def commands_dir() -> Path:
    """The folder of programs that every guest gets in /usr/sbin: modprobe, lsmod, lspci, dmesg …"""
    return Path(__file__).parent / "commands"


def guest_files(mirror_url: str, hardware: Mapping[str, Any]) -> GuestFiles:
    """Files to write on every boot, as path -> (content, mode); /sys is new then.

    `mirror_url` is where a running Mirror answers, without a slash at its end: its public key comes from there.
    Raises OSError when it does not answer.
    """
    base, codename = mirror_url + options(hardware), CODENAMES[str(hardware["os"])]
    text = {
        "/etc/apt/sources.list": sources(base, codename),
        "/etc/apt/apt.conf.d/90gpucloud-sandbox": apt_settings(),
        "/etc/gpucloud/mirrors.env": mirrors(base),
        "/etc/gpucloud-sim/hardware.json": json.dumps(hardware, indent=1) + "\n",
        **pci_devices(hardware),
    }
    files = {name: (content.encode(), 0o644) for name, content in text.items()}
    files |= {KEYRING: (archive_key(mirror_url), 0o644), **secure_boot(hardware), **image_files(hardware, codename)}
    return files | library()


def archive_key(mirror_url: str) -> bytes:
    """The public key of the mirror, past any proxy that this host uses."""
    with build_opener(ProxyHandler({})).open(f"{mirror_url}/ubuntu/archive-key.asc", timeout=10) as reply:
        body: bytes = reply.read()
    return body


def options(hardware: Mapping[str, Any]) -> str:
    """The part of the mirror's addresses that carries this machine's fault and delays; empty when it has none."""
    latency = hardware.get("latency", {})
    wanted = {"fault": hardware.get("fault", ""), **{step: latency.get(step, 0) for step in ("apt", "torch")}}
    given = ",".join(f"{key}={value}" for key, value in wanted.items() if value)
    return f"/with/{given}" if given else ""


def sources(base: str, codename: str) -> str:
    head = f"# [simulated] the sandbox's own archive\ndeb [signed-by={KEYRING}] {base}/ubuntu"
    suites = (codename, f"{codename}-updates", f"{codename}-security")
    return "".join(f"{head} {suite} main restricted universe multiverse\n" for suite in suites)


def apt_settings() -> str:
    """No proxy on the way to the sandbox, and no translations or other lists that it does not have."""
    return 'Acquire::http::Proxy "DIRECT";\nAcquire::Languages "none";\nAPT::Sandbox::User "root";\n'


def mirrors(base: str) -> str:
    addresses = {
        "DOCKER_APT": "docker",
        "TOOLKIT_APT": "toolkit",
        "CUDA_APT": "cuda",
        "PYPI": "pypi/simple",
        "TORCH": "torch",
    }
    return "".join(f"GPUCLOUD_{name}_URL={base}/{path}\n" for name, path in addresses.items())


def pci_devices(hardware: Mapping[str, Any]) -> dict[str, str]:
    """/sys/bus/pci/devices for the GPUs."""
    files: dict[str, str] = {}
    for gpu in hardware["gpus"]:
        folder = f"/sys/bus/pci/devices/{gpu['bus_id'].lower()[-12:]}"
        values = {"vendor": NVIDIA_VENDOR, "device": gpu["pci_device_id"], "class": DISPLAY_CLASS}
        files |= {f"{folder}/{name}": f"{value}\n" for name, value in values.items()}
    return files


def secure_boot(hardware: Mapping[str, Any]) -> GuestFiles:
    """The firmware's variable. Without a word about it in `hardware` the machine has none: EC2's images boot so."""
    if "secure_boot" not in hardware:
        return {}
    return {SECURE_BOOT: (bytes([6, 0, 0, 0, bool(hardware["secure_boot"])]), 0o644)}


def library() -> GuestFiles:
    """The simulation itself, its boot program, and what installation scripts call to take the scenario's time."""
    package = resources.files("gpucloud.sandbox.mirror") / "gpucloud_sim"
    modules = [entry for entry in package.iterdir() if entry.name.endswith(".py")]
    files = {f"{LIBRARY}/gpucloud_sim/{entry.name}": (entry.read_bytes(), 0o644) for entry in modules}
    programs = {"boot": program("boot"), "pause": program("daemons", "pause")}
    return files | {f"{LIBRARY}/bin/{name}": (text.encode(), 0o755) for name, text in programs.items()}
