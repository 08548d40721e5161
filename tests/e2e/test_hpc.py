"""Azure's image for GPU work, which brings its own driver."""

from __future__ import annotations

import pytest

from tests.e2e.support import TYPES, Sandbox

pytestmark = pytest.mark.slow


def test_the_hpc_image_becomes_a_verified_machine_with_the_driver_that_it_brought(sandbox: Sandbox) -> None:
    running = sandbox.start("up", TYPES["azure"], "--image", "hpc", "-n", "hpc", "-o", "json")
    done = running.end()
    assert done.rc == 0, done.err
    assert done.document["verify"]["ok"] is True
    assert running.said("driver skip")
