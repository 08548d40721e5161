"""One API-only daemon for all the tests of this folder, emptied before each of them."""

from __future__ import annotations

from collections.abc import Iterator

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
