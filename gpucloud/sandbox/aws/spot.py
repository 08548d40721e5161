"""Spot. moto marks the instance and makes no request for it; its price history is 0.00001 USD of 2006."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from moto.core.responses import ActionResult
from moto.ec2.utils import random_spot_request_id

from gpucloud.sandbox.aws import prices, types
from gpucloud.sandbox.aws.base import Sandboxed
from gpucloud.sandbox.aws.filters import invalid, matches
from gpucloud.sandbox.aws.instance import TimedInstance
from gpucloud.sandbox.aws.wire import ApiError


class Spot(Sandboxed):
    def run_instances(self) -> ActionResult:
        result = super().run_instances()
        for instance in result.result.instances:  # type: ignore[attr-defined]
            if instance.lifecycle == "spot":
                instance.spot_instance_request_id = random_spot_request_id()
        return result

    def describe_spot_instance_requests(self) -> ActionResult:
        wanted = self._get_param("SpotInstanceRequestIds", [])
        requests = {request["SpotInstanceRequestId"]: request for request in self._requests()}
        for request_id in wanted:
            if request_id not in requests:
                raise ApiError(
                    "InvalidSpotInstanceRequestID.NotFound",
                    f"The spot instance request ID '{request_id}' does not exist",
                )
        chosen = [requests[request_id] for request_id in wanted] if wanted else list(requests.values())
        for name, patterns in self._filters_from_querystring().items():
            chosen = [request for request in chosen if matches(_filter_value(request, name), patterns)]
        return ActionResult({"SpotInstanceRequests": chosen})

    def cancel_spot_instance_requests(self) -> ActionResult:
        wanted = self._get_param("SpotInstanceRequestIds", [])
        for instance in self._spot_instances():
            if instance.spot_instance_request_id in wanted and not instance.gone:
                instance.spot_status = "request-canceled-and-instance-running"
        cancelled = [{"SpotInstanceRequestId": request_id, "State": "cancelled"} for request_id in wanted]
        return ActionResult({"CancelledSpotInstanceRequests": cancelled})

    def describe_spot_price_history(self) -> ActionResult:
        zones = self._filters_from_querystring().get("availability-zone", ["*"])
        if zone := self._get_param("AvailabilityZone"):
            zones = [zone]
        history = [
            {
                "AvailabilityZone": zone,
                "InstanceType": type_name,
                "ProductDescription": "Linux/UNIX",
                "SpotPrice": f"{price:.6f}",
                "Timestamp": datetime.now(UTC),
            }
            for type_name in self._get_param("InstanceTypes", [])
            for zone in types.offered(self.world.shared.scenario, self.region, type_name)
            if matches(zone, zones) and (price := prices.spot(self.region, zone, type_name))
        ]
        return ActionResult({"SpotPriceHistory": history})

    def _spot_instances(self) -> list[TimedInstance]:
        reservations = self.ec2_backend.reservations.values()
        return [i for reservation in reservations for i in reservation.instances if i.spot_instance_request_id]

    def _requests(self) -> list[dict[str, Any]]:
        return [_request(instance) for instance in self._spot_instances()]


def _request(instance: TimedInstance) -> dict[str, Any]:
    cancelled = instance.spot_status.startswith("request-canceled")
    closed = instance.spot_status == "instance-terminated-by-user"
    return {
        "SpotInstanceRequestId": instance.spot_instance_request_id,
        "InstanceId": instance.id,
        "State": "cancelled" if cancelled else "closed" if closed else "active",
        "Status": {"Code": instance.spot_status, "Message": "[simulated]", "UpdateTime": datetime.now(UTC)},
        "Type": "one-time",
        "CreateTime": instance.launch_time,
        "LaunchedAvailabilityZone": instance.placement.zone,
        "ProductDescription": "Linux/UNIX",
        "InstanceInterruptionBehavior": "terminate",
        "Tags": [{"Key": tag["key"], "Value": tag["value"]} for tag in instance.get_tags()],
        "LaunchSpecification": {"ImageId": instance.image_id, "InstanceType": instance.instance_type},
    }


def _filter_value(request: dict[str, Any], name: str) -> Any:
    tags = {tag["Key"]: tag["Value"] for tag in request["Tags"]}
    if name.startswith("tag:"):
        return tags.get(name.removeprefix("tag:"))
    fields = {
        "tag-key": list(tags),
        "spot-instance-request-id": request["SpotInstanceRequestId"],
        "instance-id": request["InstanceId"],
        "state": request["State"],
        "status-code": request["Status"]["Code"],
        "launched-availability-zone": request["LaunchedAvailabilityZone"],
    }
    if name not in fields:
        raise invalid(name)
    return fields[name]
