from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from gpucloud.sandbox.mirror import vendors
from gpucloud.waiting import Waiter
from tests.sandbox_mirror.machines import SimulatedMachine

pytestmark = pytest.mark.slow  # each test starts processes of its own

Make = Callable[..., SimulatedMachine]


def install_docker(guest: SimulatedMachine, toolkit: bool = True) -> None:
    packages = [*vendors.docker("jammy"), *(vendors.toolkit() if toolkit else ())]
    for package in packages:
        for name, text in package.files.items():
            guest.write(name, text, 0o755)


@contextmanager
def daemon(guest: SimulatedMachine) -> Iterator[None]:
    """dockerd, answering."""
    process = subprocess.Popen(["dockerd"], env=guest.environment, executable=str(guest.root / "usr/bin/dockerd"))
    try:
        assert Waiter(first=0.02).until(lambda: guest.run("docker", "info").returncode == 0, 10)
        yield
    finally:
        process.terminate()
        assert process.wait(10) == 0


@pytest.fixture
def guest(machine: Make) -> SimulatedMachine:
    made = machine()
    made.install_driver()
    made.boot()
    return made


def run_smi(guest: SimulatedMachine, *options: str) -> subprocess.CompletedProcess[str]:
    return guest.run("docker", "run", "--rm", *options, "ubuntu:22.04", "nvidia-smi", "-L")


def test_docker_without_its_daemon_says_so(guest: SimulatedMachine) -> None:
    install_docker(guest)
    result = guest.run("docker", "info")
    assert result.returncode == 1
    assert "Is the docker daemon running?" in result.stderr


def test_gpus_without_the_toolkit_cannot_select_a_device_driver(guest: SimulatedMachine) -> None:
    install_docker(guest, toolkit=False)
    with daemon(guest):
        result = run_smi(guest, "--gpus", "all")
    assert result.returncode == 125
    assert 'could not select device driver "" with capabilities: [[gpu]]' in result.stderr


def test_gpus_with_the_toolkit_run_nvidia_smi(guest: SimulatedMachine) -> None:
    install_docker(guest)
    with daemon(guest):
        result = run_smi(guest, "--gpus", "all")
    assert result.stdout == "GPU 0: Tesla T4 (UUID: GPU-5a3c)\n"


def test_a_runtime_is_unknown_until_it_is_configured_and_docker_restarted(guest: SimulatedMachine) -> None:
    install_docker(guest)
    with daemon(guest):
        assert guest.run("nvidia-ctk", "runtime", "configure", "--runtime=docker").returncode == 0
        assert "unknown or invalid runtime name: nvidia" in run_smi(guest, "--runtime=nvidia").stderr
    with daemon(guest):
        assert run_smi(guest, "--runtime=nvidia").returncode == 0
        runtimes = json.loads(guest.run("docker", "info", "--format", "{{json .Runtimes}}").stdout)
    assert runtimes["nvidia"]["path"] == "nvidia-container-runtime"


def test_a_cdi_device_resolves_once_its_spec_is_generated(guest: SimulatedMachine) -> None:
    install_docker(guest)
    with daemon(guest):
        assert "unresolvable CDI devices nvidia.com/gpu=all" in run_smi(guest, "--device", "nvidia.com/gpu=all").stderr
        assert guest.run("nvidia-ctk", "cdi", "generate", "--output=/etc/cdi/nvidia.yaml").returncode == 0
        assert run_smi(guest, "--device", "nvidia.com/gpu=all").returncode == 0
    assert "nvidia.com/gpu=all" in guest.run("nvidia-ctk", "cdi", "list").stdout


def test_without_a_loaded_driver_no_container_gets_a_gpu(machine: Make) -> None:
    guest = machine()
    install_docker(guest)
    with daemon(guest):
        result = run_smi(guest, "--gpus", "all")
    assert result.returncode == 125
    assert "nvml error: driver not loaded" in result.stderr


def test_without_a_gpu_there_is_no_nvidia_smi_in_the_container(guest: SimulatedMachine) -> None:
    install_docker(guest)
    with daemon(guest):
        result = run_smi(guest)
    assert result.returncode == 127
    assert 'exec: "nvidia-smi": executable file not found' in result.stderr


def test_images_are_there_after_a_pull(guest: SimulatedMachine) -> None:
    install_docker(guest)
    with daemon(guest):
        assert guest.run("docker", "image", "inspect", "ubuntu:22.04").returncode == 1
        assert guest.run("docker", "pull", "--quiet", "ubuntu:22.04").stdout == "ubuntu:22.04\n"
        assert guest.run("docker", "image", "inspect", "ubuntu:22.04").returncode == 0
