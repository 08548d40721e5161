"""What a launch on AWS makes, what it tries, and what it never does."""

from __future__ import annotations

import json
from typing import Any

import pytest
from botocore.exceptions import ReadTimeoutError
from botocore.httpsession import URLLib3Session

from gpucloud.errors import CapacityError, CloudError, PreflightFailed, QuotaError
from gpucloud.machine import TAG_NAME, TAG_RUN
from gpucloud.providers.aws.describe import from_aws
from gpucloud.providers.aws.images import Image
from gpucloud.providers.aws.launch import LONGEST_TOKEN, client_token, request
from gpucloud.providers.aws.network import Subnet, port_22_from
from gpucloud.providers.aws.provider import AwsProvider
from gpucloud.providers.aws.settings import AwsSettings
from gpucloud.waiting import Waiter
from tests.providers.support import Cloud

pytestmark = pytest.mark.slow


def aws_provider(aws: Cloud, waiter: Waiter | None = None) -> AwsProvider:
    return AwsProvider(AwsSettings(**aws.settings), aws.region, (), waiter)


def runs(aws: Cloud) -> list[dict[str, Any]]:
    return [call for call in aws.calls() if call["action"] == "RunInstances" and not call["dry_run"]]


def test_everything_made_carries_the_tags(aws: Cloud) -> None:
    provider = aws_provider(aws)
    aws.launch(provider)
    ec2 = provider._clients.ec2(aws.region)
    made = [
        ec2.describe_instances()["Reservations"][0]["Instances"][0],
        *ec2.describe_volumes()["Volumes"],
        *ec2.describe_network_interfaces()["NetworkInterfaces"],
        *ec2.describe_security_groups(Filters=[{"Name": "group-name", "Values": ["gpucloud-*"]}])["SecurityGroups"],
    ]
    assert len(made) == 4
    for tags in map(from_aws, made):
        assert (tags[TAG_RUN], tags[TAG_NAME], tags["Name"]) == ("run1", "one", "one")


def test_the_machine_is_as_safe_as_promised(aws: Cloud) -> None:
    provider = aws_provider(aws)
    machine_id = aws.launch(provider, aws.spec(disk_gb=70))
    ec2 = provider._clients.ec2(aws.region)
    instance = ec2.describe_instances(InstanceIds=[machine_id])["Reservations"][0]["Instances"][0]
    assert instance["MetadataOptions"]["HttpTokens"] == "required"
    assert instance["MetadataOptions"]["HttpPutResponseHopLimit"] == 2
    assert "KeyName" not in instance
    (volume,) = ec2.describe_volumes()["Volumes"]
    assert (volume["VolumeType"], volume["Encrypted"], volume["Size"]) == ("gp3", True, 70)
    (group,) = ec2.describe_security_groups(GroupIds=[instance["SecurityGroups"][0]["GroupId"]])["SecurityGroups"]
    (rule,) = group["IpPermissions"]
    assert (rule["FromPort"], rule["ToPort"]) == (22, 22)
    assert [one["CidrIp"] for one in rule["IpRanges"]] == ["127.0.0.1/32"]


@pytest.mark.parametrize(
    ("fields", "behaviour"),
    [({}, "stop"), ({"ttl_minutes": 60}, "terminate"), ({"spot": True}, "terminate")],
)
def test_a_poweroff_ends_the_costs_of_machines_with_a_lifetime(
    aws: Cloud, fields: dict[str, Any], behaviour: str
) -> None:
    wanted = request(aws.spec(**fields), "run1", Subnet("subnet-1", "us-east-1a", "vpc-1"), Image("ami-1"), "sg-1")
    assert wanted["InstanceInitiatedShutdownBehavior"] == behaviour


def test_the_client_token_differs_by_zone_and_fits() -> None:
    assert client_token("r1", "us-east-1a") == "gpucloud-r1-instance-us-east-1a"
    long = {client_token("r" * 60, zone) for zone in ("us-east-1a", "us-east-1b")}
    assert len(long) == 2
    assert {len(token) for token in long} == {LONGEST_TOKEN}


def test_ssh_rules_for_both_kinds_of_address() -> None:
    assert port_22_from("203.0.113.7/32")[0]["IpRanges"] == [{"CidrIp": "203.0.113.7/32", "Description": "ssh"}]
    assert port_22_from("2001:db8::1/128")[0]["Ipv6Ranges"] == [{"CidrIpv6": "2001:db8::1/128", "Description": "ssh"}]


def test_a_full_zone_is_followed_by_the_next_and_recorded(aws: Cloud) -> None:
    aws.use("capacity: [{zone: '*a', machines: 0}]")
    provider = aws.provider()
    group, instance = provider.launch_steps(aws.spec(), "run1")
    facts = instance.do(group.do({}))
    attempts = json.loads(facts["attempts"])
    assert facts["zone"] == "us-east-1b"
    assert [zone for zone, _ in attempts] == ["us-east-1a", "us-east-1b"]
    assert "InsufficientInstanceCapacity" in attempts[0][1]
    assert len(runs(aws)) == 2, "a full zone is asked once"


def test_no_capacity_anywhere_names_every_zone(aws: Cloud) -> None:
    aws.use("capacity: [{type: 'g*', machines: 0}]")
    group, instance = aws.provider().launch_steps(aws.spec(), "run1")
    facts = group.do({})
    with pytest.raises(CapacityError) as caught:
        instance.do(facts)
    zones = [zone for zone, _ in caught.value.attempts]
    assert len(zones) == len(set(zones)) == len(runs(aws)) > 1


def test_a_quota_error_is_not_tried_in_other_zones(aws: Cloud) -> None:
    provider = aws.provider()
    assert provider.preflight(aws.spec()) == []
    aws.use("quota: {L-DB2E81BA: 0}")
    group, instance = provider.launch_steps(aws.spec(), "run1")
    facts = group.do({})
    with pytest.raises(QuotaError):
        instance.do(facts)
    assert len(runs(aws)) == 1


def test_a_launch_without_a_preflight_does_it_first(aws: Cloud) -> None:
    group, _ = aws.provider().launch_steps(aws.spec(disk_gb=10), "run1")
    with pytest.raises(PreflightFailed, match="disk"):
        group.do({})
    assert [call["action"] for call in aws.calls() if call["mutating"] and not call["dry_run"]] == []


def test_a_lost_answer_of_run_instances_makes_no_second_machine(aws: Cloud) -> None:
    provider = aws_provider(aws)
    lost: list[str] = []

    def lose_the_first_answer(request: Any, **_: object) -> None:
        if lost or "DryRun" in str(request.body):
            return
        lost.append(request.url)
        session = URLLib3Session()
        session.send(request)
        session.close()
        raise ReadTimeoutError(endpoint_url=request.url)

    provider.preflight(aws.spec())
    provider._clients.ec2(aws.region).meta.events.register("before-send.ec2.RunInstances", lose_the_first_answer)
    machine_id = aws.launch(provider)
    assert lost
    assert len(runs(aws)) == 2
    assert [machine.id for machine in provider.list()] == [machine_id]


def test_a_group_whose_answer_was_lost_is_found_again(aws: Cloud) -> None:
    group, _ = aws.provider().launch_steps(aws.spec(), "run1")
    assert group.do({}) == group.do({})


def test_an_interface_is_waited_for_while_its_machine_ends(aws: Cloud) -> None:
    """EC2 says InvalidParameterValue of an attached interface, and takes it away together with the machine."""
    provider = aws.provider()
    machine_id = aws.launch(provider)
    (interface,) = [each for each in provider.resources("run1") if each.kind == "network-interface"]
    provider.terminate(machine_id)
    provider.delete(interface)
    assert "network-interface" not in {each.kind for each in provider.resources("run1")}
    refusals = [call["error"] for call in aws.calls() if call["action"] == "DeleteNetworkInterface"]
    assert refusals[0] == "InvalidParameterValue"


def test_the_run_id_of_a_machine_that_is_gone_cannot_be_used_again(aws: Cloud) -> None:
    provider = aws.provider()
    machine_id = aws.launch(provider)
    for resource in provider.resources("run1"):
        provider.delete(resource)
    assert machine_id not in {machine.id for machine in provider.list()}
    with pytest.raises(CloudError) as caught:
        aws.launch(provider)
    assert "--run-id" in caught.value.remedy


def test_a_rehearsal_uses_up_no_client_token(aws: Cloud) -> None:
    provider, sent = aws_provider(aws), []
    events = provider._clients.ec2(aws.region).meta.events
    events.register("before-send.ec2.RunInstances", lambda request, **_: sent.append(str(request.body)))
    provider.preflight(aws.spec())
    assert len(sent) == 1 and "DryRun" in sent[0]
    assert "gpucloud-preflight" not in sent[0]


def test_spot_is_one_time_and_cannot_be_stopped(aws: Cloud) -> None:
    provider = aws.provider()
    machine_id = aws.launch(provider, aws.spec(spot=True))
    assert provider.get(machine_id).spot
    with pytest.raises(CloudError, match="one-time"):
        provider.stop(machine_id)
    for resource in provider.resources("run1"):
        provider.delete(resource)
    assert provider.resources("run1") == []


def test_spot_never_falls_back_to_on_demand(aws: Cloud) -> None:
    aws.use("capacity: [{type: 'g*', machines: 0}]")
    group, instance = aws.provider().launch_steps(aws.spec(spot=True), "run1")
    facts = group.do({})
    with pytest.raises(CapacityError, match="no spot g4dn.xlarge"):
        instance.do(facts)


def test_undo_of_a_recorded_machine_waits_for_a_lagging_listing(aws: Cloud) -> None:
    aws.use("consistency_lag: 0.6")
    provider = aws.provider()
    steps = provider.launch_steps(aws.spec(), "run1")
    facts: dict[str, str] = {}
    for step in steps:
        facts.update(step.do(facts))
    assert [step.undo(facts) for step in reversed(steps)] == [True, True]
    aws.use("")
    assert provider.resources("run1") == []


def test_throttled_calls_are_repeated(aws: Cloud) -> None:
    aws.use("throttling: [{action: '*', first: 1}]")
    provider = aws.provider()
    assert provider.preflight(aws.spec()) == []
    assert aws.launch(provider)
