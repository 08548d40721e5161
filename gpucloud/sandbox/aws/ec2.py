"""EC2 as the sandbox serves it: moto, under one override for each gap that the product would fall into."""

from __future__ import annotations

import base64
from datetime import UTC, datetime

from moto.core.responses import ActionResult
from moto.core.types import Base64EncodedString

from gpucloud.sandbox.aws import types
from gpucloud.sandbox.aws.base import Sandboxed
from gpucloud.sandbox.aws.disks import Disks
from gpucloud.sandbox.aws.filters import invalid, matches
from gpucloud.sandbox.aws.groups import Groups
from gpucloud.sandbox.aws.power import Power
from gpucloud.sandbox.aws.regions import Regions
from gpucloud.sandbox.aws.spot import Spot
from gpucloud.sandbox.aws.tokens import ClientTokens


class Console(Sandboxed):
    """moto answers a fixed kernel log; ours is the guest's own."""

    def get_console_output(self) -> ActionResult:
        instance = self.ec2_backend.get_instance(self._get_param("InstanceId"))
        text = base64.b64encode(self.world.shared.guests.console(instance.id).encode()).decode()
        return ActionResult(
            {"InstanceId": instance.id, "Timestamp": datetime.now(UTC), "Output": Base64EncodedString(text)}
        )


class Offerings(Sandboxed):
    """moto's offerings, with those of the scenario."""

    def describe_instance_type_offerings(self) -> ActionResult:
        filters = self._filters_from_querystring()
        for name in filters:
            if name not in ("instance-type", "location"):
                raise invalid(name)
        kind = self._get_param("LocationType", "region")
        backend_filters = {"instance-type": filters["instance-type"]} if self._plain(filters) else {}
        offerings = self.ec2_backend.describe_instance_type_offerings("availability-zone", backend_filters)
        pairs = {(offering["InstanceType"], offering["Location"]) for offering in offerings}
        pairs |= {(name, zone) for name in filters.get("instance-type", []) for zone in self._zones(name)}
        pairs = {(name, zone) for name, zone in pairs if zone in self._zones(name)}
        located = {(name, self._location(kind, zone)) for name, zone in pairs}
        return ActionResult(
            {
                "InstanceTypeOfferings": [
                    {"InstanceType": name, "LocationType": kind, "Location": location}
                    for name, location in sorted(located)
                    if matches(name, filters.get("instance-type", ["*"]))
                    and matches(location, filters.get("location", ["*"]))
                ]
            }
        )

    @staticmethod
    def _plain(filters: dict[str, str]) -> bool:
        return "instance-type" in filters and not any("*" in name or "?" in name for name in filters["instance-type"])

    def _zones(self, type_name: str) -> list[str]:
        return types.offered(self.world.shared.scenario, self.region, type_name)

    def _location(self, kind: str, zone: str) -> str:
        if kind == "region":
            return str(self.region)
        return str(self.ec2_backend.get_zone_by_name(zone).zone_id) if kind == "availability-zone-id" else zone


class Ec2(ClientTokens, Spot, Disks, Power, Groups, Console, Offerings, Regions):
    """The order matters: a known token answers first; admission (in Power) refuses before anything is made."""
