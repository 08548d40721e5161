"""The probe itself, run for real: here, under the oldest Python, and beside fake commands on PATH."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gpucloud.waiting import Waiter

PROBE = Path(__file__).parents[2] / "bootstrap" / "probe.py"
OLD_PYTHON = Path.home() / ".pyenv/versions/3.8.18/bin/python"
T4 = (
    "Tesla T4, GPU-84b0, 00000000:00:1E.0, 580.95.05, 15360, 0, Enabled, [N/A], Enabled, 0, 0, 1, 3, 8, 16, "
    "0x1, 31, 9.53"
)

DOCKER = """
case "$1" in
    info) echo '{"nvidia": {}}' ;;
    image) exit 1 ;;
    pull) echo sha256:1 ;;
    run) echo "GPU 0: Tesla T4" ;;
esac
"""
# As much of torch as the probe uses, with a GPU that is the CPU. `index % 2` computes wrongly.
TORCH = """
import types
__version__ = "2.15.0+cu132"
version = types.SimpleNamespace(cuda="13.2")
float16 = float32 = None

class Tensor:
    def __init__(self, value, device="cpu"):
        self.value, self.device = value, device
    def to(self, device):
        return Tensor(self.value, device)
    def cpu(self):
        return self.to("cpu")
    def abs(self):
        return Tensor(abs(self.value))
    def max(self):
        return self
    def numel(self):
        return 1
    def copy_(self, other):
        return self
    def __matmul__(self, other):
        return Tensor(self.value * other.value + (self.device == "cuda:1"), self.device)
    def __sub__(self, other):
        return Tensor(self.value - other.value)
    def __float__(self):
        return float(self.value)

def make(*args, **kwargs):
    return Tensor(3)
randn = ones = empty_like = make
def equal(one, other):
    return one.value == other.value
def manual_seed(seed):
    pass
def set_float32_matmul_precision(precision):
    pass

cuda = types.SimpleNamespace(
    is_available=lambda: True, device_count=lambda: 2, get_arch_list=lambda: ["sm_75"], synchronize=lambda index: None,
    get_device_name=lambda index: "Tesla T4", get_device_capability=lambda index: (7, 5),
    get_device_properties=lambda index: types.SimpleNamespace(uuid="84b0"),
)
"""


def probe(*args: str, python: str = sys.executable, path: Path | None = None) -> dict[str, Any]:
    env = dict(os.environ, PATH=f"{path}:{os.environ['PATH']}" if path else os.environ["PATH"])
    done = subprocess.run(
        [python, "-", *args], input=PROBE.read_bytes(), capture_output=True, env=env, timeout=60, check=True
    )
    document: dict[str, Any] = json.loads(done.stdout)
    assert done.stdout.count(b"\n") == 1
    return document


@pytest.fixture
def module() -> Any:
    spec = importlib.util.spec_from_file_location("probe_under_test", PROBE)
    assert spec is not None and spec.loader is not None
    loaded = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(loaded)
    return loaded


@pytest.fixture
def fakes(tmp_path: Path) -> Iterator[Path]:
    """A folder of small commands that answer as a healthy T4 machine's."""
    fake(tmp_path, "nvidia-smi", f"echo '{T4}'")
    fake(tmp_path, "modinfo", 'case "$2" in version) echo 580.95.05;; license) echo NVIDIA;; esac')
    fake(tmp_path, "apt-mark", "echo nvidia-utils-580-server")
    fake(tmp_path, "nvidia-ctk", "echo NVIDIA Container Toolkit CLI version 1.18.0")
    fake(tmp_path, "dmesg", "echo '[   95.4] NVRM: Xid (PCI:0000:00:1e): 31, pid=7, name=python, MMU Fault'")
    fake(tmp_path, "docker", DOCKER)
    fake(tmp_path, "python-with-torch", 'case "$2" in *find_spec*) ;; *) echo \'{"version": "2.15.0"}\';; esac')
    yield tmp_path


def fake(folder: Path, name: str, script: str) -> None:
    (folder / name).write_text(f"#!/bin/sh\n{script}\n")
    (folder / name).chmod(0o755)


def test_it_prints_one_document_on_this_machine() -> None:
    facts = probe("--skip", "torch,container")
    assert facts["schema"] == 1
    assert facts["kernel"]["running"] == subprocess.check_output(["uname", "-r"], text=True).strip()
    assert facts["machine"]["boot_id"] == Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    assert not [name for name, section in facts.items() if isinstance(section, dict) and "error" in section]


@pytest.mark.skipif(not OLD_PYTHON.exists(), reason=f"no Python 3.8 at {OLD_PYTHON}")
def test_it_runs_under_python_3_8() -> None:
    assert probe(python=str(OLD_PYTHON))["machine"]["python"] == "3.8.18"


@pytest.mark.skipif(shutil.which("nvidia-smi") is not None, reason="this machine has a driver")
def test_a_command_that_is_not_there_is_a_fact() -> None:
    query = probe("--skip", "torch,container")["smi"]["query"]
    assert query == {"rc": 127, "stdout": "", "stderr": "nvidia-smi: No such file or directory"}


def test_it_reads_what_the_commands_of_a_healthy_machine_say(fakes: Path) -> None:
    facts = probe("--python", str(fakes / "python-with-torch"), path=fakes)
    (gpu,) = facts["smi"]["gpus"]
    assert (gpu["name"], gpu["memory.total"], gpu["clocks_event_reasons.active"]) == ("Tesla T4", "15360", "0x1")
    assert (facts["module"]["modinfo"]["stdout"], facts["module"]["licence"]) == ("580.95.05", "NVIDIA")
    assert facts["holds"]["stdout"] == "nvidia-utils-580-server"
    assert (facts["torch"]["installed"], facts["torch"]["version"]) == (True, "2.15.0")
    assert (facts["container"]["pull"]["rc"], facts["container"]["run"]["stdout"]) == (0, "GPU 0: Tesla T4")


def test_xids_are_parsed_after_the_bracket(fakes: Path) -> None:
    xids = probe("--skip", "torch,container", path=fakes)["kernel_log"]["xids"]
    assert xids == [{"code": 31, "bus": "PCI:0000:00:1e", "text": "pid=7, name=python, MMU Fault"}]


def test_an_old_driver_is_asked_for_the_clock_reasons_by_their_old_name(fakes: Path) -> None:
    refusal = 'echo "Field \\"clocks_event_reasons.active\\" is not a valid field to query."; exit 2'
    fake(fakes, "nvidia-smi", f"case \"$1\" in *clocks_event*) {refusal};; esac\necho '{T4}'")
    (gpu,) = probe("--skip", "torch,container", path=fakes)["smi"]["gpus"]
    assert gpu["clocks_event_reasons.active"] == "0x1"


def test_an_image_that_cannot_be_pulled_is_a_fact_of_its_own(fakes: Path) -> None:
    fake(fakes, "docker", "case $1 in info) echo '{}';; image) exit 1;; pull) echo toomanyrequests >&2; exit 1;; esac")
    container = probe("--skip", "torch", "--image", "example/none", path=fakes)["container"]
    assert container["pull"] == {"rc": 1, "stdout": "", "stderr": "toomanyrequests"}
    assert container["image"] == "example/none" and "run" not in container


def python_with(folder: Path, torch: str) -> str:
    """A real interpreter that imports this text as torch."""
    (folder / "torch.py").write_text(torch)
    fake(folder, "python", f'PYTHONPATH={folder} exec {sys.executable} "$@"')
    return str(folder / "python")


def test_the_torch_program_compares_each_gpu_with_the_cpu(fakes: Path) -> None:
    torch = probe("--skip", "container", "--python", python_with(fakes, TORCH), path=fakes)["torch"]
    assert (torch["version"], torch["cuda"], torch["arch_list"]) == ("2.15.0+cu132", "13.2", ["sm_75"])
    good, wrong = torch["gpus"]
    assert (good["name"], good["capability"]) == ("Tesla T4", "7.5")
    assert good["kernel"] == {"max_abs_error": 0.0, "repeats": True}
    assert wrong["kernel"] == {"max_abs_error": 1.0, "repeats": True}
    assert "bandwidth_gb_s" not in good


def test_deep_measures_speed_and_the_link_under_load(fakes: Path) -> None:
    fake(fakes, "nvidia-smi", f"case $1 in -i) echo '3, 8' ;; *) echo '{T4}' ;; esac")
    args = ("--deep", "--skip", "container", "--python", python_with(fakes, TORCH))
    gpu = probe(*args, path=fakes)["torch"]["gpus"][0]
    assert gpu["bandwidth_gb_s"] >= 0 and gpu["fp16_tflop_s"] > 0
    assert gpu["pcie_under_load"] == "3, 8"


def test_a_torch_without_a_gpu_says_why(fakes: Path) -> None:
    cpu = TORCH.replace("is_available=lambda: True", "is_available=lambda: False, init=lambda: 1 / 0")
    torch = probe("--skip", "container", "--python", python_with(fakes, cpu), path=fakes)["torch"]
    assert torch["available"] is False and torch["init_error"] == "ZeroDivisionError: division by zero"


def test_a_torch_that_crashes_is_a_fact(fakes: Path) -> None:
    fake(fakes, "python-with-torch", 'case "$2" in *find_spec*) ;; *) echo ImportError: libcudart >&2; exit 1;; esac')
    torch = probe("--skip", "container", "--python", str(fakes / "python-with-torch"), path=fakes)["torch"]
    assert torch["installed"] is True and "version" not in torch
    assert torch["command"]["stderr"] == "ImportError: libcudart"


def test_an_unforeseen_error_in_one_section_is_a_fact(module: Any) -> None:
    empty: dict[str, int] = {}
    assert module.guarded(lambda: empty["gone"]) == {"error": "KeyError: 'gone'"}


def test_a_command_that_does_not_answer_is_killed_with_its_children(module: Any, tmp_path: Path) -> None:
    # The child holds the output pipe open, as a hung nvidia-smi's would.
    pidfile = tmp_path / "pid"
    ended = module.run(["sh", "-c", f"sleep 60 & echo $! > {pidfile}; wait"], timeout=0.5)
    assert (ended["rc"], ended["stderr"]) == (124, "sh: no answer within 0.5 s")
    stat = Path(f"/proc/{pidfile.read_text().strip()}/stat")
    assert Waiter(first=0.01).until(lambda: not stat.exists() or stat.read_text().split()[2] == "Z", timeout=5)


@pytest.mark.parametrize(("value", "enabled"), [(b"\x06\0\0\0\x01", True), (b"\x06\0\0\0\0", False), (None, None)])
def test_secure_boot_is_what_the_firmwares_variable_says(
    module: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, value: bytes | None, enabled: bool | None
) -> None:
    variable = tmp_path / "SecureBoot"
    monkeypatch.setattr(module, "SECURE_BOOT", str(variable))
    if value is not None:
        variable.write_bytes(value)
    assert module.secure_boot()["enabled"] is enabled


def test_the_newest_kernel_in_boot_is_the_pending_one(module: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    booted = ["/boot/vmlinuz-6.8.0-999-aws", "/boot/vmlinuz-6.8.0-1039-aws", "/boot/vmlinuz-6.8.0-1035-aws"]
    monkeypatch.setattr(module.glob, "glob", lambda pattern: booted)
    monkeypatch.setattr(module, "run", lambda argv: {"rc": 0, "stdout": "6.8.0-1035-aws", "stderr": ""})
    assert module.kernel()["pending"] == "6.8.0-1039-aws"


def test_only_torch_and_container_can_be_skipped() -> None:
    done = subprocess.run([sys.executable, PROBE, "--skip", "smi"], capture_output=True, check=False)
    assert done.returncode == 2 and b"torch and container only" in done.stderr
