"""The product as people install it: from a wheel, away from the checkout."""

from __future__ import annotations

import subprocess
import sys
import sysconfig
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.conftest import sandbox_of_one
from tests.e2e.support import Sandbox

pytestmark = pytest.mark.slow

CHECKOUT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    _run([sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)], CHECKOUT)
    (built,) = folder.glob("gpucloud-*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    """The wheel in a fresh environment, which finds the dependencies in the one that runs the tests."""
    folder = tmp_path_factory.mktemp("installed") / "venv"
    uv = str(Path(sys.executable).with_name("uv"))
    _run([uv, "venv", "--offline", "--python", sys.executable, str(folder)], folder.parent)
    python = folder / "bin/python"
    _run([uv, "pip", "install", "--offline", "--no-deps", "--python", str(python), str(wheel)], folder.parent)
    packages = next(folder.glob("lib/python*/site-packages"))
    # A line of a .pth file is searched last, and the editable install's own .pth is not read there.
    (packages / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    with sandbox_of_one(folder / "bin/gpucloud") as sandbox:
        yield sandbox


def _run(argv: list[str], folder: Path) -> str:
    done = subprocess.run(argv, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, (argv, done.stdout, done.stderr)
    return done.stdout


def test_everything_that_is_needed_is_in_the_wheel(wheel: Path) -> None:
    packed = set(zipfile.ZipFile(wheel).namelist())
    for here, there in (("bootstrap", "gpucloud/bootstrap"), ("profiles", "gpucloud/profiles"), ("gpucloud",) * 2):
        listed = _run(["git", "ls-files", "--cached", "--others", "--exclude-standard", here], CHECKOUT).split("\n")
        files = [name for name in listed if name and (CHECKOUT / name).exists()]
        assert len(files) > 2
        assert [name for name in files if there + name.removeprefix(here) not in packed] == []


def test_the_installed_package_is_not_the_checkout(installed: Sandbox) -> None:
    python = str(installed.program.with_name("python"))
    where = installed.program_of_others(python, "-c", "import gpucloud; print(gpucloud.__file__)").out
    assert where.startswith(str(installed.program.parents[1]))


def test_data_files_are_found(installed: Sandbox) -> None:
    profiles = installed.run("profile", "ls", "-o", "json", sandbox=False)
    assert "default" in [each["name"] for each in profiles.document]
    types = installed.run("types", "--gpu", "T4", "-o", "json", sandbox=False)
    assert "g4dn.xlarge" in [each["type"] for each in types.document]


def test_a_machine_comes_and_goes(installed: Sandbox) -> None:
    done = installed.ok("up", "g4dn.xlarge", "-n", "demo", "-o", "json")
    assert done.document["verify"]["ok"] is True
    assert installed.ok("exec", "demo", "--", "nvidia-smi", "-L").out.startswith("GPU 0: Tesla T4")
    installed.ok("down", "demo", "--yes")
    assert installed.left() == {}
