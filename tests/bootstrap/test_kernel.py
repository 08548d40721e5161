"""driver.sh and the kernel: which ones come next, and what Secure Boot does to their modules."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.bootstrap.world import World, failure, module, stocked, userspace

LINES = [
    # running kernel, installed metapackage, lines that the archive has modules for, line of the next kernels
    ("6.8.0-1035-azure", "", ["azure", "azure-6.8"], "azure"),
    ("6.8.0-1035-azure", "linux-image-azure", ["azure", "azure-6.8"], "azure"),
    ("6.8.0-1035-azure", "linux-image-azure-6.8", ["azure", "azure-6.8"], "azure-6.8"),
    ("5.15.0-1114-azure", "linux-image-azure-lts-22.04", ["azure", "azure-lts-22.04"], "azure-lts-22.04"),
    ("6.8.0-1044-azure", "linux-image-azure-lts-24.04", ["azure", "azure-6.8"], "azure-6.8"),
    ("6.8.0-1061-azure-fde", "linux-image-azure-fde", ["azure", "azure-fde"], "azure-fde"),
    ("6.8.0-60-generic", "linux-image-generic-hwe-22.04", ["generic", "generic-hwe-22.04"], "generic-hwe-22.04"),
]


@pytest.mark.parametrize(("kernel", "installed", "served", "line"), LINES)
def test_the_next_kernels_are_those_of_the_line_that_the_machine_follows(
    tmp_path: Path, kernel: str, installed: str, served: list[str], line: str
) -> None:
    world = stocked(World(tmp_path / "machine", kernel=kernel), kernel=kernel, lines=tuple(served))
    world.write("installed", f"{installed} 6.8.0-1035.37\n" if installed else "")
    world.gpu("0x1eb8")

    assert world.stage("driver").returncode == 0
    installs = [call for call in world.calls() if call.startswith("apt-get install")]
    assert installs == [
        " ".join(["apt-get install", *userspace(), module("open", kernel)]),
        f"apt-get install {module('open', line)}",
    ]


def test_a_newer_kernel_is_taken_from_the_line_that_the_machine_follows(tmp_path: Path) -> None:
    kernel = "6.8.0-1044-azure"
    world = stocked(World(tmp_path / "machine", kernel=kernel), kernel=kernel, lines=("azure", "azure-6.8"))
    world.write("installed", "linux-image-azure-lts-24.04 6.8.0-1044.50\n")
    world.write("module-version", "580.82.07")
    world.gpu("0x1eb8")

    assert world.stage("driver").returncode == 0 and world.reboot_asked
    assert world.calls()[1] == "apt-get install linux-image-azure-6.8 linux-modules-nvidia-580-server-open-azure-6.8"


def test_a_line_without_modules_is_left_alone_and_its_kernel_held(tmp_path: Path) -> None:
    kernel = "5.15.0-1114-azure"
    world = stocked(World(tmp_path / "machine", kernel=kernel), kernel=kernel, lines=("azure",))
    world.write("installed", "linux-image-azure-lts-22.04 5.15.0.1114.1\nlinux-azure-lts-22.04 5.15.0.1114.1\n")
    world.gpu("0x1eb8")

    result = world.stage("driver")

    assert result.returncode == 0 and "a newer kernel would come without a module" in result.stdout
    held = (world.folder / "held").read_text().split()
    assert {"linux-image-azure-lts-22.04", "linux-azure-lts-22.04"} <= set(held)


def test_with_secure_boot_no_module_is_compiled(tmp_path: Path) -> None:
    world = World(tmp_path / "machine", kernel="6.8.0-1035-azure")
    world.archive("linux-headers-6.8.0-1035-azure", version="6.8.0-1035.40")
    world.gpu("0x1eb8")
    world.secure_boot(True)

    assert world.stage("driver").returncode == 1
    assert "Secure Boot loads none" in failure(world)["why"]
    assert "az vm update -g GROUP -n NAME --enable-secure-boot false" in failure(world)["remedy"]
    assert world.calls() == []


@pytest.mark.parametrize("on", [True, False])
def test_ubuntus_signed_modules_load_with_secure_boot_and_without(tmp_path: Path, on: bool) -> None:
    world = stocked(World(tmp_path / "machine"))
    world.gpu("0x1eb8")
    world.secure_boot(on)

    assert world.stage("driver").returncode == 0


def test_a_module_whose_key_is_rejected_is_named_with_its_cause(tmp_path: Path) -> None:
    world = stocked(World(tmp_path / "machine"))
    world.gpu("0x1eb8")
    world.write("faults", "key-rejected")

    assert world.stage("driver").returncode == 1
    assert failure(world)["what"] == "the kernel module nvidia does not load"
    assert "Secure Boot refuses it" in failure(world)["why"] and "Key was rejected by service" in failure(world)["why"]
