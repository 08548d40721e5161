"""The Ubuntu archive's kernel and NVIDIA packages, under their real names and with their real dependencies.

Names and dependencies as in the source packages linux-CLOUD, linux-restricted-modules-CLOUD and
nvidia-graphics-drivers-BRANCH-server; the versions are those of one day.
"""

from __future__ import annotations

import platform
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from gpucloud.sandbox.mirror.deb import Package
from gpucloud.sandbox.mirror.launcher import pausing, program

DRIVERS = {"470": "470.256.02", "535": "535.274.02", "570": "570.195.03", "580": "580.95.05", "595": "595.58.03"}
UBUNTU = {"jammy": "22.04", "noble": "24.04"}
# Each cloud's kernel: the release that machines boot, and the one that the archive has by now; 6.8 on both systems.
KERNELS = {"aws": ("6.8.0-1035-aws", "6.8.0-1036-aws"), "azure": ("6.8.0-1035-azure", "6.8.0-1036-azure")}
# How far a cloud's upload number is ahead of the number in the release: 6.8.0-1035.37 is 6.8.0-1035-aws.
UPLOAD = {"aws": 2, "azure": 5}
OPEN_SINCE, FIRMWARE_SINCE = 515, 535
MODULES = ("nvidia", "nvidia-uvm", "nvidia-modeset", "nvidia-drm", "nvidia-peermem")
LIBRARIES = f"/usr/lib/{platform.machine()}-linux-gnu"
UDEV_RULES = 'ACTION=="add", DEVPATH=="/bus/pci/drivers/nvidia", RUN+="/sbin/modprobe nvidia-uvm"\n'
# As in nvidia-compute-utils: no [Install], because udev starts it, and it ends when nothing wants it.
PERSISTENCED_UNIT = """[Unit]
Description=[simulated] NVIDIA Persistence Daemon
Wants=syslog.target
StopWhenUnneeded=true
Before=systemd-backlight@backlight:nvidia_0.service

[Service]
Type=forking
ExecStart=/usr/bin/nvidia-persistenced --user nvidia-persistenced --no-persistence-mode --verbose
ExecStopPost=/bin/rm -rf /var/run/nvidia-persistenced
"""
FABRIC_UNIT = """[Unit]
Description=[simulated] NVIDIA fabric manager

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/bin/true

[Install]
WantedBy=multi-user.target
"""
RELOAD_UNITS = "#!/bin/sh\nset -e\nif [ -d /run/systemd/system ]; then\n\tsystemctl daemon-reload || true\nfi\n"


@dataclass(frozen=True)
class Driver:
    """One driver branch as one archive packages it: `suffix` is -server, or empty."""

    branch: str
    suffix: str
    revision: str

    @property
    def upstream(self) -> str:
        return DRIVERS[self.branch]

    @property
    def version(self) -> str:
        return f"{self.upstream}-{self.revision}"

    def named(self, stem: str, tail: str = "") -> str:
        return f"{stem}-{self.branch}{self.suffix}{tail}"

    def exactly(self, *stems: str) -> str:
        """A Depends on packages of this very driver."""
        return ", ".join(f"{self.named(stem)} (= {self.version})" for stem in stems)

    def flavours(self) -> tuple[str, ...]:
        return ("", "-open") if int(self.branch) >= OPEN_SINCE else ("",)


def module_files(folder: str, version: str, tail: str) -> dict[str, str]:
    """Simulated kernel modules: text that says what `modinfo` of the real ones says."""
    licence = "Dual MIT/GPL" if tail else "NVIDIA"
    text = f"version: {version}\nlicense: {licence}\ndescription: [simulated]\n"
    if "/updates/" not in folder:
        text += "signer: Canonical Ltd. Kernel Module Signing\n"
    return {f"{folder}/{name}.ko": text for name in MODULES}


def only_one(stem: str) -> dict[str, str]:
    """Only one branch of such a package can be installed at a time."""
    return {"Provides": stem, "Conflicts": stem, "Replaces": stem}


def userspace(driver: Driver, broken: bool = False) -> Iterator[Package]:
    """The libraries and tools of a driver. `broken`: their configuration fails."""
    upstream = driver.upstream
    libraries = {f"{LIBRARIES}/{name}.so.{upstream}": "[simulated]\n" for name in ("libnvidia-ml", "libcuda")}
    after = '\techo "[simulated] libnvidia-compute: post-installation failed" >&2\n\texit 1\n' if broken else ""
    rows: list[tuple[str, str, dict[str, str], dict[str, str]]] = [
        ("libnvidia-compute", "", libraries, {"postinst": pausing("driver", after)}),
        ("libnvidia-cfg1", "", {}, {}),
        ("libnvidia-common", "", {}, {}),
        ("libnvidia-decode", driver.exactly("libnvidia-compute"), {}, {}),
        ("libnvidia-encode", driver.exactly("libnvidia-decode"), {}, {}),
        ("libnvidia-extra", "", {}, {}),
        ("libnvidia-fbc1", "", {}, {}),
        ("libnvidia-gl", driver.exactly("libnvidia-common"), {}, {}),
        ("nvidia-utils", driver.exactly("libnvidia-compute"), {"/usr/bin/nvidia-smi": program("nvidia_smi")}, {}),
        ("nvidia-compute-utils", driver.exactly("libnvidia-compute"), *persistenced()),
    ]
    for stem, depends, files, scripts in rows:
        name = driver.named(stem)
        yield Package(name, driver.version, depends, files, scripts, only_one(stem), section="restricted/libs")


def persistenced() -> tuple[dict[str, str], dict[str, str]]:
    files = {
        "/usr/bin/nvidia-persistenced": program("daemons", "persistenced"),
        "/lib/systemd/system/nvidia-persistenced.service": PERSISTENCED_UNIT,
    }
    return files, {"postinst": RELOAD_UNITS}


def kernel_side(driver: Driver) -> Iterator[Package]:
    """What the kernel modules need besides themselves, the DKMS way, and the metapackages over everything."""
    firmware = f"{driver.named('nvidia-firmware')}-{driver.upstream}"
    depends = "kmod | systemd"
    if int(driver.branch) >= FIRMWARE_SINCE:
        depends += f", {firmware} (= {driver.version})"
        file = {f"/lib/firmware/nvidia/{driver.upstream}/gsp_tu10x.bin": "[simulated]\n"}
        yield Package(firmware, driver.version, files=file)
    rules = {"/lib/udev/rules.d/71-nvidia.rules": UDEV_RULES}
    common = driver.named("nvidia-kernel-common")
    yield Package(common, driver.version, depends, rules, fields=only_one("nvidia-kernel-common"))
    for tail in driver.flavours():
        yield from dkms_way(driver, tail)


def dkms_way(driver: Driver, tail: str) -> Iterator[Package]:
    source = driver.named("nvidia-kernel-source", tail)
    same = f"(= {driver.version})"
    yield Package(source, driver.version, fields=only_one("nvidia-kernel-source"))
    build = f"\t/usr/sbin/dkms autoinstall --gpucloud-module nvidia/{driver.upstream}{tail}\n"
    needs = f"dkms, {source} {same}, {driver.exactly('nvidia-kernel-common')}"
    dkms = driver.named("nvidia-dkms", tail)
    yield Package(
        dkms, driver.version, needs, scripts={"postinst": pausing("dkms", build)}, fields=only_one("nvidia-dkms")
    )
    base = driver.exactly("libnvidia-cfg1", "libnvidia-compute", "nvidia-compute-utils", "nvidia-kernel-common")
    no_dkms = driver.named("nvidia-headless-no-dkms", tail)
    yield Package(no_dkms, driver.version, f"{base}, {source} {same}")
    headless = driver.named("nvidia-headless", tail)
    yield Package(headless, driver.version, f"{no_dkms} {same}, {dkms} {same}")
    parts = driver.exactly(
        "libnvidia-gl", "libnvidia-extra", "libnvidia-decode", "libnvidia-encode", "nvidia-utils", "libnvidia-fbc1"
    )
    ready = f"{dkms} (<= {driver.upstream}-1) | {dkms}"
    yield Package(driver.named("nvidia-driver", tail), driver.version, f"{parts}, {base}, {source} {same}, {ready}")


def kernel_version(release: str, ubuntu: str) -> str:
    """6.8.0-1035-aws is packaged as 6.8.0-1035.37 for the system that the kernel is of, with ~22.04.1 for an older."""
    number, cloud = release.rsplit("-", 1)
    backported = "" if ubuntu == UBUNTU["noble"] else f"~{ubuntu}.1"
    return f"{number}.{int(number[-2:]) + UPLOAD[cloud]}{backported}"


def kernel_lines(release: str) -> tuple[str, str]:
    """What the metapackages that lead to a kernel end with: azure is the cloud's newest, azure-6.8 keeps to 6.8."""
    cloud, series = release.rsplit("-", 1)[1], release.rsplit(".", 1)[0]
    return cloud, f"{cloud}-{series}"


def kernel_packages(release: str, ubuntu: str) -> Iterator[Package]:
    """One kernel: image, modules, headers."""
    version = kernel_version(release, ubuntu)
    after = f'\t[ "$(uname -r)" = {release} ] || touch /run/reboot-required\n'
    yield Package(f"linux-modules-{release}", version, files={f"/lib/modules/{release}/modules.builtin": ""})
    image = {f"/boot/vmlinuz-{release}": "[simulated]\n"}
    script = "#!/bin/sh\nset -e\n" + after.lstrip("\t")
    yield Package(f"linux-image-{release}", version, f"linux-modules-{release}", image, {"postinst": script})
    makefile = {f"/lib/modules/{release}/build/Makefile": "# [simulated]\n"}
    yield Package(f"linux-headers-{release}", version, files=makefile)


def kernel_metapackages(release: str, ubuntu: str) -> Iterator[Package]:
    version = kernel_version(release, ubuntu)
    same = f"(= {version})"
    for line in kernel_lines(release):
        yield Package(f"linux-image-{line}", version, f"linux-image-{release}")
        yield Package(f"linux-headers-{line}", version, f"linux-headers-{release}")
        yield Package(f"linux-{line}", version, f"linux-image-{line} {same}, linux-headers-{line} {same}")


def precompiled(driver: Driver, release: str, ubuntu: str) -> Iterator[Package]:
    """Canonical's signed modules of one driver for one kernel (linux-restricted-modules).

    The open ones want exactly the userspace that they were built for, the proprietary ones that or a newer.
    """
    version = kernel_version(release, ubuntu)
    folder = f"/lib/modules/{release}/kernel/nvidia-{driver.branch}srv"
    common = driver.named("nvidia-kernel-common")
    needs = f"linux-image-{release} | linux-image-unsigned-{release}, "
    least = f"{common} (>= {driver.upstream})"
    for tail in driver.flavours():
        name = f"linux-modules-nvidia-{driver.branch}-server{tail}-{release}"
        files = module_files(folder + tail, driver.upstream, tail)
        if tail:
            yield Package(name, version, f"{needs}{common} (<= {driver.upstream}-1), {least}", files)
            continue
        objects, signatures = (
            f"{stem}-{release}" for stem in (f"linux-objects-nvidia-{driver.branch}-server", "linux-signatures-nvidia")
        )
        yield Package(objects, version, "binutils")
        yield Package(name, version, f"{needs}{signatures} (= {version}), {objects} (= {version}), {least}", files)


def precompiled_metapackages(driver: Driver, release: str, ubuntu: str) -> Iterator[Package]:
    version = kernel_version(release, ubuntu)
    for tail in driver.flavours():
        stem = f"linux-modules-nvidia-{driver.branch}-server{tail}"
        for line in kernel_lines(release):
            yield Package(f"{stem}-{line}", version, f"{stem}-{release} (= {version})")


def fabric(driver: Driver) -> Iterator[Package]:
    """NVSwitch machines need these in exactly the driver's version."""
    files = {"/lib/systemd/system/nvidia-fabricmanager.service": FABRIC_UNIT}
    yield Package(f"nvidia-fabricmanager-{driver.branch}", driver.version, files=files)
    yield Package(f"libnvidia-nscq-{driver.branch}", driver.version)


def drivers(codename: str, suffix: str = "-server") -> list[Driver]:
    return [Driver(branch, suffix, f"0ubuntu0.{UBUNTU[codename]}.1") for branch in DRIVERS]


def cloud_kernels(releases: Sequence[str], codename: str) -> Iterator[Package]:
    """One cloud's kernels with their precompiled modules, and the metapackages, which lead to the last of them."""
    ubuntu = UBUNTU[codename]
    yield from kernel_metapackages(releases[-1], ubuntu)
    for release in releases:
        yield from kernel_packages(release, ubuntu)
        yield Package(f"linux-signatures-nvidia-{release}", kernel_version(release, ubuntu))
        for driver in drivers(codename):
            yield from precompiled(driver, release, ubuntu)
    for driver in drivers(codename):
        yield from precompiled_metapackages(driver, releases[-1], ubuntu)


def kernel_archive(codename: str, fault: str) -> Iterator[Package]:
    """Kernels and their precompiled modules; under the fault no-module-for-kernel neither modules nor headers."""
    packages = [package for releases in KERNELS.values() for package in cloud_kernels(releases, codename)]
    gone = ("linux-modules-nvidia", "linux-objects-nvidia", "linux-signatures-nvidia", "linux-headers")
    return (package for package in packages if fault != "no-module-for-kernel" or not package.name.startswith(gone))


def restricted(codename: str, fault: str = "") -> Iterator[Package]:
    """The `restricted` component: NVIDIA's driver in every branch."""
    for suffix in ("-server", ""):
        for driver in drivers(codename, suffix):
            yield from userspace(driver, broken=fault == "stage-driver-fails")
            yield from kernel_side(driver)
    for driver in drivers(codename):
        yield from fabric(driver)
    newest = drivers(codename)[-2]
    yield Package(
        "nvidia-modprobe",
        f"{newest.upstream}-1",
        files={"/usr/bin/nvidia-modprobe": program("daemons", "nvidia_modprobe")},
    )
