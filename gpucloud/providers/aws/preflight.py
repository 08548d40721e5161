"""Everything that would make a launch fail, asked in parallel and without changing anything."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from gpucloud.catalog import types
from gpucloud.catalog.types import find, is_known_in
from gpucloud.errors import CapacityError, ConfigError, CredentialsError, GpucloudError, Problem
from gpucloud.machine import TAG_NAME, Headroom, Spec
from gpucloud.providers.address import ssh_source
from gpucloud.providers.answers import Answers, problem_of
from gpucloud.providers.aws import launch, quota
from gpucloud.providers.aws.clients import Clients
from gpucloud.providers.aws.describe import LIVING, from_aws, where
from gpucloud.providers.aws.errors import code_of, translated
from gpucloud.providers.aws.images import Image, image, image_id
from gpucloud.providers.aws.launch import Plan
from gpucloud.providers.aws.network import Subnet, subnets

BIG_REGIONS = ("us-east-1", "us-west-2", "us-east-2", "eu-west-1", "eu-central-1", "ap-northeast-1", "ap-south-1")
"""Regions to suggest where a type is not offered, if the catalogue knows it there."""

LEAST_DISK_GB = 64
"""Driver, CUDA wheels, container images and some room: less fills up during the bootstrap."""
MOST_USER_DATA = 16 * 1024
"""Bytes, before base64: EC2's limit."""


@dataclass(frozen=True)
class Findings:
    """What a preflight found out. `plan` is there if nothing that a launch needs is missing."""

    problems: tuple[Problem, ...]
    plan: Plan | None
    headroom: Headroom | None = None


def examine(clients: Clients, spec: Spec) -> Findings:
    """Ask everything. Two rounds of calls at most: the second is the DryRun, and the details of some images."""
    answers = Answers()
    try:
        kind = types.find(spec.type)
        clients.check_credentials()
    except GpucloudError as exc:
        return Findings((problem_of(exc),), None)
    answers.add(*_user_data(spec))
    with ThreadPoolExecutor(max_workers=8, thread_name_prefix="preflight") as pool:
        zones = pool.submit(offered_zones, clients, spec)
        found_image = pool.submit(image_id, clients, spec.region, spec.image, kind.cpu_arch)
        limit = pool.submit(quota.limit, clients, spec.region, quota.code_for(kind, spec.spot))
        instances = pool.submit(living_instances, clients, spec.region)
        places = pool.submit(subnets, clients, spec.region, spec.subnet)
        source = pool.submit(ssh_source, spec.ssh_from, clients.settings.checkip_url)
        details = pool.submit(lambda: image(clients, spec.region, spec.image, found_image.result()))
        targets = _targets(spec, answers.of(zones), answers.of(places), answers)
        ami = answers.of(found_image)
        rehearsal = pool.submit(dry_run, clients, spec, targets[0], ami) if targets and ami else None
    living, allowed, headroom = answers.of(instances), answers.of(limit), None
    if living is not None:
        answers.add(*_name_taken(spec, living))
        if allowed is not None:
            in_use = quota.used(spec, kind, living)
            headroom = quota.headroom(allowed, in_use)
            answers.add(*quota.shortage(spec, kind, allowed, in_use))
    picture, cidr = answers.of(details), answers.of(source)
    if picture:
        answers.add(*_disk(spec, picture))
    if rehearsal and (isinstance(rehearsal.exception(), CredentialsError) or not answers.problems):
        answers.of(rehearsal)  # what else it refuses has been told already, and better
    plan = Plan(targets, picture, cidr) if targets and picture and cidr else None
    return Findings(answers.problems, plan, headroom)


def offered_zones(clients: Clients, spec: Spec) -> list[str]:
    """The zones that offer the type. Raises ConfigError if the region has none of them."""
    with translated(f"ask where {spec.type} is offered in {spec.region}"):
        pages = clients.ec2(spec.region).get_paginator("describe_instance_type_offerings")
        found = [
            offering["Location"]
            for page in pages.paginate(LocationType="availability-zone", Filters=where(instance_type=spec.type))
            for offering in page["InstanceTypeOfferings"]
        ]
    if not found:
        raise ConfigError(f"{spec.type} is not offered in {spec.region}", "", _elsewhere(spec))
    return sorted(found)


def _elsewhere(spec: Spec) -> str:
    known = find(spec.type)
    others = [region for region in BIG_REGIONS if region != spec.region and is_known_in(known, region)]
    hint = f", for instance {' or '.join(f'`--region {region}`' for region in others[:2])}" if others else ""
    return "choose another region" + hint


def living_instances(clients: Clients, region: str) -> list[Mapping[str, Any]]:
    """Every instance of the region that is not terminated, ours or not: they count against the quota."""
    with translated(f"list the instances in {region}"):
        pages = clients.ec2(region).get_paginator("describe_instances")
        return [
            instance
            for page in pages.paginate(Filters=where(instance_state_name=LIVING), PaginationConfig={"PageSize": 1000})
            for reservation in page["Reservations"]
            for instance in reservation["Instances"]
        ]


def dry_run(clients: Clients, spec: Spec, subnet: Subnet, ami: str) -> None:
    """Ask EC2 whether the credentials allow this very launch. Raises CredentialsError if not."""
    request = launch.request(spec, "preflight", subnet, Image(ami), group="")
    del request["ClientToken"]  # of its own for each rehearsal: two of them with different parameters are no mistake
    try:
        with translated(f"launch {spec.type} in {spec.region}"):
            clients.ec2(spec.region).run_instances(DryRun=True, **request)
    except CapacityError:
        return  # a matter of the moment and of one zone: the launch itself tries them all
    except GpucloudError as exc:
        if code_of(exc) != "DryRunOperation":
            raise


def _targets(spec: Spec, zones: list[str] | None, places: list[Subnet] | None, answers: Answers) -> tuple[Subnet, ...]:
    """The subnets to try, in the order of their zones; a Problem if there are zones and subnets, but no pair."""
    if zones is None or places is None:
        return ()
    fits = [place for place in places if place.zone in zones and spec.zone in ("", place.zone)]
    if not fits:
        asked = spec.zone or ", ".join(sorted(place.zone for place in places))
        why = f"it is offered in {', '.join(zones)}, and a subnet was found in {', '.join(p.zone for p in places)}"
        answers.add(Problem(f"{spec.type} cannot be had in {asked}", why, "choose another `--zone` or `--subnet`"))
    return tuple(sorted(fits, key=lambda place: place.zone))


def _name_taken(spec: Spec, living: list[Mapping[str, Any]]) -> list[Problem]:
    holders = [one["InstanceId"] for one in living if from_aws(one).get(TAG_NAME) == spec.name]
    if not holders:
        return []
    what = f"the name {spec.name} is taken in {spec.region}"
    return [Problem(what, f"by {', '.join(holders)}", f"choose another `--name`, or `gpucloud down {spec.name}`")]


def _disk(spec: Spec, picture: Image) -> list[Problem]:
    least = max(LEAST_DISK_GB, picture.least_gb)
    if spec.disk_gb >= least:
        return []
    return [Problem("the disk is too small", f"{spec.disk_gb} GB, and {least} are needed", f"`--disk {least}`")]


def _user_data(spec: Spec) -> list[Problem]:
    size = len(spec.user_data.encode())
    if size <= MOST_USER_DATA:
        return []
    return [Problem("the user-data is too long", f"{size} bytes, and EC2 takes {MOST_USER_DATA}", "shorten it")]
