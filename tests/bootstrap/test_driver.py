"""driver.sh over every GPU family, and over everything that can be wrong with a machine."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.bootstrap.world import KERNEL, World, failure, free_of, module, stocked, userspace


def families() -> list[tuple[str, str, str, str, str]]:
    """(GPU, PCI device id, architecture, planned flavour, GSP)."""
    return [
        ("M60", "0x13f2", "amd64", "proprietary", "on"),
        ("V100", "0x1db1", "amd64", "proprietary", "on"),
        ("T4 on g4dn", "0x1eb8", "amd64", "proprietary", "off"),
        ("T4 on NCasT4_v3", "0x1eb8", "amd64", "open", "on"),
        ("T4G", "0x1eb4", "arm64", "proprietary", "off"),
        ("A100", "0x20b0", "amd64", "open", "on"),
        ("A10G", "0x2237", "amd64", "proprietary", "off"),
        ("L4", "0x27b8", "amd64", "open", "on"),
        ("L40S", "0x26b9", "amd64", "open", "on"),
        ("H100", "0x2330", "amd64", "open", "on"),
        ("H200", "0x2335", "amd64", "open", "on"),
        ("B200", "0x2901", "amd64", "open", "on"),
        ("RTX PRO 6000", "0x2bb5", "amd64", "open", "on"),
    ]


@pytest.fixture
def world(tmp_path: Path) -> World:
    return stocked(World(tmp_path / "machine"))


@pytest.mark.parametrize(
    ("gpu", "device", "architecture", "flavour", "gsp"), families(), ids=[f[0] for f in families()]
)
def test_every_family_gets_its_packages_in_one_transaction_and_no_reboot(
    tmp_path: Path, gpu: str, device: str, architecture: str, flavour: str, gsp: str
) -> None:
    world = stocked(World(tmp_path / "machine", architecture=architecture))
    world.gpu(device)

    result = world.stage("driver", GPUCLOUD_DRIVER_FLAVOUR=flavour, GPUCLOUD_DRIVER_GSP=gsp)

    assert result.returncode == 0, result.stdout + result.stderr
    packages = [*userspace(), module(flavour, KERNEL)]
    next_kernel = module(flavour, "aws")
    mark = " [GSP off]" if gsp == "off" else ""
    assert [call for call in world.calls() if call.startswith(("apt-get", "modprobe"))] == [
        f"apt-get install {' '.join(packages)}",
        f"modprobe nvidia{mark}",
        f"modprobe nvidia-uvm{mark}",
        f"modprobe nvidia-modeset{mark}",
        f"apt-get install {next_kernel}",
    ]
    assert not world.reboot_asked
    assert {*packages, next_kernel} <= set((world.folder / "held").read_text().split())


def test_the_second_run_changes_nothing(world: World) -> None:
    world.gpu("0x1eb8")
    world.stage("driver")
    world.forget_calls()

    assert world.stage("driver", "--check").returncode == 0
    assert world.stage("driver").returncode == 0
    assert world.calls() == []


def test_the_flavour_by_pci_id_beats_the_flavour_by_name(world: World) -> None:
    world.gpu("0x1db1")

    result = world.stage("driver", GPUCLOUD_DRIVER_FLAVOUR="open")

    assert result.returncode == 0 and "takes the proprietary kernel module" in result.stdout
    assert module("proprietary", KERNEL) in world.calls()[0].split()


def test_a_branch_before_the_open_module_is_proprietary(world: World) -> None:
    stocked(world, "470", "470.256.02-0ubuntu0.22.04.1")
    world.gpu("0x1eb8")

    world.stage("driver", GPUCLOUD_DRIVER_BRANCH="470", GPUCLOUD_DRIVER_FLAVOUR="open")

    assert world.calls()[0] == " ".join(["apt-get install", *userspace("470"), module("proprietary", KERNEL, "470")])


def test_a_branch_after_the_proprietary_module_is_open(world: World) -> None:
    stocked(world, "615", "615.71.09-0ubuntu0.22.04.1")
    world.gpu("0x1eb8")

    asked = {"GPUCLOUD_DRIVER_BRANCH": "615", "GPUCLOUD_DRIVER_FLAVOUR": "proprietary", "GPUCLOUD_DRIVER_GSP": "off"}
    world.stage("driver", **asked)

    packages = [*userspace("615"), module("open", KERNEL, "615")]
    assert world.calls()[0] == " ".join(["apt-get install", *packages])
    assert not (world.root / "etc/modprobe.d/gpucloud-nvidia.conf").exists()


def test_a_machine_without_gpu_is_refused(world: World) -> None:
    world.gpu("0x1eb8", kind="0x040300")
    world.gpu("0x7362", vendor="0x1002")

    assert world.stage("driver").returncode == 1
    assert "no NVIDIA GPU" in failure(world)["what"]
    assert world.calls() == []


def test_a_shared_gpu_is_refused(world: World) -> None:
    world.gpu("0x2236")

    assert world.stage("driver", GPUCLOUD_DRIVER_FLAVOUR="grid").returncode == 1
    assert "GRID" in failure(world)["what"]


def test_a_branch_that_ubuntu_has_moved_is_refused(world: World) -> None:
    stocked(world, "535", "580.95.05-0ubuntu0.22.04.2")
    world.gpu("0x1eb8")

    assert world.stage("driver", GPUCLOUD_DRIVER_BRANCH="535").returncode == 1
    assert failure(world)["remedy"] == "set `driver: 580` in the profile"


def test_a_branch_that_ubuntu_has_ended_under_its_own_version_is_refused(world: World) -> None:
    stocked(world, "570", "570.211.01-0ubuntu1.22.04.1")
    world.depends("nvidia-utils-570-server", "nvidia-utils-580-server")
    world.gpu("0x27b8")

    assert world.stage("driver", GPUCLOUD_DRIVER_BRANCH="570").returncode == 1
    assert failure(world)["remedy"] == "set `driver: 580` in the profile"
    assert world.calls() == []


def test_nouveau_is_removed_without_a_reboot(world: World) -> None:
    world.gpu("0x1eb8")
    world.loaded("nouveau")

    assert world.stage("driver").returncode == 0
    assert not world.reboot_asked and "rmmod nouveau" in world.calls()
    assert "blacklist nouveau" in (world.root / "etc/modprobe.d/gpucloud-nouveau.conf").read_text()


def test_nouveau_in_use_asks_for_one_reboot_and_then_names_the_cause(world: World) -> None:
    world.gpu("0x1eb8")
    world.loaded("nouveau")
    world.write("faults", "nouveau-in-use")

    first = world.stage("driver")
    second = world.stage("driver", GPUCLOUD_REBOOTED="1")

    assert first.returncode == 0 and world.reboot_asked and f"update-initramfs -u -k {KERNEL}" in world.calls()
    assert free_of(world.calls(), "modprobe")
    assert second.returncode == 1 and "nouveau" in failure(world)["why"]


def test_a_kernel_without_modules_and_headers_is_named(tmp_path: Path) -> None:
    world = World(tmp_path / "machine")
    world.gpu("0x1eb8")

    assert world.stage("driver").returncode == 1
    assert failure(world)["what"] == f"no NVIDIA module for the running kernel {KERNEL}"
    assert f"linux-headers-{KERNEL}" in failure(world)["why"]


def test_a_kernel_without_modules_gets_one_compiled_from_nvidias_repository(tmp_path: Path) -> None:
    world = World(tmp_path / "machine")
    world.gpu("0x27b8")
    key = world.file("mirror/3bf863cc.pub", "key")
    world.file("etc/gpucloud/mirrors.env", f"GPUCLOUD_CUDA_APT_URL={key.parent.as_uri()}\n")
    world.archive(f"linux-headers-{KERNEL}", "linux-headers-aws", version="6.8.0-1035.37")
    world.archive("nvidia-open-580", version="580.95.05-0ubuntu1")
    world.write("installed", "nvidia-dkms-580-open 580.95.05-0ubuntu1")
    world.write("prebuilt", "")

    result = world.stage("driver")

    assert result.returncode == 0, result.stderr
    assert world.calls()[:2] == ["apt-get update", f"apt-get install linux-headers-{KERNEL} nvidia-open-580"]
    assert "apt-get install linux-headers-aws" in world.calls()
    source = (world.root / "etc/apt/sources.list.d/cuda.list").read_text()
    assert source == f"deb [arch=amd64 signed-by=/etc/apt/keyrings/cuda.asc] {key.parent.as_uri()} /\n"


def test_a_module_older_than_the_userspace_gets_a_newer_kernel_and_one_reboot(world: World) -> None:
    world.gpu("0x1eb8")
    world.write("module-version", "580.82.07")

    result = world.stage("driver")

    assert result.returncode == 0 and world.reboot_asked
    assert world.calls()[1] == "apt-get install linux-image-aws linux-modules-nvidia-580-server-open-aws"


def test_a_module_package_for_an_older_userspace_is_not_tried(world: World) -> None:
    """What the real archive says of a kernel from before its newest driver: installing the two together is refused."""
    world.gpu("0x27b8")
    common = "nvidia-kernel-common-580-server"
    world.depends(
        f"linux-modules-nvidia-580-server-open-{KERNEL}",
        f"linux-image-{KERNEL} | linux-image-unsigned-{KERNEL}, {common} (<= 580.82.07-1), {common} (>= 580.82.07)",
    )

    first = world.stage("driver")

    assert first.returncode == 0 and world.reboot_asked
    assert world.calls() == ["apt-get install linux-image-aws linux-modules-nvidia-580-server-open-aws"]
    assert world.stage("driver", GPUCLOUD_REBOOTED="1").returncode == 1
    assert "580.82.07, the userspace is 580.95.05" in failure(world)["why"]


def test_a_module_package_for_this_userspace_is_installed(world: World) -> None:
    world.gpu("0x27b8")
    common = "nvidia-kernel-common-580-server"
    world.depends(
        f"linux-modules-nvidia-580-server-open-{KERNEL}", f"{common} (<= 580.95.05-1), {common} (>= 580.95.05)"
    )

    assert world.stage("driver").returncode == 0
    assert not world.reboot_asked


def test_a_stale_loaded_module_is_exchanged(world: World) -> None:
    world.gpu("0x1eb8")
    world.loaded("nvidia", "575.1.1")

    world.stage("driver")

    assert "rmmod nvidia" in world.calls()
    assert (world.root / "sys/module/nvidia/version").read_text() == "580.95.05\n"
    assert not world.reboot_asked


def test_changed_module_options_take_effect_at_once(world: World) -> None:
    world.gpu("0x1eb8")
    world.write("faults", "gsp-xid")
    world.stage("driver", GPUCLOUD_DRIVER_FLAVOUR="proprietary")
    world.write("faults", "")
    world.write("held", "")
    world.forget_calls()

    world.stage("driver", GPUCLOUD_DRIVER_FLAVOUR="proprietary", GPUCLOUD_DRIVER_GSP="off")

    assert world.calls().index("rmmod nvidia") < world.calls().index("modprobe nvidia [GSP off]")


def test_a_version_mismatch_that_stays_is_named_after_the_reboot(world: World) -> None:
    world.gpu("0x1eb8")
    world.write("faults", "version-mismatch")

    assert world.stage("driver").returncode == 0 and world.reboot_asked
    assert world.stage("driver", GPUCLOUD_REBOOTED="1").returncode == 1
    assert failure(world)["why"].startswith("Driver/library version mismatch: the loaded module is version 580.1.1")


def test_a_module_that_only_seems_to_load_is_named(world: World) -> None:
    world.gpu("0x1eb8")
    world.write("faults", "nvidia-uvm-missing")

    assert world.stage("driver").returncode == 1
    assert failure(world)["what"] == "the kernel module nvidia-uvm is not loaded"


def test_a_dead_gsp_is_named(world: World) -> None:
    world.gpu("0x1eb8")
    world.write("faults", "gsp-xid")

    assert world.stage("driver").returncode == 1
    assert "GSP" in failure(world)["why"] and "119" in failure(world)["why"]


def test_a_package_that_is_missing_is_apts_error(world: World) -> None:
    world.gpu("0x1eb8")
    world.write("archive", (world.folder / "archive").read_text().replace("libnvidia-decode-580-server", "other"))

    result = world.stage("driver")

    assert result.returncode == 100 and "E: Unable to locate package libnvidia-decode-580-server" in result.stdout
    assert not (world.folder / "failure").exists()


def test_nvswitch_machines_get_the_fabric_manager_of_exactly_the_drivers_version(world: World) -> None:
    world.gpu("0x20b0")
    world.file("proc/driver/nvidia-nvswitch/devices/0000:00:01.0", "")
    world.archive("nvidia-fabricmanager-580", "libnvidia-nscq-580", version="580.105.08-0ubuntu1")
    world.archive("nvidia-fabricmanager-580", "libnvidia-nscq-580", version="580.95.05-0ubuntu1")

    assert world.stage("driver").returncode == 0
    assert (
        "apt-get install nvidia-fabricmanager-580=580.95.05-0ubuntu1 libnvidia-nscq-580=580.95.05-0ubuntu1"
        in world.calls()
    )
    assert "systemctl enable --now nvidia-fabricmanager.service" in world.calls()


def test_nvswitch_without_a_matching_fabric_manager_is_named(world: World) -> None:
    world.gpu("0x20b0")
    world.file("proc/driver/nvidia-nvswitch/devices/0000:00:01.0", "")
    world.archive("nvidia-fabricmanager-580", "libnvidia-nscq-580", version="580.105.08-0ubuntu1")

    assert world.stage("driver").returncode == 1
    assert "580.95.05" in failure(world)["why"]


@pytest.mark.parametrize(("vital", "refused"), [("ConnectX-7 SW_MNG", True), ("ConnectX-7 NIC", False)])
def test_nvlink_switches_that_ubuntu_cannot_start_are_named(world: World, vital: str, refused: bool) -> None:
    world.gpu("0x2901")
    world.gpu("0x1021", vendor="0x15b3", kind="0x020700")
    world.file("sys/bus/pci/devices/0000:00:10.0/vpd", f"\x82{vital}\x00")

    assert (world.stage("driver").returncode != 0) == refused
    if refused:
        assert "nvlsm" in failure(world)["why"]
        assert world.calls() == []


def test_the_modules_come_back_after_a_reboot_and_persistence_is_on(world: World) -> None:
    world.gpu("0x1eb8")

    world.stage("driver")

    loaded = (world.root / "etc/modules-load.d/gpucloud-nvidia.conf").read_text().split()
    assert loaded == ["nvidia", "nvidia-uvm", "nvidia-modeset"]
    unit = world.root / "etc/systemd/system/nvidia-persistenced.service.d/gpucloud.conf"
    assert "--persistence-mode" in unit.read_text() and "StopWhenUnneeded=no" in unit.read_text()
    assert "systemctl restart nvidia-persistenced.service" in world.calls()
