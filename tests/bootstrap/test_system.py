"""system.sh: apt made safe, once."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.bootstrap.world import World


@pytest.fixture
def world(tmp_path: Path) -> World:
    world = World(tmp_path / "machine")
    world.archive("ca-certificates", "kmod", "pciutils", version="1")
    return world


def test_it_waits_for_first_boot_silences_background_apt_and_updates_once(world: World) -> None:
    world.write("installed", "kmod 29-1\n")

    result = world.stage("system")

    assert result.returncode == 0, result.stderr
    assert world.calls() == [
        "cloud-init status --wait",
        "systemctl mask --runtime --now apt-daily.timer apt-daily-upgrade.timer",
        "systemctl stop apt-daily.service apt-daily-upgrade.service",
        "apt-get update",
        "apt-get install ca-certificates pciutils",
    ]


def test_unattended_upgrades_may_not_touch_driver_and_kernel(world: World) -> None:
    world.stage("system")

    text = (world.root / "etc/apt/apt.conf.d/52gpucloud-unattended-upgrades").read_text()
    assert text.startswith("//") and all(f'"{name}";' in text for name in ("nvidia-", "libnvidia-", "linux-"))


def test_an_image_without_cloud_init_needs_no_wait(world: World) -> None:
    (world.bin / "cloud-init").unlink()

    assert world.stage("system").returncode == 0


def test_the_check_passes_once_it_has_run(world: World) -> None:
    assert world.stage("system", "--check").returncode == 1

    world.stage("system")
    world.forget_calls()

    assert world.stage("system", "--check").returncode == 0
    assert world.calls() == []
