"""Look at everything that gpucloud needs, change nothing, and say what is missing."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from gpucloud.config import Config
from gpucloud.errors import ExitStatus, GpucloudError, Problem, UsageError
from gpucloud.machine import Machine, Spec
from gpucloud.ops import access, clouds
from gpucloud.ops.context import Context
from gpucloud.parallel import in_parallel

PROBE_TYPES = {"aws": "g4dn.xlarge", "azure": "Standard_NC4as_T4_v3"}
"""The cheapest way to ask each cloud whether this account can launch a GPU machine."""

REACH_TIMEOUT = 5.0
"""Seconds for each step of a login to a host: one that is up answers within one."""


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
    return [_openssh(), _sandbox(), *_clouds(world, simulated)]


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


def _clouds(world: Callable[[], Context], simulated: bool) -> list[Finding]:
    """What a launch would meet in each cloud: the preflight of the usual machine, all clouds at once.

    A cloud that is not set up is no fault as long as another one is.
    """
    try:
        context = world()
        looked = in_parallel(lambda cloud: (cloud, *_look(context, cloud)), context.makers)
        hosts = _hosts(context)
    except UsageError:
        raise
    except GpucloudError as error:
        return [Finding("fail", f"{'sandbox' if simulated else 'clouds'}: {error.what}", error.why, error.remedy)]
    is_one_set_up = bool(hosts) or not all(_is_not_set_up(problems) for _, _, problems in looked)
    findings: list[Finding] = []
    for cloud, region, problems in looked:
        name = f"sandbox {cloud}" if simulated else cloud
        status = "warn" if is_one_set_up and _is_not_set_up(problems) else "fail"
        findings += [Finding(status, f"{name}: {each.what}", each.why, each.remedy) for each in problems]
        if not problems:
            findings.append(Finding("ok", name, f"{PROBE_TYPES[cloud]} can be launched in {region}"))
    return findings + hosts


def _hosts(context: Context) -> list[Finding]:
    """Which machines that exist already let us in. One that does not may just be switched off."""
    others = [cloud for cloud in context.clouds if cloud not in context.makers]
    machines = [machine for cloud in others for machine in context.provider(cloud).list()]

    def try_it(machine: Machine) -> Finding:
        try:
            access.wait_for_login(context, machine, REACH_TIMEOUT).close()
        except GpucloudError as error:
            return Finding("warn", f"{machine.name}: {error.what}", error.why, error.remedy)
        return Finding("ok", machine.name, "lets us in")

    return in_parallel(try_it, machines)


def _look(context: Context, cloud: str) -> tuple[str, list[Problem]]:
    """Where machines are made, and what is in the way of one there."""
    try:
        region = context.region(cloud)
        return region, context.provider(cloud, region).preflight(Spec("doctor", region, PROBE_TYPES[cloud]))
    except clouds.NOT_SET_UP as error:
        return "", [Problem(error.what, error.why, error.remedy, ExitStatus.CREDENTIALS)]
    except UsageError:
        raise
    except GpucloudError as error:
        return "", [Problem(error.what, error.why, error.remedy, error.status)]


def _is_not_set_up(problems: Sequence[Problem]) -> bool:
    return bool(problems) and all(each.status is ExitStatus.CREDENTIALS for each in problems)
