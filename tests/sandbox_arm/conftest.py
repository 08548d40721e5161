"""One API-only daemon and one with guests for all the tests of this folder, which find them empty."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from gpucloud.sandbox import client
from tests.sandbox_arm.support import Arm


@pytest.fixture(scope="session")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Arm]:
    folder = tmp_path_factory.mktemp("arm")
    yield Arm(client.ensure("api-only", folder / "state"), folder)
    client.stop(folder / "state")


@pytest.fixture
def arm(daemon: Arm) -> Arm:
    client._post(daemon.info.endpoint, "scenario", {"scenario": "api-only"})
    client._post(daemon.info.endpoint, "reset", {})
    return daemon


@pytest.fixture(scope="session")
def real(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Arm]:
    """A daemon with guests. The file `key` in its folder opens those that get `key.pub`."""
    folder = tmp_path_factory.mktemp("guests")
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / "key")], check=True)
    yield Arm(client.ensure("default", folder / "state"), folder)
    client.stop(folder / "state")
    assert str(folder) not in Path("/proc/self/mounts").read_text()


@pytest.fixture
def emptied(real: Arm) -> Iterator[Arm]:
    """The daemon with guests, which must be able to forget everything after the test."""
    for known in real.folder.glob("known-*"):
        known.unlink()
    yield real
    client.reset(real.folder / "state")
    assert real.inventory() == {}
