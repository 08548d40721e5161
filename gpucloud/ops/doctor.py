"""Look at everything that gpucloud needs, change nothing, and say what is missing."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from gpucloud.config import Config
from gpucloud.errors import GpucloudError, UsageError
from gpucloud.machine import Spec
from gpucloud.ops.context import DEFAULT_CLOUD, Context

PROBE_TYPE = "g4dn.xlarge"
"""The cheapest way to ask a cloud whether this account can launch a GPU machine."""


@dataclass(frozen=True)
class Finding:
    """One thing looked at. `status` is ok, warn or fail."""

    status: str
    what: str
    found: str
    remedy: str = ""

    def to_dict(self) -> dict[str, str]:
        return asdict(self)


def policy(cloud: str) -> dict[str, Any]:
    """The least-privilege policy document of a cloud. Raises UsageError for one that has none."""
    from gpucloud.providers import registry

    return registry.policy(cloud)


def examine(config: Config, world: Callable[[], Context], simulated: bool) -> list[Finding]:
    """Everything, one finding each."""
    return [_openssh(), _sandbox(), *_cloud(world, simulated)]


def _openssh() -> Finding:
    program = shutil.which("ssh")
    if program:
        return Finding("ok", "OpenSSH", program)
    return Finding(
        "warn", "OpenSSH", "not found", "install openssh-client to use `gpucloud ssh`; the rest works without"
    )


def _sandbox() -> Finding:
    from gpucloud.sandbox.guest.possible import possible

    reason = possible()
    return Finding("warn", "sandbox", reason) if reason else Finding("ok", "sandbox", "can run here")


def _cloud(world: Callable[[], Context], simulated: bool) -> list[Finding]:
    """What a launch would meet: the preflight of the usual machine."""
    name = "sandbox" if simulated else DEFAULT_CLOUD
    try:
        context = world()
        region = context.region(context.cloud)
        problems = context.provider().preflight(Spec("doctor", region, PROBE_TYPE))
    except UsageError:
        raise
    except GpucloudError as error:
        return [Finding("fail", f"{name}: {error.what}", error.why, error.remedy)]
    if not problems:
        return [Finding("ok", name, f"{PROBE_TYPE} can be launched in {region}")]
    return [Finding("fail", f"{name}: {each.what}", each.why, each.remedy) for each in problems]
