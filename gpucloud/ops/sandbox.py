"""The embedded cloud as a person handles it: start, look, stop, empty."""

from __future__ import annotations

import shutil
from pathlib import Path

from gpucloud.errors import NotFound
from gpucloud.ops import sshconfig
from gpucloud.sandbox import client
from gpucloud.sandbox.client import SandboxInfo
from gpucloud.state import state_home


def home() -> Path:
    """Where the sandbox keeps its state, and where we keep the journals and keys of its machines (`client`)."""
    return state_home() / "sandbox"


def start(scenario: str = "") -> SandboxInfo:
    """The running sandbox, with that scenario in force if one is named."""
    return client.ensure(scenario or None, home())


def status() -> SandboxInfo:
    """The running sandbox. Raises NotFound if it does not run."""
    info = client.status(home())
    if info is None:
        raise NotFound("the sandbox is not running", "", "`gpucloud sandbox start`, or add --sandbox to a command")
    return info


def stop() -> bool:
    """Stop it; False if it was not running."""
    return client.stop(home())


def reset() -> None:
    """Empty it, started or not, and forget our journals, keys and aliases of its machines."""
    client.ensure(None, home())
    client.reset(home())
    shutil.rmtree(home() / "client", ignore_errors=True)
    sshconfig.prune(simulated=True)


def scenarios() -> list[dict[str, str]]:
    """Name and description of every bundled scenario."""
    from gpucloud.sandbox import scenario

    return [{"name": name, "description": scenario.load(name).description} for name in scenario.bundled()]
