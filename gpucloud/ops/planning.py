"""Decide what `up` will make, before anything is made: type, cloud, region, stack, stages, price."""

from __future__ import annotations

import getpass
import re
import secrets
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from gpucloud import durations
from gpucloud.catalog import stack, types
from gpucloud.errors import PreflightFailed, UsageError
from gpucloud.machine import TAG_NAME, TAG_OWNER, TAG_PROFILE, TAG_RUN, Spec
from gpucloud.ops.context import Context
from gpucloud.ops.request import Request
from gpucloud.plan import make_plan
from gpucloud.profile import Profile
from gpucloud.profile import load as load_profile
from gpucloud.verify.expectation import Expectation

SMALLEST_DISK_GB = 64
"""GB. Ubuntu, driver, torch (5.3 GB unpacked), Docker and one CUDA image need about 40."""

_WORD = re.compile(r"[a-z]([a-z0-9-]{0,30}[a-z0-9])?")


@dataclass(frozen=True)
class Plan:
    """Everything decided, and nothing made. `price` is None where no source states one."""

    run: str
    cloud: str
    type: types.InstanceType
    stack: stack.Stack
    profile: Profile
    spec: Spec
    price: types.Price | None
    stages: Mapping[str, Any] = field(repr=False)

    @property
    def expectation(self) -> Expectation:
        """What verify must find on the machine."""
        return expectation(self.type, self.stages)


def make(context: Context, request: Request) -> Plan:
    """The plan for a request. Asks no cloud. Raises UsageError, ConfigError or PreflightFailed for what cannot be."""
    wanted = choose_type(context, request)
    profile = load_profile(request.profile or context.config.profile)
    run = check_word(request.run, "run id") if request.run else new_run()
    name = check_word(request.name, "name") if request.name else f"gpu-{run.rsplit('-', 1)[-1]}"
    ttl = request.ttl or profile.ttl or context.config.ttl
    minutes = durations.parse_duration(ttl) if ttl else None
    disk_gb = check_disk(request.disk_gb or profile.disk_gb)
    image = request.image or profile.image or stack.default_image(wanted)
    decided = stack.choose(wanted, image=image, driver=profile.driver, torch=profile.torch)
    region = context.region(wanted.cloud)
    spec = Spec(
        name=name,
        region=region,
        type=wanted.name,
        image=image,
        disk_gb=disk_gb,
        spot=request.spot,
        subnet=request.subnet,
        zone=request.zone,
        ssh_from=request.ssh_from or context.config.allow_ssh_from,
        ttl_minutes=minutes,
        tags={TAG_RUN: run, TAG_NAME: name, TAG_OWNER: owner(), TAG_PROFILE: profile.name},
    )
    price = types.price(wanted, region, spot=request.spot)
    return Plan(run, wanted.cloud, wanted, decided, profile, spec, price, make_plan(profile, decided, run))


def choose_type(context: Context, request: Request) -> types.InstanceType:
    """The type that was named, or the cheapest one that fits. Refused types raise PreflightFailed with the reason."""
    if request.type:
        wanted = types.find(request.type)
        if problem := types.refusal(wanted):
            raise PreflightFailed([problem])
        return wanted
    if not (request.gpu or request.memory_gb):
        raise UsageError("what machine?", "neither a type nor --gpu was given", "try `gpucloud up g4dn.xlarge`")
    fits = types.search(
        gpu=request.gpu,
        count=request.gpu_count,
        memory_gb=request.memory_gb,
        max_price=request.max_price,
        region=context.config.region,
        cloud=context.cloud,
        spot=request.spot,
    )
    if not fits:
        raise UsageError("no instance type fits", "", "loosen --gpu, --memory or --max-price; see `gpucloud types`")
    return fits[0]


def expectation(wanted: types.InstanceType, stages: Mapping[str, Any]) -> Expectation:
    """What a machine of this type must show once the stages of this plan have run."""
    env = {stage["id"]: stage["env"] for stage in stages["stages"]}
    driver = env.get("driver", {})
    return Expectation(
        gpu=wanted.gpu.name,
        gpu_count=wanted.devices,
        gpu_memory_mib=wanted.memory_mib,
        compute_capability=wanted.gpu.compute_capability,
        torch_version=env.get("torch", {}).get("GPUCLOUD_TORCH_VERSION", ""),
        driver_branch=driver.get("GPUCLOUD_DRIVER_BRANCH", ""),
        driver_flavour=driver.get("GPUCLOUD_DRIVER_FLAVOUR", ""),
        layers=frozenset({"driver", "torch", "docker"} & {*env, *stages["image_brings"]}),
    )


def check_word(word: str, what: str) -> str:
    """A name or run id that clouds, host names and tags all accept. Raises UsageError."""
    if _WORD.fullmatch(word):
        return word
    rule = "use up to 32 lower-case letters, digits and dashes, beginning with a letter"
    raise UsageError(f"{word!r} cannot be a {what}", "", rule)


def check_disk(size_gb: int) -> int:
    """A size in GB that holds the stack. Raises UsageError."""
    if size_gb >= SMALLEST_DISK_GB:
        return size_gb
    need = "Ubuntu, driver, torch and Docker need the space"
    raise UsageError(f"a disk of {size_gb} GB is too small", need, f"use --disk {SMALLEST_DISK_GB} or more")


def new_run() -> str:
    """An id that sorts by time and is unique enough: `r261122-031500-k3x9`."""
    letters = "abcdefghjkmnpqrstuvwxyz23456789"
    suffix = "".join(secrets.choice(letters) for _ in range(4))
    return f"r{datetime.now(UTC):%y%m%d-%H%M%S}-{suffix}"


def owner() -> str:
    """Who made it, for the owner tag: user@computer, as far as they are known."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # no such user in the password file, as in some containers
        user = "unknown"
    return f"{user}@{socket.gethostname()}"[:128]
