"""system.sh: apt made safe, once."""

from __future__ import annotations

import fcntl
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from gpucloud.waiting import Waiter
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


def test_it_waits_until_nobody_else_renews_the_package_lists(world: World) -> None:
    """apt itself does not: `apt-get update` gives up at once on this lock."""
    place = world.file("var/lib/apt/lists/lock", "")
    with place.open("a") as lock, ThreadPoolExecutor() as pool:
        fcntl.lockf(lock, fcntl.LOCK_EX)
        running = pool.submit(world.stage, "system")
        waits = f":{place.stat().st_ino} "
        assert Waiter(first=0.02).until(
            lambda: any("->" in line and waits in line for line in Path("/proc/locks").read_text().splitlines()), 20
        )
        assert "apt-get update" not in world.calls()
        fcntl.lockf(lock, fcntl.LOCK_UN)

        assert running.result().returncode == 0
        assert "apt-get update" in world.calls()


def test_the_check_passes_once_it_has_run(world: World) -> None:
    assert world.stage("system", "--check").returncode == 1

    world.stage("system")
    world.forget_calls()

    assert world.stage("system", "--check").returncode == 0
    assert world.calls() == []
