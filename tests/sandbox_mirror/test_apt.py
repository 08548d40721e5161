"""Real apt, dpkg, uv and the unmodified bootstrap stages against the mirror, in a copy-on-write view of this host."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from gpucloud.sandbox.mirror import Mirror, commands_dir, guest_files
from tests.sandbox_mirror.machines import KERNEL, hardware

BOOTSTRAP = Path(__file__).parents[2] / "bootstrap"
BUNDLE = "/var/lib/gpucloud/bundle"
OS_RELEASE = 'ID=ubuntu\nVERSION_ID="22.04"\nVERSION_CODENAME=jammy\nPRETTY_NAME="Ubuntu 22.04"\n'
SETTINGS = """set -u
/usr/lib/gpucloud-sim/bin/boot
export GPUCLOUD_DRIVER_BRANCH=580 GPUCLOUD_DRIVER_FLAVOUR=proprietary GPUCLOUD_DRIVER_GSP=off
export GPUCLOUD_TORCH_VERSION=2.15.0 GPUCLOUD_PYTHON=/usr/bin/python3 GPUCLOUD_REBOOT_FILE=/tmp/reboot
stage() { bash /var/lib/gpucloud/bundle/stages/"$@"; }
"""
Run = Callable[..., "subprocess.CompletedProcess[str]"]

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("apt-get"), reason="needs root and apt"),
]


@pytest.fixture
def run(tmp_path: Path, mirror_url: str) -> Run:
    """Run a script in a fresh guest: `run(script, fault="", key=b"another archive key")`."""

    def in_guest(script: str, fault: str = "", key: bytes = b"") -> subprocess.CompletedProcess[str]:
        files = tmp_path / "files"
        shutil.copytree(BOOTSTRAP, files / BUNDLE[1:])
        given = {**guest_files(mirror_url, hardware(fault)), "/usr/lib/os-release": (OS_RELEASE.encode(), 0o644)}
        if key:
            given["/usr/share/keyrings/ubuntu-archive-keyring.asc"] = (key, 0o644)
        for name, (content, mode) in given.items():
            place = files / name[1:]
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(content)
            place.chmod(mode)
        (tmp_path / "script").write_text(SETTINGS + script)
        alone = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "--propagation", "private"]
        guest = ["bash", Path(__file__).with_name("guest.sh"), files, commands_dir(), KERNEL, tmp_path / "script"]
        return subprocess.run([*alone, *map(str, guest)], capture_output=True, text=True, timeout=180)

    return in_guest


def test_the_stages_run_unmodified_and_have_nothing_left_to_do(run: Run) -> None:
    result = run(
        "set -e\nfor name in system driver docker torch; do stage $name.sh >&2; done\n"
        "for name in system driver torch; do stage $name.sh --check; done\n"
        f"python3 {BUNDLE}/probe.py --skip container\n"
    )
    assert result.returncode == 0, result.stderr[-3000:]
    facts = json.loads(result.stdout.splitlines()[-1])
    assert facts["simulated"] is True
    assert [gpu["name"] for gpu in facts["smi"]["gpus"]] == ["Tesla T4"]
    assert facts["module"]["userspace_version"] == facts["module"]["loaded_version"] == "580.95.05"
    assert facts["torch"]["gpus"][0]["kernel"]["repeats"] is True
    assert (facts["kernel"]["pending"], len(facts["kernel"]["pending_modules"])) == ("6.8.0-1036-aws", 1)
    assert "nvidia-utils-580-server" in facts["holds"]["stdout"].split()


def test_a_misnamed_package_fails_as_with_the_real_archive(run: Run) -> None:
    result = run("apt-get -q update >&2 && apt-get -y install nvidia-utils-580-sever")
    assert result.returncode == 100
    assert "E: Unable to locate package nvidia-utils-580-sever" in result.stderr


def test_apt_refuses_an_archive_that_another_key_has_signed(run: Run, tmp_path: Path) -> None:
    result = run("apt-get -q update", key=Mirror(tmp_path / "other").signer.public_key())
    assert result.returncode == 100
    assert "is not signed" in result.stderr


def test_the_dkms_way_builds_for_the_running_kernel(run: Run) -> None:
    result = run(
        f". {BUNDLE}/lib.sh\nset -e\n{{ apt_get update\n"
        'add_repo cuda "$GPUCLOUD_CUDA_APT_URL/3bf863cc.pub" "$GPUCLOUD_CUDA_APT_URL /"\napt_get update\n'
        'apt_get install "linux-headers-$(uname -r)" cuda-drivers-580; } >&2\n'
        "modprobe nvidia\ndkms status\nmodinfo -n nvidia\n"
    )
    assert result.returncode == 0, result.stderr[-3000:]
    status, place = result.stdout.splitlines()
    assert status.startswith(f"nvidia/580.95.05, {KERNEL},")
    assert place == f"/lib/modules/{KERNEL}/updates/dkms/nvidia.ko"


@pytest.mark.parametrize(
    ("fault", "stage", "words"),
    [
        ("stage-driver-fails", "driver", "post-installation failed"),
        ("no-module-for-kernel", "driver", f"no NVIDIA module for the running kernel {KERNEL}"),
        ("uvm-missing", "driver", "the kernel module nvidia-uvm is not loaded"),
        ("toolkit-missing", "docker", "nvidia-ctk is not installed"),
        ("cpu-wheel", "torch", "cannot use the GPU"),
    ],
)
def test_a_fault_makes_its_stage_fail_with_its_cause(run: Run, fault: str, stage: str, words: str) -> None:
    """Also when it is tried again: what the first attempt left behind is no success."""
    result = run(f"stage system.sh >&2 || exit 99\nstage {stage}.sh >&2\nstage {stage}.sh 2>&1", fault)
    assert result.returncode not in (0, 99)
    assert words in result.stdout


@pytest.mark.parametrize("fault", ["version-mismatch", "nouveau-loaded"])
def test_a_fault_that_a_reboot_may_cure_asks_for_one(run: Run, fault: str) -> None:
    result = run("{ stage system.sh && stage driver.sh; } >&2\ncat /tmp/reboot", fault)
    assert result.returncode == 0, result.stderr[-3000:]
    assert result.stdout.strip()
