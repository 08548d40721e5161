from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from tests.sandbox_mirror.machines import T4, SimulatedMachine

pytestmark = pytest.mark.slow  # each test starts processes of its own

Make = Callable[..., SimulatedMachine]
PROBE = Path(__file__).parents[2] / "bootstrap/probe.py"


def probe() -> ModuleType:
    spec = importlib.util.spec_from_file_location("probe", PROBE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def install(tmp_path: Path, mirror_url: str) -> Callable[..., Path]:
    """Install torch into a new environment with the real uv; returns the environment's python."""

    def make(version: str, index: str = "", prefix: str = "") -> Path:
        folder, uv = tmp_path / "venv", str(Path(sys.executable).parent / "uv")
        indexes = ["--default-index", f"{mirror_url}{prefix}/pypi/simple"]
        indexes += ["--index", f"{mirror_url}{prefix}/torch/{index}"] if index else []
        subprocess.run([uv, "venv", "-q", "--no-config", "--python", sys.executable, folder], check=True)
        python = folder / "bin/python"
        packages = [f"torch=={version}", "numpy"]
        subprocess.run(
            [uv, "pip", "install", "-q", "--no-config", "--no-cache", "--python", python, *indexes, *packages],
            check=True,
        )
        return python

    return make


def facts(guest: SimulatedMachine, python: Path, *options: str) -> dict[str, Any]:
    """What the probe's own torch program finds."""
    result = guest.run(str(python), "-c", probe().TORCH_PROGRAM, *options)
    assert result.returncode == 0, result.stderr
    assert "[simulated] torch" in result.stderr
    found: dict[str, Any] = json.loads(result.stdout)
    return found


def with_driver(machine: Make, version: str = "580.95.05", **changes: Any) -> SimulatedMachine:
    guest = machine(**changes)
    guest.install_driver(version)
    guest.boot()
    return guest


def test_torch_runs_a_kernel_on_a_working_machine(machine: Make, install: Callable[..., Path]) -> None:
    found = facts(with_driver(machine), install("2.15.0"))
    assert (found["version"], found["cuda"], found["available"]) == ("2.15.0+cu132", "13.2", True)
    gpu = found["gpus"][0]
    assert (gpu["name"], gpu["capability"]) == ("Tesla T4", "7.5")
    assert gpu["kernel"] == {"max_abs_error": 0.0, "repeats": True}


@pytest.mark.slow
def test_the_deep_program_measures_the_cards_speed(machine: Make, install: Callable[..., Path]) -> None:
    gpu = facts(with_driver(machine), install("2.15.0"), "deep")["gpus"][0]
    assert 183 <= gpu["bandwidth_gb_s"] <= 320
    assert 0.3 * 65 <= gpu["fp16_tflop_s"] <= 65
    assert gpu["pcie_under_load"].splitlines()[-1] == "3, 8"


def test_an_index_serves_its_own_build(machine: Make, install: Callable[..., Path]) -> None:
    found = facts(with_driver(machine), install("2.14.1", "cu126"))
    assert (found["version"], found["cuda"]) == ("2.14.1+cu126", "12.6")
    assert "sm_70" in found["arch_list"]


def test_fault_cpu_wheel_is_not_compiled_with_cuda(machine: Make, install: Callable[..., Path]) -> None:
    found = facts(with_driver(machine), install("2.15.0", prefix="/with/fault=cpu-wheel"))
    assert (found["version"], found["cuda"], found["available"]) == ("2.15.0+cpu", None, False)
    assert found["init_error"] == "AssertionError: Torch not compiled with CUDA enabled"


def test_a_wheel_without_the_gpus_architecture_has_no_kernel(machine: Make, install: Callable[..., Path]) -> None:
    guest = with_driver(machine, gpus=[{**T4, "name": "Tesla V100-SXM2-16GB", "compute_cap": "7.0"}])
    found = facts(guest, install("2.15.0"))
    assert found["available"] is True
    assert "no kernel image is available for execution on the device" in found["gpus"][0]["kernel_error"]


def test_without_a_driver_none_is_found(machine: Make, install: Callable[..., Path]) -> None:
    found = facts(machine(), install("2.15.0"))
    assert found["available"] is False
    assert "Found no NVIDIA driver on your system" in found["init_error"]


def test_an_old_driver_is_too_old_for_a_new_cuda(machine: Make, install: Callable[..., Path]) -> None:
    found = facts(with_driver(machine, "470.256.02"), install("2.15.0"))
    assert found["available"] is False
    assert "is too old (found version 11040)" in found["init_error"]


def test_without_uvm_cuda_has_an_unknown_error(machine: Make, install: Callable[..., Path]) -> None:
    guest = with_driver(machine)
    guest.run("rmmod", "nvidia-uvm")
    assert "CUDA unknown error" in facts(guest, install("2.15.0"))["init_error"]


def test_fetch_uv_installs_the_real_binary(tmp_path: Path, mirror_url: str) -> None:
    target, script = tmp_path / "bin/uv", PROBE.with_name("fetch_uv.py")
    subprocess.run([sys.executable, script, f"{mirror_url}/pypi/simple", target], check=True, capture_output=True)
    assert subprocess.run([target, "--version"], capture_output=True, text=True, check=True).stdout.startswith("uv ")
