"""What RunInstances refuses: image, type, architecture, zone, quota, capacity, network."""

from __future__ import annotations

import pytest

from tests.sandbox_api.support import Sandbox, refused


def test_an_image_that_does_not_exist_is_refused(sandbox: Sandbox) -> None:
    with refused("InvalidAMIID.NotFound"):
        sandbox.run(ImageId="ami-00000000000000000")
    with refused("InvalidAMIID.Malformed"):
        sandbox.run(ImageId="ubuntu")


def test_a_type_that_does_not_exist_is_refused(sandbox: Sandbox) -> None:
    with refused("InvalidParameterValue") as error:
        sandbox.run(InstanceType="g4dn.huge")
    assert "g4dn.huge" in error.message
    with refused("InvalidInstanceType"):
        sandbox.ec2.describe_instance_types(InstanceTypes=["g4dn.huge"])


def test_an_arm_machine_does_not_boot_an_intel_image(sandbox: Sandbox) -> None:
    with refused("InvalidParameterValue"):
        sandbox.run(InstanceType="g5g.xlarge")


def test_a_zone_that_does_not_offer_the_type_is_refused_and_the_others_are_named(sandbox: Sandbox) -> None:
    sandbox.use('offerings: [{type: "g4dn.*", zone: us-east-1c, offered: false}]')
    with refused("Unsupported") as error:
        sandbox.run(Placement={"AvailabilityZone": "us-east-1c"})
    assert "us-east-1a" in error.message
    offered = sandbox.ec2.describe_instance_type_offerings(
        LocationType="availability-zone", Filters=[{"Name": "instance-type", "Values": ["g4dn.xlarge"]}]
    )
    assert "us-east-1c" not in {offer["Location"] for offer in offered["InstanceTypeOfferings"]}


def test_a_type_that_the_region_lacks_is_unsupported(sandbox: Sandbox) -> None:
    sandbox.use('offerings: [{type: "g4dn.*", offered: false}]')
    with refused("Unsupported"):
        sandbox.run()


def test_offerings_follow_wildcards_and_locations(sandbox: Sandbox) -> None:
    found = sandbox.ec2.describe_instance_type_offerings(
        LocationType="availability-zone",
        Filters=[{"Name": "instance-type", "Values": ["g4dn.*"]}, {"Name": "location", "Values": ["us-east-1a"]}],
    )["InstanceTypeOfferings"]
    assert {offer["Location"] for offer in found} == {"us-east-1a"}
    assert {"g4dn.xlarge", "g4dn.metal"} <= {offer["InstanceType"] for offer in found}


def test_an_unknown_zone_is_refused(sandbox: Sandbox) -> None:
    with refused("InvalidParameterValue"):
        sandbox.run(Placement={"AvailabilityZone": "us-east-1z"})


def test_the_quota_counts_running_vcpus(sandbox: Sandbox) -> None:
    sandbox.use("quota: {L-DB2E81BA: 4}")
    machine = sandbox.run()["InstanceId"]
    with refused("VcpuLimitExceeded"):
        sandbox.run()
    sandbox.ec2.terminate_instances(InstanceIds=[machine])
    assert sandbox.reaches(machine, "terminated")
    assert sandbox.run()["InstanceId"] != machine


def test_spot_has_a_quota_of_its_own(sandbox: Sandbox) -> None:
    sandbox.use("quota: {L-3819A6DF: 0}")
    with refused("MaxSpotInstanceCountExceeded"):
        sandbox.run(InstanceMarketOptions={"MarketType": "spot"})
    assert sandbox.run()["InstanceId"]


def test_a_full_zone_has_no_capacity_and_the_next_one_has(sandbox: Sandbox) -> None:
    sandbox.use('capacity: [{type: "g4dn.*", zone: us-east-1a, machines: 0}]')
    with refused("InsufficientInstanceCapacity", status=500):
        sandbox.run(Placement={"AvailabilityZone": "us-east-1a"})
    assert sandbox.run(Placement={"AvailabilityZone": "us-east-1b"})["Placement"]["AvailabilityZone"] == "us-east-1b"
    assert sandbox.run()["Placement"]["AvailabilityZone"] == "us-east-1b"


def test_a_stopped_machine_may_find_its_place_taken(sandbox: Sandbox) -> None:
    sandbox.use("capacity: [{zone: us-east-1a, machines: 1}]")
    zone = {"AvailabilityZone": "us-east-1a"}
    first = sandbox.run(Placement=zone)["InstanceId"]
    sandbox.ec2.stop_instances(InstanceIds=[first])
    assert sandbox.reaches(first, "stopped")
    sandbox.run(Placement=zone)
    with refused("InsufficientInstanceCapacity", status=500):
        sandbox.ec2.start_instances(InstanceIds=[first])


def test_without_a_default_vpc_only_a_named_subnet_works(sandbox: Sandbox) -> None:
    sandbox.use("no_default_vpc: true")
    assert sandbox.ec2.describe_vpcs()["Vpcs"] == []
    assert sandbox.ec2.describe_subnets()["Subnets"] == []
    with refused("VPCIdNotSpecified"):
        sandbox.run()
    with refused("VPCIdNotSpecified"):
        sandbox.ec2.create_security_group(GroupName="gpucloud", Description="d")
    vpc = sandbox.ec2.create_vpc(CidrBlock="10.9.0.0/16")["Vpc"]["VpcId"]
    subnet = sandbox.ec2.create_subnet(VpcId=vpc, CidrBlock="10.9.1.0/24", AvailabilityZone="us-east-1b")["Subnet"]
    assert sandbox.run(SubnetId=subnet["SubnetId"])["Placement"]["AvailabilityZone"] == "us-east-1b"


def test_a_key_pair_that_does_not_exist_is_refused(sandbox: Sandbox) -> None:
    with refused("InvalidKeyPair.NotFound"):
        sandbox.run(KeyName="nobody")


def test_user_data_has_a_limit(sandbox: Sandbox) -> None:
    assert sandbox.run(UserData="x" * 16384)["InstanceId"]
    with refused("InvalidParameterValue"):
        sandbox.run(UserData="x" * 16385)


@pytest.mark.parametrize("group", [["sg-00000000000000000"]])
def test_a_group_that_does_not_exist_is_refused(sandbox: Sandbox, group: list[str]) -> None:
    with refused("InvalidGroup.NotFound"):
        sandbox.run(SecurityGroupIds=group)
    with refused("InvalidGroup.NotFound"):
        sandbox.run(NetworkInterfaces=[{"DeviceIndex": 0, "Groups": group, "AssociatePublicIpAddress": True}])
    assert not sandbox.ask("inventory")["network-interface"]
