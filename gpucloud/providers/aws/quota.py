"""The account's vCPU quota of a kind of machine, against what runs already."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from gpucloud.catalog.types import InstanceType, every
from gpucloud.errors import GpucloudError, Problem, QuotaError
from gpucloud.machine import Headroom, Spec
from gpucloud.providers.aws.clients import Clients
from gpucloud.providers.aws.errors import code_of, translated

CONSOLE = "https://console.aws.amazon.com/servicequotas/home/services/ec2/quotas"
COUNTED = ("pending", "running")
"""States in which an instance counts against the quota."""


def code_for(kind: InstanceType, spot: bool) -> str:
    """The quota code that a type counts against; "" if none is known."""
    return kind.quota_spot if spot else kind.quota


def limit(clients: Clients, region: str, code: str) -> float:
    """The quota's value in vCPUs: the account's own, or AWS's default where it has none. No code, no limit."""
    if not code:
        return math.inf
    quotas = clients.client("service-quotas", region)
    wanted = {"ServiceCode": "ec2", "QuotaCode": code}
    try:
        with translated(f"read the quota {code} in {region}"):
            return float(quotas.get_service_quota(**wanted)["Quota"]["Value"])
    except GpucloudError as exc:
        if code_of(exc) != "NoSuchResourceException":
            raise
    with translated(f"read the default of the quota {code} in {region}"):
        return float(quotas.get_aws_default_service_quota(**wanted)["Quota"]["Value"])


def used(spec: Spec, kind: InstanceType, living: Sequence[Mapping[str, Any]]) -> int:
    """vCPUs of the instances that count against the same quota as the type."""
    code, vcpus = code_for(kind, spec.spot), 0
    for instance in living:
        other = every().get(instance["InstanceType"])
        spot = instance.get("InstanceLifecycle") == "spot"
        if other and spot == spec.spot and code_for(other, spot) == code and instance["State"]["Name"] in COUNTED:
            vcpus += other.vcpus or 0
    return vcpus


def headroom(allowed: float, in_use: int) -> Headroom | None:
    """What is left of a quota; None of one that has no limit."""
    return None if math.isinf(allowed) else Headroom(max(int(allowed) - in_use, 0), int(allowed))


def shortage(spec: Spec, kind: InstanceType, allowed: float, in_use: int) -> list[Problem]:
    """A Problem if the vCPUs of the `spec.count` machines do not fit into the quota any more."""
    code = code_for(kind, spec.spot)
    if kind.vcpus is None:
        return []
    more = spec.count * kind.vcpus
    if in_use + more <= allowed:
        return []
    needed, machines = in_use + more, f"{spec.count} × {spec.type} need" if spec.count > 1 else f"{spec.type} needs"
    return [
        Problem(
            f"the quota for {'spot ' if spec.spot else ''}{kind.family} vCPUs in {spec.region} is too small",
            f"{machines} {more}, and {in_use} of {allowed:g} are in use",
            f"ask for {needed} at {CONSOLE}/{code}?region={spec.region}, or `aws service-quotas "
            f"request-service-quota-increase --service-code ec2 --quota-code {code} --desired-value {needed} "
            f"--region {spec.region}`",
            QuotaError.status,
        )
    ]
