"""Filters: right results or 400, never 500."""

from __future__ import annotations

from typing import Any

import pytest

from tests.sandbox_api.support import Sandbox, refused


def found(sandbox: Sandbox, name: str, *values: str) -> int:
    answer = sandbox.ec2.describe_instances(Filters=[{"Name": name, "Values": list(values)}])
    return sum(len(reservation["Instances"]) for reservation in answer["Reservations"])


@pytest.mark.parametrize(
    ("name", "hit", "miss"),
    [
        ("instance-type", "g4dn.*", "p?.*"),
        ("instance-state-name", "pending", "stopped"),
        ("instance-state-name", "*ing", "terminated"),
        ("tag:Name", "gpu-*", "cpu-*"),
        ("tag-key", "Name", "Owner"),
        ("instance-lifecycle", "spot", "scheduled"),
        ("launch-time", "20*", "19*"),
        ("image-id", "ami-*", "ami-0"),
        ("availability-zone", "us-east-1?", "eu-*"),
        ("root-device-name", "/dev/sda1", "/dev/xvda"),
        ("metadata-options.http-tokens", "required", "optional"),
        ("vpc-id", "vpc-*", "vpc-0"),
    ],
)
def test_instances_are_found_by(sandbox: Sandbox, name: str, hit: str, miss: str) -> None:
    sandbox.use("state_times: {pending: 60}")
    sandbox.run(
        InstanceMarketOptions={"MarketType": "spot"},
        MetadataOptions={"HttpTokens": "required"},
        TagSpecifications=[{"ResourceType": "instance", "Tags": [{"Key": "Name", "Value": "gpu-1"}]}],
    )
    assert found(sandbox, name, hit) == 1
    assert found(sandbox, name, miss) == 0


@pytest.mark.parametrize(
    "call",
    ["describe_instances", "describe_volumes", "describe_network_interfaces", "describe_security_groups"],
)
def test_an_unknown_filter_is_a_400(sandbox: Sandbox, call: str) -> None:
    sandbox.run()
    with refused("InvalidParameterValue"):
        getattr(sandbox.ec2, call)(Filters=[{"Name": "colour", "Values": ["red"]}])


@pytest.mark.parametrize(
    ("call", "key"),
    [
        ("describe_volumes", "Volumes"),
        ("describe_network_interfaces", "NetworkInterfaces"),
        ("describe_security_groups", "SecurityGroups"),
    ],
)
def test_tag_wildcards_find_every_kind(sandbox: Sandbox, call: str, key: str) -> None:
    def tags(*kinds: str) -> list[dict[str, Any]]:
        return [{"ResourceType": kind, "Tags": [{"Key": "gpucloud-run", "Value": "run-77"}]} for kind in kinds]

    sandbox.ec2.create_security_group(GroupName="g", Description="d", TagSpecifications=tags("security-group"))
    sandbox.run(TagSpecifications=tags("volume", "network-interface"))
    answer = getattr(sandbox.ec2, call)(Filters=[{"Name": "tag:gpucloud-run", "Values": ["run-*", "other"]}])
    assert len(answer[key]) == 1
    answer = getattr(sandbox.ec2, call)(Filters=[{"Name": "tag:gpucloud-run", "Values": ["RUN-*"]}])
    assert answer[key] == []


def test_images_are_found_by_name_and_owner(sandbox: Sandbox) -> None:
    images = sandbox.ec2.describe_images(
        Owners=["099720109477"],
        Filters=[{"Name": "name", "Values": ["ubuntu/images/hvm-ssd*/ubuntu-*-24.04-amd64-server-*"]}],
    )["Images"]
    assert [image["Architecture"] for image in images] == ["x86_64"]
