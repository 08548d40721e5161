"""torch.sh with a package index of our own, and the choice of uv's wheel."""

from __future__ import annotations

import hashlib
import importlib.util
import io
import json
import platform
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from tests.bootstrap.conftest import SOURCE
from tests.bootstrap.world import World, is_executable

pytestmark = pytest.mark.slow  # each test starts processes of its own

# Stands for uv: `venv` makes an environment of links, `pip install` writes the metadata that an installer writes.
UV = """#!/bin/bash
echo "uv $*" >>"$WORLD/calls"
if [[ $1 == venv ]]; then "$WORLD/bin/python3" -m venv --without-pip --symlinks "${@: -1}"; fi
if [[ $1 == pip ]]; then
    site="$("${4%/*}/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')"
    for package in "torch $(<"$WORLD/torch-version")" "numpy 2.4.0"; do
        mkdir -p "$site/${package/ /-}.dist-info"
        printf 'Metadata-Version: 2.1\\nName: %s\\nVersion: %s\\n' $package >"$site/${package/ /-}.dist-info/METADATA"
    done
fi
"""


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@pytest.fixture
def index(tmp_path: Path) -> Iterator[str]:
    """A package index that has one uv release for this machine, the stand-in above."""
    folder = tmp_path / "index"
    (folder / "simple/uv").mkdir(parents=True)
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as wheel:
        wheel.writestr("uv-0.11.2.data/scripts/uv", UV)
    name = f"uv-0.11.2-py3-none-manylinux_2_17_{platform.machine()}.whl"
    (folder / name).write_bytes(data.getvalue())
    digest = hashlib.sha256(data.getvalue()).hexdigest()
    (folder / "simple/uv/index.html").write_text(f'<a href="../../{name}#sha256={digest}">{name}</a>')
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder)))
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/simple"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def world(tmp_path: Path, index: str) -> World:
    world = World(tmp_path / "machine")
    world.file("etc/gpucloud/mirrors.env", f"GPUCLOUD_PYPI_URL={index}\nGPUCLOUD_TORCH_URL={index}/torch\n")
    world.write("torch-version", "2.15.0")
    return world


def install(world: World, *args: str, **env: str) -> subprocess.CompletedProcess[str]:
    return world.stage("torch", *args, **{"GPUCLOUD_TORCH_VERSION": "2.15.0", "GPUCLOUD_PYTHON": "3.12", **env})


def test_torch_and_numpy_come_through_uv_from_the_index(world: World, index: str) -> None:
    result = install(world)

    assert result.returncode == 0, result.stderr
    venv = world.root / "opt/gpucloud/venv"
    assert [call for call in world.calls() if "--version" not in call] == [
        f"uv venv --python 3.12 {venv}",
        f"uv pip install --python {venv}/bin/python --default-index {index} torch==2.15.0 numpy",
    ]
    assert is_executable(world.root / "opt/gpucloud/bin/uv")


def test_an_index_of_its_own_comes_from_pytorchs_site(world: World, index: str) -> None:
    world.write("torch-version", "2.15.0+cu126")
    install(world, GPUCLOUD_TORCH_INDEX="cu126")

    assert f"--default-index {index} --index {index}/torch/cu126 torch==2.15.0+cu126 numpy" in world.calls()[-1]


def test_the_check_passes_once_the_right_version_is_there(world: World) -> None:
    assert install(world, "--check").returncode == 1

    install(world)
    world.forget_calls()

    assert install(world, "--check").returncode == 0
    assert install(world, "--check", GPUCLOUD_TORCH_VERSION="2.7.1").returncode == 1
    assert world.calls() == []


def test_a_cpu_wheel_is_named(world: World) -> None:
    world.write("torch-version", "2.15.0+cpu")

    assert install(world).returncode == 1
    assert "CPU-only" in json.loads((world.folder / "failure").read_text())["why"]
    assert install(world, "--check").returncode == 1


def test_a_build_of_another_index_is_replaced(world: World) -> None:
    install(world)
    assert install(world, "--check", GPUCLOUD_TORCH_INDEX="cu126").returncode == 1

    world.write("torch-version", "2.15.0+cu126")
    (venv,) = (world.root / "opt/gpucloud/venv/lib").glob("python*/site-packages/torch-*")
    (venv / "METADATA").unlink()
    venv.rmdir()

    assert install(world, GPUCLOUD_TORCH_INDEX="cu126").returncode == 0
    assert install(world, "--check", GPUCLOUD_TORCH_INDEX="cu126").returncode == 0


def test_an_index_without_uv_is_named_and_may_pass(world: World, tmp_path: Path) -> None:
    (tmp_path / "index/simple/uv/index.html").write_text("")

    result = install(world)

    assert result.returncode == 75 and "has no uv wheel" in result.stderr
    assert json.loads((world.folder / "failure").read_text())["what"] == "uv cannot be installed"


def test_a_wheel_that_is_not_the_one_described_is_refused(world: World, tmp_path: Path) -> None:
    wheel = next((tmp_path / "index").glob("*.whl"))
    wheel.write_bytes(wheel.read_bytes() + b"x")

    assert install(world).returncode == 75
    assert not (world.root / "opt/gpucloud/bin/uv").exists()


def page(*names: str) -> str:
    return "".join(f'<a href="/files/{name}#sha256={i:064x}">{name}</a>' for i, name in enumerate(names))


def newest(html: str, machine: str = "x86_64") -> tuple[str, str]:
    spec = importlib.util.spec_from_file_location("fetch_uv", SOURCE / "fetch_uv.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    found: tuple[str, str] = module.newest_wheel(html, "https://pypi.org/simple/uv/", machine)
    return found


def test_the_newest_release_for_the_machine_is_taken() -> None:
    html = page(
        "uv-0.9.9-py3-none-manylinux_2_17_x86_64.manylinux2014_x86_64.whl",
        "uv-0.11.12-py3-none-manylinux_2_17_x86_64.manylinux2014_x86_64.whl",
        "uv-0.11.12-py3-none-manylinux_2_17_aarch64.manylinux2014_aarch64.musllinux_1_1_aarch64.whl",
        "uv-0.11.2-py3-none-manylinux_2_17_x86_64.manylinux2014_x86_64.whl",
        "uv-0.12.0rc1-py3-none-manylinux_2_17_x86_64.manylinux2014_x86_64.whl",
        "uv-0.12.0-py3-none-macosx_11_0_arm64.whl",
        "uv-0.12.0.tar.gz",
    )

    assert newest(html)[0].startswith("https://pypi.org/files/uv-0.11.12-py3-none-manylinux_2_17_x86_64")
    assert "aarch64" in newest(html, "aarch64")[0]


def test_a_yanked_release_is_not_taken() -> None:
    html = (
        page("uv-1.0-py3-none-manylinux_x86_64.whl")
        + '<a data-yanked="" href="uv-2.0-py3-none-manylinux_x86_64.whl#sha256=0">'
    )

    assert "uv-1.0" in newest(html)[0]


def test_a_wheel_without_sha256_is_not_taken() -> None:
    with pytest.raises(LookupError, match="no uv wheel with a sha256 for x86_64"):
        newest('<a href="uv-1.0-py3-none-manylinux_x86_64.whl">')


def test_the_fetcher_needs_nothing_but_python() -> None:
    result = subprocess.run(
        [sys.executable, "-I", "-S", SOURCE / "fetch_uv.py", "http://127.0.0.1:9", "/nowhere"], capture_output=True
    )

    assert result.returncode == 1 and b"Connection refused" in result.stderr
