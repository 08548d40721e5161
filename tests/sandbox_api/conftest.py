"""One API-only daemon for all the tests of this folder, emptied before each of them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from gpucloud.sandbox import client
from tests.sandbox_api.support import Sandbox


@pytest.fixture(scope="session")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    folder = tmp_path_factory.mktemp("sandbox")
    info = client.ensure("api-only", folder / "state")
    yield Sandbox(info, folder)
    client.stop(folder / "state")


@pytest.fixture
def sandbox(daemon: Sandbox) -> Sandbox:
    client._post(daemon.info.endpoint, "scenario", {"scenario": "api-only"})
    client._post(daemon.info.endpoint, "reset", {})
    return daemon
