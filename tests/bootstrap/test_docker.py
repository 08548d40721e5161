"""docker.sh: both repositories, one transaction, configured before the first start."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.bootstrap.world import TOOLKIT, World, free_of

DOCKER = ["docker-ce", "docker-ce-cli", "containerd.io"]


@pytest.fixture
def world(tmp_path: Path) -> World:
    """A machine whose mirrors are folders."""
    world = World(tmp_path / "machine")
    docker, toolkit = world.file("mirror/docker/gpg", "k").parent, world.file("mirror/toolkit/gpgkey", "k").parent
    mirrors = f"GPUCLOUD_DOCKER_APT_URL={docker.as_uri()}\nGPUCLOUD_TOOLKIT_APT_URL={toolkit.as_uri()}\n"
    world.file("etc/gpucloud/mirrors.env", mirrors)
    world.archive(*DOCKER, version="5:28.5.1-1~ubuntu.22.04~jammy")
    world.archive(*TOOLKIT, version="1.18.0-1")
    world.write("groups", "ubuntu")
    return world


def test_both_repositories_one_update_one_transaction(world: World) -> None:
    result = world.stage("docker")

    assert result.returncode == 0, result.stderr
    pinned = [f"{name}=1.18.0-1" for name in TOOLKIT]
    assert [call for call in world.calls() if call.startswith("apt-get")] == [
        "apt-get update",
        f"apt-get install {' '.join([*DOCKER, *pinned])}",
    ]
    sources = world.root / "etc/apt/sources.list.d"
    mirror = (world.root / "mirror").as_uri()
    assert (sources / "docker.list").read_text() == (
        f"deb [arch=amd64 signed-by=/etc/apt/keyrings/docker.asc] {mirror}/docker jammy stable\n"
    )
    assert (sources / "nvidia-container-toolkit.list").read_text().endswith(f"{mirror}/toolkit/stable/deb/amd64 /\n")


def test_it_is_configured_before_docker_starts_and_needs_no_restart(world: World) -> None:
    world.stage("docker")

    config = json.loads((world.root / "etc/docker/daemon.json").read_text())
    assert config == {
        "features": {"cdi": True},
        "runtimes": {"nvidia": {"args": [], "path": "nvidia-container-runtime"}},
    }
    assert "systemctl enable --now docker.service [configured]" in world.calls()
    assert free_of(world.calls(), "systemctl restart")


def test_the_login_user_may_use_docker(world: World) -> None:
    world.stage("docker")

    assert "usermod -aG docker ubuntu" in world.calls()


def test_the_second_run_changes_nothing(world: World) -> None:
    world.stage("docker")
    world.forget_calls()

    assert world.stage("docker", "--check").returncode == 0
    world.stage("docker")
    assert free_of(world.calls(), "apt-get", "systemctl restart")


def test_without_a_driver_the_cdi_description_is_left_to_the_driver_stage(world: World) -> None:
    world.stage("docker")

    assert free_of(world.calls(), "nvidia-ctk")


def test_with_a_driver_it_writes_the_cdi_description(world: World) -> None:
    world.image_driver("580.95.05", "nvidia")

    world.stage("docker")

    assert f"nvidia-ctk cdi generate --output={world.root}/etc/cdi/nvidia.yaml" in world.calls()


def test_an_images_own_docker_is_kept_and_its_settings_too(world: World) -> None:
    world.fake("docker")
    world.file("etc/docker/daemon.json", '{"data-root": "/mnt/docker"}')

    result = world.stage("docker")

    assert result.returncode == 0, result.stderr
    assert free_of(world.calls(), "apt-get install docker-ce")
    assert json.loads((world.root / "etc/docker/daemon.json").read_text())["data-root"] == "/mnt/docker"
    assert "systemctl restart docker.service [configured]" in world.calls()


def test_a_docker_that_ran_before_the_toolkit_is_restarted(world: World) -> None:
    """dockerd looks for the hook behind --gpus when it starts, and at no other time."""
    world.stage("docker")
    for tool in ("nvidia-ctk", "nvidia-container-runtime"):
        (world.bin / tool).unlink()
    world.forget_calls()

    assert world.stage("docker").returncode == 0
    assert "systemctl restart docker.service [configured]" in world.calls()


def test_a_toolkit_without_its_tools_is_named(world: World) -> None:
    (world.folder / "brings/nvidia-container-toolkit-base/nvidia-ctk").unlink()

    assert world.stage("docker").returncode == 1
    assert json.loads((world.folder / "failure").read_text())["what"] == "nvidia-ctk is not installed"


def test_an_unreachable_repository_is_named_and_may_pass(world: World) -> None:
    (world.root / "mirror/docker/gpg").unlink()

    assert world.stage("docker").returncode == 75
    assert "docker/gpg" in json.loads((world.folder / "failure").read_text())["why"]


def test_broken_settings_are_not_overwritten(world: World) -> None:
    settings = world.file("etc/docker/daemon.json", '{"data-root": ')

    assert world.stage("docker").returncode == 1
    assert settings.read_text() == '{"data-root": '
