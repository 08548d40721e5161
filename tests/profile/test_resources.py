"""The data folders are found in a checkout and in an installed package alike."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import gpucloud
from gpucloud.resources import bootstrap_dir, profiles_dir

PACKAGE = Path(gpucloud.__file__).parent


def test_both_folders_are_found() -> None:
    assert (bootstrap_dir() / "stages").is_dir()
    assert (profiles_dir() / "default.yaml").is_file()


def where(site: Path, expression: str) -> subprocess.CompletedProcess[str]:
    program = f"import gpucloud.resources as r, gpucloud.errors as e\ntry: print({expression})\n"
    program += "except e.ConfigError as error: print(error)"
    argv = [sys.executable, "-P", "-c", program]
    return subprocess.run(
        argv, capture_output=True, text=True, check=True, cwd=site, env={"PYTHONPATH": str(site), "PATH": ""}
    )


def installed(site: Path) -> Path:
    (site / "gpucloud").mkdir(parents=True)
    for name in ("__init__.py", "errors.py", "resources.py"):
        shutil.copy(PACKAGE / name, site / "gpucloud" / name)
    return site


def test_an_installed_package_uses_its_own_folders(tmp_path: Path) -> None:
    site = installed(tmp_path)
    (site / "gpucloud" / "profiles").mkdir()
    (site / "profiles").mkdir()  # another package's folder beside ours must not win
    assert where(site, "r.profiles_dir()").stdout.strip() == str(site / "gpucloud" / "profiles")


def test_an_incomplete_installation_says_so(tmp_path: Path) -> None:
    assert where(installed(tmp_path), "r.bootstrap_dir()").stdout.startswith("the folder bootstrap is missing")
