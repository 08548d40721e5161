"""The two things that a launch makes: a security group and an instance, which brings its volume and interface."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from gpucloud.errors import CapacityError, GpucloudError
from gpucloud.machine import TAG_RUN, Spec
from gpucloud.providers.aws.clients import Clients
from gpucloud.providers.aws.describe import tagged, tags_for, to_aws
from gpucloud.providers.aws.errors import code_of, translated
from gpucloud.providers.aws.images import Image
from gpucloud.providers.aws.network import Subnet, port_22_from
from gpucloud.providers.aws.resources import found
from gpucloud.saga import CONSISTENCY_WINDOW
from gpucloud.waiting import Waiter

LONGEST_TOKEN = 64
"""Characters that EC2 allows in a ClientToken."""
NOT_SEEN_YET = ("InvalidGroup.NotFound", "InvalidGroupId.NotFound", "InvalidSecurityGroupID.NotFound")


@dataclass(frozen=True)
class Plan:
    """What a preflight learnt: the subnets to try, in order, the image, and who may reach port 22."""

    subnets: tuple[Subnet, ...]
    image: Image
    ssh_from: str


def request(spec: Spec, run: str, subnet: Subnet, image: Image, group: str) -> dict[str, Any]:
    """The parameters of RunInstances for one subnet. Without a `group` the VPC's own one is meant."""
    tags = to_aws(tags_for(spec, run))
    kinds = ["instance", "volume", "network-interface"] + ["spot-instances-request"] * spec.spot
    interface: dict[str, Any] = {
        "DeviceIndex": 0,
        "SubnetId": subnet.id,
        "AssociatePublicIpAddress": True,
        "DeleteOnTermination": True,
    }
    if group:
        interface["Groups"] = [group]
    disk = {"VolumeSize": spec.disk_gb, "VolumeType": "gp3", "Encrypted": True, "DeleteOnTermination": True}
    # A one-time spot instance cannot be stopped, and a poweroff by the kill switch has to end the costs.
    ends = spec.spot or spec.ttl_minutes is not None
    wanted: dict[str, Any] = {
        "ImageId": image.id,
        "InstanceType": spec.type,
        "MinCount": 1,
        "MaxCount": 1,
        "ClientToken": client_token(run, subnet.zone),
        "UserData": spec.user_data,
        "NetworkInterfaces": [interface],
        "BlockDeviceMappings": [{"DeviceName": image.root_device, "Ebs": disk}],
        "MetadataOptions": {"HttpTokens": "required", "HttpPutResponseHopLimit": 2, "HttpEndpoint": "enabled"},
        "InstanceInitiatedShutdownBehavior": "terminate" if ends else "stop",
        "TagSpecifications": [{"ResourceType": kind, "Tags": tags} for kind in kinds],
    }
    if spec.spot:
        options = {"SpotInstanceType": "one-time", "InstanceInterruptionBehavior": "terminate"}
        wanted["InstanceMarketOptions"] = {"MarketType": "spot", "SpotOptions": options}
    return wanted


def client_token(run: str, zone: str) -> str:
    """The idempotency token of the attempt in one zone: EC2 makes one instance for it, however often it is asked."""
    token = f"gpucloud-{run}-instance-{zone}"
    return token if len(token) <= LONGEST_TOKEN else hashlib.sha256(token.encode()).hexdigest()


@dataclass(frozen=True)
class Launch:
    """Carries out one launch."""

    clients: Clients
    waiter: Waiter
    spec: Spec
    run: str

    def make_group(self, name: str, plan: Plan) -> str:
        """A security group that lets the planned addresses reach port 22, and nothing else; its id."""
        group = self._group(name, plan.subnets[0].vpc)
        ec2, rule = self.clients.ec2(self.spec.region), port_22_from(plan.ssh_from)

        def allow() -> str:
            with translated(f"open port 22 for {plan.ssh_from}"):
                ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=rule)
            return group

        try:
            return self._once_visible(allow)
        except GpucloudError as exc:
            if code_of(exc) != "InvalidPermission.Duplicate":  # the answer to an earlier attempt was lost
                raise
        return group

    def _group(self, name: str, vpc: str) -> str:
        """The id of a new group, or of the one whose creation succeeded although its answer was lost."""
        spec = self.spec
        tags = [{"ResourceType": "security-group", "Tags": to_aws(tags_for(spec, self.run))}]
        try:
            with translated(f"make a security group in {spec.region}"):
                made = self.clients.ec2(spec.region).create_security_group(
                    GroupName=name, Description=f"gpucloud: ssh to {spec.name}", VpcId=vpc, TagSpecifications=tags
                )
        except GpucloudError as exc:
            if code_of(exc) != "InvalidGroup.Duplicate":
                raise
            ours = found(self.clients, spec.region, "security-group", tagged(TAG_RUN, self.run))
            if not ours:
                raise
            return ours[0].id
        return str(made["GroupId"])

    def make_instance(self, group: str, plan: Plan) -> dict[str, str]:
        """The facts of a new instance, from the first zone that has one.

        Raises CapacityError with every attempt when no zone has. Other errors end it at once: quota is regional.
        """
        attempts: list[tuple[str, str]] = []
        for subnet in plan.subnets:
            try:
                made = self._once_visible(partial(self._run_instances, group, plan, subnet))
            except CapacityError as exc:
                attempts.append((subnet.zone, exc.why))
                continue
            attempts.append((subnet.zone, ""))
            return {"id": made, "zone": subnet.zone, "region": self.spec.region, "attempts": json.dumps(attempts)}
        kind = f"{'spot ' if self.spec.spot else ''}{self.spec.type}"
        raise CapacityError(
            f"no {kind} to be had in {self.spec.region}",
            f"{len(attempts)} zone{'s' * (len(attempts) != 1)} tried",
            "try another region or type, or later",
            attempts,
        )

    def _run_instances(self, group: str, plan: Plan, subnet: Subnet) -> str:
        wanted = request(self.spec, self.run, subnet, plan.image, group)
        with translated(f"launch {self.spec.type} in {subnet.zone}"):
            made = self.clients.ec2(self.spec.region).run_instances(**wanted)
        return str(made["Instances"][0]["InstanceId"])

    def _once_visible(self, call: Callable[[], str]) -> str:
        """The call's answer, asked again while EC2 does not see the group that it has just made."""
        last: list[GpucloudError] = []

        def attempt() -> str:
            last.clear()
            try:
                return call()
            except GpucloudError as exc:
                if code_of(exc) not in NOT_SEEN_YET:
                    raise
                last.append(exc)
                return ""

        answer = self.waiter.until(attempt, CONSISTENCY_WINDOW)
        if not answer:
            raise last[0]
        return answer
