"""The account's regions: an account that nobody changed has those that are enabled by default, and no other."""

from __future__ import annotations

from typing import Any

from moto.core.responses import ActionResult

from gpucloud.sandbox.aws.base import Sandboxed
from gpucloud.sandbox.aws.filters import invalid, matches
from gpucloud.sandbox.aws.wire import ApiError

# "AWS Regions": those without an opt-in (AWS General Reference, 2026). moto counts some of the others among them.
ENABLED = frozenset(
    {
        *("us-east-1", "us-east-2", "us-west-1", "us-west-2", "ca-central-1", "sa-east-1"),
        *("eu-central-1", "eu-north-1", "eu-west-1", "eu-west-2", "eu-west-3"),
        *("ap-northeast-1", "ap-northeast-2", "ap-northeast-3", "ap-south-1", "ap-southeast-1", "ap-southeast-2"),
    }
)
OTHER_PARTITIONS = ("cn-", "us-gov-")


class Regions(Sandboxed):
    def describe_regions(self) -> ActionResult:
        """The enabled regions; with AllRegions all of them, and by name any."""
        self.error_on_dryrun()
        every = [region.name for region in self.ec2_backend.regions if not region.name.startswith(OTHER_PARTITIONS)]
        named = self._get_param("RegionNames", [])
        if unknown := [name for name in named if name not in every]:
            raise ApiError("InvalidParameterValue", f"Invalid region provided: {', '.join(unknown)}")
        shown = named or (every if self._get_param("AllRegions", False) else ENABLED)
        filters = self._filters_from_querystring()
        return ActionResult({"Regions": [entry for name in sorted(shown) if _passes(entry := _entry(name), filters)]})


def _entry(name: str) -> dict[str, str]:
    status = "opt-in-not-required" if name in ENABLED else "not-opted-in"
    return {"RegionName": name, "Endpoint": f"ec2.{name}.amazonaws.com", "OptInStatus": status}


def _passes(entry: dict[str, str], filters: dict[str, Any]) -> bool:
    keys = {"region-name": "RegionName", "endpoint": "Endpoint", "opt-in-status": "OptInStatus"}
    for name, wanted in filters.items():
        if name not in keys:
            raise invalid(name)
        if not matches(entry[keys[name]], wanted):
            return False
    return True
