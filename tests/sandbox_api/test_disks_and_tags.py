"""Root volumes as asked for, and tags from the moment of creation."""

from __future__ import annotations

from typing import Any

from tests.sandbox_api.support import Sandbox, refused

KINDS = ("instance", "volume", "network-interface")


def root(**ebs: Any) -> list[dict[str, Any]]:
    return [{"DeviceName": "/dev/sda1", "Ebs": ebs}]


def test_a_gp3_root_volume_keeps_what_was_asked(sandbox: Sandbox) -> None:
    sandbox.run(BlockDeviceMappings=root(VolumeSize=100, VolumeType="gp3", Iops=4000, Throughput=250, Encrypted=True))
    volume = sandbox.ec2.describe_volumes()["Volumes"][0]
    assert (volume["Size"], volume["VolumeType"], volume["Iops"], volume["Throughput"]) == (100, "gp3", 4000, 250)
    assert volume["Encrypted"] is True


def test_what_the_call_leaves_out_is_as_the_image_says(sandbox: Sandbox) -> None:
    machine = sandbox.run()["InstanceId"]
    volume = sandbox.ec2.describe_volumes()["Volumes"][0]
    assert (volume["Size"], volume["VolumeType"]) == (8, "gp2")
    device = sandbox.describe(machine)["BlockDeviceMappings"][0]
    assert (device["DeviceName"], device["Ebs"]["DeleteOnTermination"]) == ("/dev/sda1", True)


def test_a_volume_that_is_to_stay_stays(sandbox: Sandbox) -> None:
    machine = sandbox.run(BlockDeviceMappings=root(DeleteOnTermination=False))["InstanceId"]
    sandbox.ec2.terminate_instances(InstanceIds=[machine])
    assert sandbox.reaches(machine, "terminated")
    left = sandbox.ask("inventory")
    assert len(left["volume"]) == 1
    sandbox.ec2.delete_volume(VolumeId=left["volume"][0])
    assert not any(sandbox.ask("inventory").values())


def test_an_interface_is_in_use_as_long_as_its_machine(sandbox: Sandbox) -> None:
    machine = sandbox.run()["InstanceId"]
    interface = sandbox.describe(machine)["NetworkInterfaces"][0]["NetworkInterfaceId"]
    with refused("InvalidParameterValue"):
        sandbox.ec2.delete_network_interface(NetworkInterfaceId=interface)


def test_a_disk_smaller_than_the_images_is_refused(sandbox: Sandbox) -> None:
    with refused("InvalidBlockDeviceMapping"):
        sandbox.run(BlockDeviceMappings=root(VolumeSize=4))


def test_tags_are_on_everything_that_was_made(sandbox: Sandbox) -> None:
    tags = [{"Key": "gpucloud-run", "Value": "r1"}]
    group = sandbox.ec2.create_security_group(
        GroupName="gpucloud-r1",
        Description="ssh",
        TagSpecifications=[{"ResourceType": "security-group", "Tags": tags}],
    )["GroupId"]
    sandbox.run(SecurityGroupIds=[group], TagSpecifications=[{"ResourceType": k, "Tags": tags} for k in KINDS])
    tagged = sandbox.ec2.describe_tags(Filters=[{"Name": "tag:gpucloud-run", "Values": ["r1"]}])["Tags"]
    assert sorted(tag["ResourceType"] for tag in tagged) == sorted([*KINDS, "security-group"])
    interface = sandbox.ec2.describe_network_interfaces(Filters=[{"Name": "tag:gpucloud-run", "Values": ["r1"]}])
    assert [g["GroupId"] for g in interface["NetworkInterfaces"][0]["Groups"]] == [group]


def test_groups_given_with_the_interface_are_the_instances_groups(sandbox: Sandbox) -> None:
    group = sandbox.ec2.create_security_group(GroupName="gpucloud-r1", Description="ssh")["GroupId"]
    subnet = sandbox.ec2.describe_subnets()["Subnets"][0]["SubnetId"]
    interface = {"DeviceIndex": 0, "SubnetId": subnet, "Groups": [group], "AssociatePublicIpAddress": True}
    machine = sandbox.describe(sandbox.run(NetworkInterfaces=[interface])["InstanceId"])
    assert [g["GroupId"] for g in machine["SecurityGroups"]] == [group]
    assert machine["PublicIpAddress"].startswith("127.77.")


def test_a_group_in_use_cannot_be_deleted_until_the_machine_has_ended(sandbox: Sandbox) -> None:
    sandbox.use("state_times: {shutting_down: 0.5}")
    group = sandbox.ec2.create_security_group(GroupName="gpucloud-r1", Description="ssh")["GroupId"]
    machine = sandbox.run(SecurityGroupIds=[group])["InstanceId"]
    with refused("DependencyViolation"):
        sandbox.ec2.delete_security_group(GroupId=group)
    sandbox.ec2.terminate_instances(InstanceIds=[machine])
    with refused("DependencyViolation"):
        sandbox.ec2.delete_security_group(GroupId=group)
    assert sandbox.reaches(machine, "terminated")
    sandbox.ec2.delete_security_group(GroupId=group)
    assert not any(sandbox.ask("inventory").values())
