"""driver.sh on an image that brings a driver of its own."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.bootstrap.world import World, failure, free_of, stocked


@pytest.fixture
def world(tmp_path: Path) -> World:
    return stocked(World(tmp_path / "machine"))


def test_a_working_newer_driver_of_the_image_is_left_alone(world: World) -> None:
    world.gpu("0x1eb8")
    world.image_driver("595.58.03", "nvidia", "nvidia_uvm")

    assert world.stage("driver").returncode == 0
    assert world.calls() == []


def test_of_an_images_driver_what_is_not_loaded_yet_is_loaded(world: World) -> None:
    """As on Azure's HPC images, where nothing loads nvidia-uvm before a program asks for it."""
    world.gpu("0x1eb8")
    world.image_driver("580.126.16", "nvidia")

    assert world.stage("driver").returncode == 0
    assert free_of(world.calls(), "apt-get") and "modprobe nvidia-uvm" in world.calls()
    assert world.stage("driver", "--check").returncode == 0


def test_an_images_older_driver_is_not_overwritten(world: World) -> None:
    world.gpu("0x1eb8")
    world.image_driver("570.133.20", "nvidia", "nvidia_uvm")

    assert world.stage("driver").returncode == 1
    assert "set `driver: 570`" in failure(world)["remedy"]
    assert world.calls() == []
    assert world.stage("driver", GPUCLOUD_DRIVER_BRANCH="570").returncode == 0


def test_an_older_driver_of_ubuntus_own_is_exchanged(world: World) -> None:
    world.gpu("0x1eb8")
    world.image_driver("535.274.02", "nvidia", "nvidia_uvm")
    world.write("installed", "nvidia-utils-535 535.274.02-0ubuntu0.22.04.1")

    world.stage("driver")

    assert world.calls()[0].startswith("apt-get install nvidia-headless-no-dkms-580-server")


def test_an_images_driver_that_secure_boot_refuses_is_named(world: World) -> None:
    world.gpu("0x1eb8")
    world.image_driver("580.126.16")
    world.write("faults", "key-rejected")

    assert world.stage("driver").returncode == 1
    assert "Secure Boot refuses it" in failure(world)["why"]
    assert free_of(world.calls(), "apt-get")
