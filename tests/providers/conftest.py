"""One API-only sandbox for all the tests of this folder, emptied before each of them, and each cloud that it serves."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gpucloud.providers.azure.clients import Clients
from gpucloud.sandbox import client
from gpucloud.sandbox.guest.possible import possible
from tests.providers.support import CLOUDS, MAKERS, AwsCloud, AzureCloud, Cloud, Hosts


@pytest.fixture(scope="session")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[client.SandboxInfo]:
    folder = tmp_path_factory.mktemp("providers")
    yield client.ensure("api-only", folder)
    client.stop(folder)


@pytest.fixture(params=CLOUDS)
def any_cloud(request: pytest.FixtureRequest, daemon: client.SandboxInfo, tmp_path: Path) -> Iterator[Cloud]:
    """Each provider in turn: what the contract says of all of them."""
    yield from _fresh(CLOUDS[request.param](daemon, tmp_path))


@pytest.fixture(params=MAKERS)
def cloud(request: pytest.FixtureRequest, daemon: client.SandboxInfo, tmp_path: Path) -> Iterator[Cloud]:
    """Each cloud that makes machines in turn: what the contract says of making and ending them."""
    yield from _fresh(CLOUDS[request.param](daemon, tmp_path))


@pytest.fixture
def hosts(daemon: client.SandboxInfo, tmp_path: Path) -> Iterator[Cloud]:
    """What only machines that exist already can be asked."""
    yield from _fresh(Hosts(daemon, tmp_path))


@pytest.fixture
def aws(daemon: client.SandboxInfo, tmp_path: Path) -> Iterator[Cloud]:
    """What only AWS can be asked."""
    yield from _fresh(AwsCloud(daemon, tmp_path))


@pytest.fixture
def azure(daemon: client.SandboxInfo, tmp_path: Path) -> Iterator[Cloud]:
    """What only Azure can be asked."""
    yield from _fresh(AzureCloud(daemon, tmp_path))


@pytest.fixture(autouse=True)
def closed_connections(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """What Azure's clients keep open for as long as a process lives is closed here after each test."""
    make, made = Clients._transport, []

    def kept(clients: Clients) -> Any:
        made.append(make(clients))
        return made[-1]

    monkeypatch.setattr(Clients, "_transport", kept)
    yield
    for transport in made:
        transport.close()


def _fresh(cloud: Cloud) -> Iterator[Cloud]:
    """An empty account; and threads that still look at an operation of it have ended before the next one is lent."""
    before = set(threading.enumerate())
    cloud.reset()
    yield cloud
    cloud.reset()
    for thread in set(threading.enumerate()) - before:
        thread.join(10)


@pytest.fixture(scope="session")
def daemon_with_guests(tmp_path_factory: pytest.TempPathFactory) -> Iterator[client.SandboxInfo]:
    """A sandbox whose machines are real: slow, and not possible everywhere."""
    if reason := possible():
        pytest.skip(reason)
    folder = tmp_path_factory.mktemp("guests")
    yield client.ensure("default", folder)
    client.stop(folder)
    assert str(folder) not in Path("/proc/self/mounts").read_text()


@pytest.fixture(params=MAKERS)
def cloud_with_guests(
    request: pytest.FixtureRequest, daemon_with_guests: client.SandboxInfo, tmp_path: Path
) -> Iterator[Cloud]:
    cloud = CLOUDS[request.param](daemon_with_guests, tmp_path)
    yield cloud
    cloud.ask("reset", "POST")
