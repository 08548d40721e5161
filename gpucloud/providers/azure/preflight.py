"""Everything that would make a launch fail, asked in parallel and without changing anything."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from gpucloud.catalog import types
from gpucloud.errors import GpucloudError, Problem, UsageError
from gpucloud.machine import TAG_NAME, Headroom, Spec
from gpucloud.providers.address import ssh_source
from gpucloud.providers.answers import Answers, problem_of
from gpucloud.providers.azure import images, quota, skus
from gpucloud.providers.azure.clients import Clients
from gpucloud.providers.azure.describe import tags_for
from gpucloud.providers.azure.errors import code_of, translated
from gpucloud.providers.azure.images import Image
from gpucloud.providers.azure.launch_plan import LONGEST_TTL, SHORTEST_TTL, Plan
from gpucloud.providers.azure.resources import COMPUTE_API, MACHINES
from gpucloud.providers.azure.skus import Sku

PROVIDERS_API, FEATURES_API = "2021-04-01", "2021-07-01"

NAMESPACES = ("Microsoft.Compute", "Microsoft.Network")
SCHEDULES = "Microsoft.DevTestLab"
"""The namespace of the clock that ends a machine's lifetime; needed for a machine with one."""
NOT_REGISTERED = ("MissingSubscriptionRegistration", "SubscriptionNotRegistered")
"""What every question to a service says that the subscription has not registered."""
ENCRYPTION = "EncryptionAtHost"
"""The feature that a subscription registers once, so that its machines encrypt what leaves the host for the disks."""

LEAST_DISK_GB = 64
"""Driver, CUDA wheels, container images and some room: less fills up during the bootstrap."""
MOST_DISK_GB = 4095
"""Azure's limit for the disk of an operating system."""
MOST_USER_DATA = 65535
"""Bytes, before base64: Azure's limit for custom data."""


@dataclass(frozen=True)
class Findings:
    """What a preflight found out. `plan` is there if nothing that a launch needs is missing."""

    problems: tuple[Problem, ...]
    plan: Plan | None
    headroom: Headroom | None = None


def examine(clients: Clients, spec: Spec) -> Findings:
    """Ask everything. Three rounds of calls at most: which subscription it is, what it has, and the image's details."""
    answers = Answers()
    try:
        kind = types.find(spec.type)
        clients.check_credentials()
        subscription = clients.subscription
    except GpucloudError as exc:
        return Findings((problem_of(exc),), None)
    answers.add(*_user_data(spec), *_lifetime(spec), *_subnet(spec), *_tags(spec))
    namespaces = [*NAMESPACES, *[SCHEDULES] * (spec.ttl_minutes is not None)]
    with ThreadPoolExecutor(max_workers=12, thread_name_prefix="preflight") as pool:
        services = [pool.submit(_service, clients, namespace) for namespace in namespaces]
        size = pool.submit(skus.sku, clients, spec.region, spec.type)
        picture = pool.submit(images.image, clients, spec.region, spec.image, kind)
        used = pool.submit(quota.usages, clients, spec.region)
        living = pool.submit(machines, clients)
        encrypts = pool.submit(_has_feature, clients, ENCRYPTION)
        source = pool.submit(ssh_source, spec.ssh_from, clients.settings.checkip_url)
    found_size, found_image, cidr = answers.of(size), answers.of(picture), answers.of(source)
    answers.add(*_source(cidr or ""))
    answers.add(*_name_taken(spec, answers.of(living) or []))
    usages, encrypted = answers.of(used), answers.of(encrypts)
    if found_size:
        answers.add(*skus.problems(found_size, spec))
        answers.add(*quota.shortages(spec, found_size, usages or [], subscription))
    headroom = quota.headroom(spec, found_size, usages or []) if found_size else None
    if found_image:
        answers.add(*_disk(spec, found_image))
    known = [service for service in map(answers.of, services) if service]
    if missing := [service["namespace"] for service in known if service["registrationState"] != "Registered"]:
        answers.drop(lambda error: code_of(error) in NOT_REGISTERED)
        answers.add(_unregistered(missing, subscription))
    answers.add(*_clock(spec, known))
    if not (found_size and found_image and cidr):
        return Findings(answers.problems, None, headroom)
    answers.add(*images.problems(found_image, found_size))
    plan = _plan(spec, found_size, found_image, cidr, bool(encrypted))
    return Findings(answers.problems, plan if plan.zones else None, headroom)


def machines(clients: Clients) -> list[dict[str, Any]]:
    """Every VM of the subscription, ours or not."""
    with translated("list the machines of the subscription"):
        return clients.pages(MACHINES, COMPUTE_API)


def _plan(spec: Spec, size: Sku, picture: Image, cidr: str, encrypted: bool) -> Plan:
    trusted = size.trusted_launch and picture.trusted_launch
    return Plan(
        image_reference=picture.reference,
        least_disk_gb=picture.least_gb,
        zones=skus.places(size, spec),
        ssh_from=cidr,
        security_type="TrustedLaunch" if trusted else "Standard",
        secure_boot=trusted and picture.signed,
        encryption_at_host=encrypted and size.can("EncryptionAtHostSupported"),
        disk_sku="Premium_LRS" if size.can("PremiumIO") else "StandardSSD_LRS",
        accelerated_networking=size.can("AcceleratedNetworkingEnabled") and picture.fast_network,
        disk_controller="SCSI" if "scsi" in size.controllers & picture.controllers else "NVMe",
    )


def _service(clients: Clients, namespace: str) -> dict[str, Any]:
    with translated(f"ask whether {namespace} is registered"):
        return {**clients.get(f"providers/{namespace}", PROVIDERS_API), "namespace": namespace}


def _clock(spec: Spec, services: list[dict[str, Any]]) -> list[Problem]:
    """Not every region has the clock that ends a lifetime. Azure names them here as people do: "East US"."""
    clocks = [kind for each in services if each["namespace"] == SCHEDULES for kind in each.get("resourceTypes", [])]
    for kind in clocks:
        places = {place.replace(" ", "").lower() for place in kind.get("locations", [])}
        if kind["resourceType"].lower() == "schedules" and places and spec.region not in places:
            what = f"{spec.region} has no clock to end a machine's lifetime"
            why = f"Azure does not offer {SCHEDULES}/schedules there"
            return [Problem(what, why, "leave out `--ttl`, or choose another region")]
    return []


def _unregistered(namespaces: list[str], subscription: str) -> Problem:
    what = f"the subscription has not registered {' and '.join(namespaces)}"
    commands = " and ".join(f"`az provider register --namespace {name} --wait`" for name in namespaces)
    return Problem(what, f"in {subscription}; Azure wants that once for each of its services", commands)


def _has_feature(clients: Clients, feature: str) -> bool:
    path = f"providers/Microsoft.Features/providers/Microsoft.Compute/features/{feature}"
    with translated(f"ask whether the feature {feature} is registered"):
        return str(clients.get(path, FEATURES_API)["properties"]["state"]) == "Registered"


def _name_taken(spec: Spec, living: list[dict[str, Any]]) -> list[Problem]:
    here = [one for one in living if one["location"].lower() == spec.region]
    holders = [one["name"] for one in here if (one.get("tags") or {}).get(TAG_NAME) == spec.name]
    if not holders:
        return []
    what = f"the name {spec.name} is taken in {spec.region}"
    return [Problem(what, f"by {', '.join(holders)}", f"choose another `--name`, or `gpucloud down {spec.name}`")]


def _disk(spec: Spec, picture: Image) -> list[Problem]:
    if spec.disk_gb > MOST_DISK_GB:
        why = f"{spec.disk_gb} GB, and Azure makes {MOST_DISK_GB} at most"
        return [Problem("the disk is too large", why, f"`--disk {MOST_DISK_GB}`")]
    least = max(LEAST_DISK_GB, picture.least_gb)
    if spec.disk_gb >= least:
        return []
    return [Problem("the disk is too small", f"{spec.disk_gb} GB, and {least} are needed", f"`--disk {least}`")]


def _source(cidr: str) -> list[Problem]:
    if ":" not in cidr:
        return []
    why = "that is an IPv6 range, and its address is an IPv4 one"
    return [Problem(f"{cidr} cannot reach the machine", why, "give one such as `--allow-ssh-from 203.0.113.7/32`")]


def _user_data(spec: Spec) -> list[Problem]:
    size = len(spec.user_data.encode())
    if size <= MOST_USER_DATA:
        return []
    return [Problem("the user-data is too long", f"{size} bytes, and Azure takes {MOST_USER_DATA}", "shorten it")]


def _lifetime(spec: Spec) -> list[Problem]:
    if spec.ttl_minutes is None or SHORTEST_TTL <= spec.ttl_minutes <= LONGEST_TTL:
        return []
    if spec.ttl_minutes < SHORTEST_TTL:
        why = "Azure's clock rings once a day, and the machine may not be there before its time: it rings tomorrow then"
        return [Problem("the lifetime is too short", why, f"`--ttl {SHORTEST_TTL}m` or more")]
    why = "Azure's clock rings once a day, so the machine would end a day too early"
    remedy = f"`--ttl {LONGEST_TTL // 60}h`, and `gpucloud extend {spec.name}` before that ends"
    return [Problem("the lifetime is too long", why, remedy)]


def _tags(spec: Spec) -> list[Problem]:
    try:
        tags_for(spec, "run")
    except UsageError as error:
        return [problem_of(error)]
    return []


def _subnet(spec: Spec) -> list[Problem]:
    if not spec.subnet:
        return []
    return [Problem("--subnet cannot be used on Azure", "every machine gets a network of its own", "leave it out")]
