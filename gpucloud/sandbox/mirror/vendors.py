"""The package archives of Docker and NVIDIA, and what the base system lends them."""

from __future__ import annotations

from collections.abc import Iterator

from gpucloud.sandbox.mirror.deb import Package
from gpucloud.sandbox.mirror.launcher import pausing, program
from gpucloud.sandbox.mirror.ubuntu import DRIVERS, UBUNTU, Driver, kernel_side, userspace

DOCKER, CONTAINERD, BUILDX, COMPOSE, TOOLKIT = "28.5.1", "1.7.28", "0.29.1", "2.40.0", "1.18.0-1"
DOCKER_UNIT = """[Unit]
Description=Docker Application Container Engine [simulated]
After=containerd.service
Wants=containerd.service

[Service]
Type=notify
ExecStart=/usr/bin/dockerd -H fd:// --containerd=/run/containerd/containerd.sock
Restart=always

[Install]
WantedBy=multi-user.target
"""
CONTAINERD_UNIT = """[Unit]
Description=containerd container runtime [simulated]

[Service]
Type=notify
ExecStart=/usr/bin/containerd
Restart=always

[Install]
WantedBy=multi-user.target
"""
SOCKET_UNIT = """[Unit]
Description=Docker Socket for the API [simulated]

[Socket]
ListenStream=/run/docker.sock

[Install]
WantedBy=sockets.target
"""
# What dh_installsystemd writes: masks and policy-rc.d are respected by the two deb-systemd programs.
START_UNIT = """\tdeb-systemd-helper unmask {unit} >/dev/null || true
\tif deb-systemd-helper --quiet was-enabled {unit}; then
\t\tdeb-systemd-helper enable {unit} >/dev/null || true
\tfi
\tif [ -d /run/systemd/system ]; then
\t\tsystemctl --system daemon-reload >/dev/null || true
\t\tdeb-systemd-invoke start {unit} >/dev/null || true
\tfi
"""


def docker(codename: str) -> Iterator[Package]:
    """download.docker.com: the engine, its CLI, containerd and the plugins."""
    tail = f"~ubuntu.{UBUNTU[codename]}~{codename}"
    engine = f"5:{DOCKER}-1{tail}"
    group = "\tgetent group docker >/dev/null || groupadd --system docker\n"
    yield Package(
        "docker-ce",
        engine,
        "containerd.io (>= 1.7.27), docker-ce-cli, iptables | nftables, libc6",
        {
            "/usr/bin/dockerd": program("docker", "dockerd"),
            "/lib/systemd/system/docker.service": DOCKER_UNIT,
            "/lib/systemd/system/docker.socket": SOCKET_UNIT,
        },
        {"postinst": pausing("docker", group + START_UNIT.format(unit="docker.service"))},
        {"Recommends": "docker-ce-rootless-extras, git, pigz, xz-utils"},
    )
    cli = {"/usr/bin/docker": program("docker")}
    yield Package(
        "docker-ce-cli", engine, files=cli, fields={"Recommends": "docker-buildx-plugin, docker-compose-plugin"}
    )
    yield Package("docker-ce-rootless-extras", engine, "docker-ce")
    yield Package(
        "containerd.io",
        f"{CONTAINERD}-1{tail}",
        files={
            "/usr/bin/containerd": program("docker", "containerd"),
            "/lib/systemd/system/containerd.service": CONTAINERD_UNIT,
        },
        scripts={"postinst": pausing("containerd", START_UNIT.format(unit="containerd.service"))},
        fields={"Conflicts": "containerd, runc", "Replaces": "containerd, runc", "Provides": "containerd, runc"},
    )
    yield Package("docker-buildx-plugin", f"{BUILDX}-1{tail}")
    yield Package("docker-compose-plugin", f"{COMPOSE}-1{tail}")


def toolkit(fault: str = "") -> Iterator[Package]:
    """nvidia.github.io/libnvidia-container. Under the fault toolkit-missing the packages lack their programs."""
    base = {
        "/usr/bin/nvidia-ctk": program("toolkit"),
        "/usr/bin/nvidia-container-runtime": program("toolkit", "runtime"),
        "/usr/bin/nvidia-cdi-hook": program("toolkit", "runtime"),
    }
    hook = {"/usr/bin/nvidia-container-runtime-hook": program("toolkit", "runtime")}
    if fault == "toolkit-missing":
        base, hook = {}, {}
    same = f"(= {TOOLKIT})"
    yield Package("libnvidia-container1", TOOLKIT, "libc6")
    cli = {"/usr/bin/nvidia-container-cli": program("toolkit", "container_cli")}
    yield Package("libnvidia-container-tools", TOOLKIT, f"libnvidia-container1 {same}", cli)
    yield Package("nvidia-container-toolkit-base", TOOLKIT, files=base, scripts={"postinst": pausing("toolkit")})
    tools = f"libnvidia-container-tools (>= {TOOLKIT}), libnvidia-container-tools (<< 2.0.0)"
    yield Package("nvidia-container-toolkit", TOOLKIT, f"nvidia-container-toolkit-base {same}, {tools}", hook)


def cuda(fault: str = "") -> Iterator[Package]:
    """developer.download.nvidia.com/compute/cuda: the driver through DKMS, named without -server."""
    for branch in DRIVERS:
        driver = Driver(branch, "", "0ubuntu1")
        yield from userspace(driver, broken=fault == "stage-driver-fails")
        yield from kernel_side(driver)
        same = f"(= {driver.version})"
        yield Package(f"cuda-drivers-{branch}", driver.version, f"{driver.named('nvidia-driver')} {same}")
        if "-open" in driver.flavours():
            yield Package(f"nvidia-open-{branch}", driver.version, f"{driver.named('nvidia-driver', '-open')} {same}")


# fmt: off
BASE = (
    "adduser", "apt-transport-https", "binutils", "build-essential", "bzip2", "ca-certificates", "cloud-init", "curl",
    "gcc", "git", "gnupg", "gpg", "gpg-agent", "htop", "iptables", "jq", "kmod", "lsb-release", "lsof", "make",
    "mokutil", "nftables", "nvme-cli", "pciutils", "pigz", "procps", "python3", "python3-pip", "python3-venv",
    "rsync", "software-properties-common", "sudo", "tar", "tmux", "unattended-upgrades", "unzip", "wget",
    "xz-utils", "zstd",
)
# fmt: on


def base() -> Iterator[Package]:
    """Small tools of the base system. Their versions are so low that one that the guest has already always wins."""
    for name in BASE:
        yield Package(name, "0~simulated")
    yield Package("dkms", "3.0.11-0~simulated", "kmod | systemd", {"/usr/sbin/dkms": program("daemons", "dkms")})
