"""One sandbox for the tests of a module, and the proof that nothing of it stays on this computer."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from gpucloud.sandbox import client
from gpucloud.sandbox.guest.possible import possible
from tests.e2e.support import GPUCLOUD, QUICK, Sandbox, leftovers


@contextmanager
def sandbox_of_one(program: Path = GPUCLOUD) -> Iterator[Sandbox]:
    """A sandbox in a folder with a short name (there are sockets in it), stopped and looked for afterwards."""
    if reason := possible():
        pytest.skip(reason)
    home = Path(tempfile.mkdtemp(prefix="gpe-", dir="/tmp"))
    made = Sandbox(home, program)
    try:
        yield made
    finally:
        client.stop(made.folder)
        remaining = QUICK.until(lambda: not leftovers(home), timeout=15)
        assert remaining, leftovers(home)
        shutil.rmtree(home)


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with sandbox_of_one() as made:
        made.use("default")
        yield made


@pytest.fixture
def clean(sandbox: Sandbox) -> Iterator[Sandbox]:
    """The module's sandbox with the default scenario, an empty account and no journals."""
    sandbox.use("default")
    sandbox.ask("calls", "DELETE")
    yield sandbox
    if sandbox.left() or sandbox.journals():
        assert sandbox.run("sandbox", "reset", "--yes", sandbox=False).rc == 0
