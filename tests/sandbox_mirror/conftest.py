from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from socketserver import ThreadingMixIn
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

import pytest

from gpucloud.sandbox.mirror import Mirror, commands_dir, guest_files
from tests.sandbox_mirror.machines import KERNEL, SimulatedMachine, hardware


class ThreadedServer(ThreadingMixIn, WSGIServer):
    daemon_threads = True


class Quiet(WSGIRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture(scope="session")
def mirror(tmp_path_factory: pytest.TempPathFactory) -> Mirror:
    return Mirror(tmp_path_factory.mktemp("mirror"))


@pytest.fixture(scope="session")
def mirror_url(mirror: Mirror) -> Iterator[str]:
    """The mirror's address on a free port of loopback."""
    with make_server("127.0.0.1", 0, mirror.app, ThreadedServer, Quiet) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.fixture
def machine(tmp_path: Path, mirror_url: str) -> Callable[..., SimulatedMachine]:
    """Make a simulated machine: `machine(fault)`, booted, with no driver installed."""

    def make(fault: str = "", **changes: Any) -> SimulatedMachine:
        made = SimulatedMachine(tmp_path / "guest")
        for name, (content, mode) in guest_files(mirror_url, hardware(fault, **changes)).items():
            made.write(name, content.decode(), mode)
        for command in commands_dir().iterdir():
            made.write(f"/usr/sbin/{command.name}", command.read_text(), 0o755)
        made.write("/proc/sys/kernel/osrelease", KERNEL + "\n")
        made.write("/proc/modules", "")
        made.boot()
        return made

    return make
