"""The account's vCPU quota of a kind of machine, against what runs already."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from gpucloud.catalog.types import InstanceType, every
from gpucloud.errors import GpucloudError, Problem, QuotaError
from gpucloud.machine import Spec
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


def shortage(spec: Spec, kind: InstanceType, allowed: float, living: Sequence[Mapping[str, Any]]) -> list[Problem]:
    """A Problem if the machine's vCPUs do not fit into the quota any more."""
    code, used = code_for(kind, spec.spot), 0
    if kind.vcpus is None:
        return []
    for instance in living:
        other = every().get(instance["InstanceType"])
        spot = instance.get("InstanceLifecycle") == "spot"
        if other and spot == spec.spot and code_for(other, spot) == code and instance["State"]["Name"] in COUNTED:
            used += other.vcpus or 0
    if used + kind.vcpus <= allowed:
        return []
    needed = used + kind.vcpus
    return [
        Problem(
            f"the quota for {'spot ' if spec.spot else ''}{kind.family} vCPUs in {spec.region} is too small",
            f"{spec.type} needs {kind.vcpus}, and {used} of {allowed:g} are in use",
            f"ask for {needed} at {CONSOLE}/{code}?region={spec.region}, or `aws service-quotas "
            f"request-service-quota-increase --service-code ec2 --quota-code {code} --desired-value {needed} "
            f"--region {spec.region}`",
            QuotaError.status,
        )
    ]
