"""Decide what `up` will make, before anything is made: type, cloud, region, stack, stages, price."""

from __future__ import annotations

import getpass
import re
import secrets
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from math import inf
from typing import Any

from gpucloud import durations
from gpucloud.catalog import stack, types
from gpucloud.errors import ConfigError, PreflightFailed, UsageError
from gpucloud.machine import TAG_NAME, TAG_OWNER, TAG_PROFILE, TAG_RUN, Spec
from gpucloud.ops import clouds
from gpucloud.ops.context import Context, may_be_meant
from gpucloud.ops.request import Request
from gpucloud.plan import make_plan
from gpucloud.profile import Profile
from gpucloud.profile import load as load_profile
from gpucloud.verify.expectation import Expectation

SMALLEST_DISK_GB = 64
"""GB. Ubuntu, driver, torch (5.3 GB unpacked), Docker and one CUDA image need about 40."""

PER_CLOUD = 3
"""Types of one cloud to consider for a GPU: each one costs a preflight of half a dozen calls."""

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
    """The plan for a request: of the type that it names, else of the cheapest that fits. Asks no cloud.

    Raises UsageError, ConfigError or PreflightFailed for what cannot be.
    """
    if not request.type:
        return candidates(context, request)[0]
    wanted = named_type(request.type)
    check_place(context, wanted)
    return plan_of(context, request, wanted)


def candidates(context: Context, request: Request) -> list[Plan]:
    """Plans for what fits, the cheapest first and those without a known price last: at most PER_CLOUD of each cloud.

    A cloud without a region and a type without a stack are left out, with a remark; raises their ConfigError if there
    is nothing else. Raises UsageError if nothing fits.
    """
    if not (request.gpu or request.memory_gb):
        raise UsageError("what machine?", "neither a type nor --gpu was given", "try `gpucloud up g4dn.xlarge`")
    homes = clouds.regions(context)
    fits = [each for cloud, region in homes.items() for each in request.fitting(cloud, region)[:PER_CLOUD]]
    if not fits:
        raise UsageError("no instance type fits", "", "loosen --gpu, --memory or --max-price; see `gpucloud types`")
    plans: list[Plan] = []
    refused: list[ConfigError] = []
    for each in fits:
        try:
            plans.append(plan_of(context, request, each))
        except ConfigError as error:
            refused.append(error)
    if not plans:
        raise refused[0]
    for why in refused:
        context.remark(f"left out: {why}")
    return sorted(plans, key=lambda plan: (plan.price.usd if plan.price else inf, plan.type.vcpus or 0))


def plan_of(context: Context, request: Request, wanted: types.InstanceType) -> Plan:
    """The plan that makes this type of what else is requested."""
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


def named_type(name: str) -> types.InstanceType:
    """The type of that name. A refused one raises PreflightFailed with the reason."""
    wanted = types.find(name)
    if problem := types.refusal(wanted):
        raise PreflightFailed([problem])
    return wanted


def check_place(context: Context, wanted: types.InstanceType) -> None:
    """Raises UsageError if the type is not of the cloud that --cloud, the configuration or --region names."""
    config = context.config
    if config.cloud not in ("", wanted.cloud):
        why = f"it is a type of {wanted.cloud}, and `cloud` is {config.cloud}"
        remedy = f"add --cloud {wanted.cloud}, or choose a type of {config.cloud}"
        raise UsageError(f"{wanted.name} cannot be had", why, remedy)
    if not may_be_meant(config, wanted.cloud):
        home = types.cloud_of_region(config.region)
        why = f"that is a region of {home}, and {wanted.name} a type of {wanted.cloud}"
        remedy = f"choose a region of {wanted.cloud}, such as --region {types.REFERENCE_REGION[wanted.cloud]}"
        raise UsageError(f"{wanted.name} cannot be had in {config.region}", why, remedy)


def expectation(wanted: types.InstanceType, stages: Mapping[str, Any]) -> Expectation:
    """What a machine of this type must show once the stages of this plan have run."""
    env = {stage["id"]: stage["env"] for stage in stages["stages"]}
    driver = env.get("driver", {})
    return replace(
        hardware(wanted),
        torch_version=env.get("torch", {}).get("GPUCLOUD_TORCH_VERSION", ""),
        driver_branch=driver.get("GPUCLOUD_DRIVER_BRANCH", ""),
        driver_flavour=driver.get("GPUCLOUD_DRIVER_FLAVOUR", ""),
        layers=frozenset({"driver", "torch", "docker"} & {*env, *stages["image_brings"]}),
    )


def hardware(wanted: types.InstanceType) -> Expectation:
    """What any machine of this type must show, with a stack that nothing is known of."""
    return Expectation(
        gpu=wanted.gpu.name,
        gpu_count=wanted.devices,
        gpu_memory_mib=wanted.memory_mib,
        compute_capability=wanted.gpu.compute_capability,
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
