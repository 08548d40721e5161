"""One API-only sandbox for all the tests of this folder, emptied before each of them, and each cloud that it serves."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from gpucloud.sandbox import client
from tests.providers.support import Cloud


@pytest.fixture(scope="session")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[client.SandboxInfo]:
    folder = tmp_path_factory.mktemp("providers")
    yield client.ensure("api-only", folder)
    client.stop(folder)


@pytest.fixture(params=["aws"])
def cloud(request: pytest.FixtureRequest, daemon: client.SandboxInfo) -> Cloud:
    cloud = Cloud(request.param, daemon, request.getfixturevalue("tmp_path"))
    cloud.use("")
    cloud.ask("reset", "POST")
    return cloud


@pytest.fixture
def aws(cloud: Cloud) -> Cloud:
    """What only AWS can be asked."""
    return cloud
