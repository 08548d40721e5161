"""The subscription's quotas in vCPUs, against what it uses already."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from gpucloud.errors import Problem, QuotaError
from gpucloud.machine import Headroom, Spec
from gpucloud.providers.azure.clients import Clients
from gpucloud.providers.azure.errors import translated
from gpucloud.providers.azure.skus import Sku

API = "2024-07-01"
PORTAL = "https://portal.azure.com/#view/Microsoft_Azure_Capacity/QuotaMenuBlade/~/myQuotas"
REGIONAL, SPOT = "cores", "lowPriorityCores"
"""The quotas that count every family together; spot machines count against their own one only."""


def usages(clients: Clients, region: str) -> list[dict[str, Any]]:
    """Every quota of the region with its limit and use."""
    with translated(f"read the quotas in {region}"):
        return clients.pages(f"providers/Microsoft.Compute/locations/{region}/usages", API)


def shortages(spec: Spec, found: Sku, answers: Sequence[Mapping[str, Any]], subscription: str) -> list[Problem]:
    """A Problem for each quota into which the vCPUs of the `spec.count` machines do not fit any more.

    A quota that Azure does not list has no limit.
    """
    more = spec.count * found.vcpus
    short = [one for one in _counted(spec, found, answers) if one["currentValue"] + more > one["limit"]]
    return [_shortage(spec, more, one, subscription) for one in short]


def headroom(spec: Spec, found: Sku, answers: Sequence[Mapping[str, Any]]) -> Headroom | None:
    """What is left of the tightest quota that counts the machine; None if Azure lists none."""
    left = [
        Headroom(max(one["limit"] - one["currentValue"], 0), one["limit"]) for one in _counted(spec, found, answers)
    ]
    return min(left, key=lambda each: each.free, default=None)


def _counted(spec: Spec, found: Sku, answers: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """The quotas that count the machine: its family's and the region's, or that of spot machines."""
    quotas = {_normal(one["name"]["value"]): one for one in answers}
    names = [SPOT] if spec.spot else [found.family, REGIONAL]
    return [quotas[_normal(name)] for name in names if _normal(name) in quotas]


def _normal(name: str) -> str:
    """Azure writes a family's name with other spaces and capitals in each of its APIs."""
    return name.replace(" ", "").lower()


def _shortage(spec: Spec, more: int, quota: Mapping[str, Any], subscription: str) -> Problem:
    name, used = quota["name"]["value"], quota["currentValue"]
    machines = f"{spec.count} × {spec.type} need" if spec.count > 1 else f"{spec.type} needs"
    scope = f"/subscriptions/{subscription}/providers/Microsoft.Compute/locations/{spec.region}"
    return Problem(
        f"the quota {quota['name']['localizedValue']} in {spec.region} is too small",
        f"{machines} {more}, and {used} of {quota['limit']} are in use",
        f"ask for {used + more} at {PORTAL}, or `az quota update --resource-name {name} --scope {scope} "
        f"--limit-object value={used + more}`",
        QuotaError.status,
    )
