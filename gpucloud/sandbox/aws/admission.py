"""What RunInstances and StartInstances refuse. moto accepts any type in any zone, and has no quota or capacity."""

from __future__ import annotations

import base64
from typing import Any

from moto.core.responses import ActionResult
from moto.ec2.models.instance_types import INSTANCE_TYPES

from gpucloud.sandbox.aws import types
from gpucloud.sandbox.aws.base import Sandboxed
from gpucloud.sandbox.aws.instance import PENDING, RUNNING
from gpucloud.sandbox.aws.wire import ApiError

MOST_USER_DATA = 16 * 1024  # bytes before base64 (EC2 user guide, "Instance user data")


class Admission(Sandboxed):
    def run_instances(self) -> ActionResult:
        type_name, image = self._get_param("InstanceType", "m1.small"), self._image()
        self._check_type(type_name, image)
        zone = self._zone_asked()
        self._check_groups()
        self._check_access()
        self.error_on_dryrun()
        zones = self._offered(type_name, zone)
        spot = self._get_param("InstanceMarketOptions.MarketType") == "spot"
        self.check_quota(type_name, spot, int(self._get_param("MinCount", 1)))
        self._place(self.check_capacity(type_name, zones), asked=bool(zone))
        return super().run_instances()

    def check_quota(self, type_name: str, spot: bool, count: int) -> None:
        """Running vCPUs of the bucket and the new ones, against the quota. Raises VcpuLimitExceeded."""
        code = types.quota_code(type_name, spot)
        limit = types.quota(self.world.shared.scenario, code)
        used = sum(
            types.vcpus(machine.instance_type)
            for machine in self._running()
            if types.quota_code(machine.instance_type, machine.lifecycle == "spot") == code
        )
        if used + count * types.vcpus(type_name) <= limit:
            return
        if spot:
            raise ApiError("MaxSpotInstanceCountExceeded", "Max spot instance count exceeded")
        raise ApiError(
            "VcpuLimitExceeded",
            f"You have requested more vCPU capacity than your current vCPU limit of {limit} allows for the instance "
            "bucket that the specified instance type belongs to. Please visit "
            "http://aws.amazon.com/contact-us/ec2-request to request an adjustment to this limit.",
        )

    def check_capacity(self, type_name: str, zones: list[str]) -> str:
        """The first of the zones with room for one more. Raises InsufficientInstanceCapacity."""
        running = self._running()
        for zone in zones:
            if types.room(self.world.shared.scenario, type_name, zone, running):
                return zone
        raise ApiError(
            "InsufficientInstanceCapacity",
            f"We currently do not have sufficient {type_name} capacity in the Availability Zone you requested "
            f"({zones[0]}). Our system will be working on provisioning additional capacity.",
            500,
        )

    def _running(self) -> list[Any]:
        return [machine for machine in self.alive() if machine.state_code in (PENDING, RUNNING)]

    def _image(self) -> Any:
        image_id = self._get_param("ImageId", "")
        if not image_id.startswith("ami-"):
            raise ApiError("InvalidAMIID.Malformed", f'Invalid id: "{image_id}" (expecting "ami-...")')
        image = self.ec2_backend.amis.get(image_id)
        if image is None:
            raise ApiError("InvalidAMIID.NotFound", f"The image id '[{image_id}]' does not exist")
        return image

    def _check_type(self, type_name: str, image: Any) -> None:
        if type_name not in INSTANCE_TYPES:
            raise ApiError("InvalidParameterValue", f"Invalid value '{type_name}' for InstanceType.")
        architectures = INSTANCE_TYPES[type_name]["ProcessorInfo"]["SupportedArchitectures"]
        if image.architecture not in architectures:
            raise ApiError(
                "InvalidParameterValue",
                f"The architecture '{','.join(architectures)}' of the specified instance type does not match the "
                f"architecture '{image.architecture}' of the specified AMI. Specify an instance type and an AMI that "
                "have matching architectures, and try again.",
            )

    def _subnet_id(self) -> str:
        interfaces = self._get_param("NetworkInterfaces", [])
        return self._get_param("SubnetId") or next((n["SubnetId"] for n in interfaces if "SubnetId" in n), "")

    def _zone_asked(self) -> str:
        """The zone that the subnet or the placement names. Raises for unknown ones and without a default VPC."""
        if subnet := self._subnet_id():
            return str(self.ec2_backend.get_subnet(subnet).availability_zone)
        if self.ec2_backend.get_default_vpc() is None:
            raise ApiError(
                "VPCIdNotSpecified",
                "No default VPC for this user. GroupName is only supported for EC2-Classic and default VPC.",
            )
        zone = self._get_param("Placement.AvailabilityZone", "")
        if zone and self.ec2_backend.get_zone_by_name(zone) is None:
            raise ApiError("InvalidParameterValue", f"Invalid availability zone: [{zone}]")
        return str(zone)

    def _check_groups(self) -> None:
        interfaces = self._get_param("NetworkInterfaces", [])
        named = [*self._get_param("SecurityGroupIds", []), *(g for n in interfaces for g in n.get("Groups") or [])]
        for group in named:
            if self.ec2_backend.get_security_group_from_id(group) is None:
                raise ApiError("InvalidGroup.NotFound", f"The security group '{group}' does not exist")

    def _check_access(self) -> None:
        key, user_data = self._get_param("KeyName"), self._get_param("UserData") or ""
        if key and key not in self.ec2_backend.key_pairs:
            raise ApiError("InvalidKeyPair.NotFound", f"The key pair '{key}' does not exist")
        if len(base64.b64decode(user_data)) > MOST_USER_DATA:
            raise ApiError("InvalidParameterValue", f"User data is limited to {MOST_USER_DATA} bytes")

    def _offered(self, type_name: str, zone: str) -> list[str]:
        zones = types.offered(self.world.shared.scenario, self.region, type_name)
        if zone in zones:
            return [zone]
        if zones and not zone:
            return zones
        others = f"Please retry your request by not specifying an Availability Zone or choosing {', '.join(zones)}."
        raise ApiError(
            "Unsupported",
            f"Your requested instance type ({type_name}) is not supported in your requested Availability Zone "
            f"({zone or self.region}). {others if zones else ''}".strip(),
        )

    def _place(self, zone: str, asked: bool) -> None:
        """EC2 chooses a zone that has room when the call names none; moto always takes the first."""
        if not asked:
            self.params["Placement"] = {**self._get_param("Placement", {}), "AvailabilityZone": zone}
