"""DryRun, denied actions, credentials, throttling, latency, consistency lag, and the log that counts it all."""

from __future__ import annotations

import time

import boto3
from botocore.config import Config

from gpucloud.sandbox.aws.gates import EXPIRED_KEY, INVALID_KEY
from gpucloud.waiting import Waiter
from tests.sandbox_api.support import Sandbox, refused


def test_a_dry_run_makes_nothing_and_is_not_counted_as_a_change(sandbox: Sandbox) -> None:
    with refused("DryRunOperation", status=412):
        sandbox.run(DryRun=True)
    with refused("DryRunOperation", status=412):
        sandbox.ec2.create_security_group(GroupName="g", Description="d", DryRun=True)
    assert not any(sandbox.ask("inventory").values())
    calls = sandbox.ask("calls")
    assert calls["mutating"] == 0
    assert calls["by_action"]["RunInstances"] == 1


def test_calls_that_change_something_are_counted(sandbox: Sandbox) -> None:
    sandbox.run()
    calls = sandbox.ask("calls")
    assert calls["mutating_by_action"] == {"RunInstances": 1}
    assert calls["by_action"] == {"RunInstances": 1, "GetParameter": 1}
    sandbox.ask("calls", method="DELETE")
    assert sandbox.ask("calls")["total"] == 0


def test_a_dry_run_still_finds_a_wrong_image(sandbox: Sandbox) -> None:
    with refused("InvalidAMIID.NotFound"):
        sandbox.run(DryRun=True, ImageId="ami-00000000000000000")


def test_a_denied_action_is_unauthorized_also_as_a_dry_run(sandbox: Sandbox) -> None:
    sandbox.use("denied: [RunInstances, GetServiceQuota]")
    with refused("UnauthorizedOperation", status=403):
        sandbox.run(DryRun=True)
    with refused("AccessDeniedException"):
        sandbox.client("service-quotas").get_service_quota(ServiceCode="ec2", QuotaCode="L-DB2E81BA")


def test_expired_credentials_have_each_services_own_code(sandbox: Sandbox) -> None:
    with refused("RequestExpired"):
        sandbox.client("ec2", access_key=EXPIRED_KEY).describe_instances()
    with refused("ExpiredToken", status=403):
        sandbox.client("sts", access_key=EXPIRED_KEY).get_caller_identity()
    sandbox.use("credentials: expired")
    with refused("ExpiredTokenException"):
        sandbox.image()


def test_invalid_credentials_fail(sandbox: Sandbox) -> None:
    with refused("AuthFailure", status=401):
        sandbox.client("ec2", access_key=INVALID_KEY).describe_instances()
    assert sandbox.client("sts").get_caller_identity()["Account"] == "123456789012"


def test_throttling_passes_when_the_sdk_tries_again(sandbox: Sandbox) -> None:
    sandbox.use("throttling: [{action: DescribeInstances, first: 2}]")
    with refused("RequestLimitExceeded", status=503):
        sandbox.ec2.describe_instances()
    patient = boto3.client(
        "ec2",
        region_name="us-east-1",
        endpoint_url=sandbox.info.endpoint,
        aws_access_key_id=sandbox.info.access_key,
        aws_secret_access_key=sandbox.info.secret_key,
        config=Config(retries={"total_max_attempts": 3}),
    )
    assert patient.describe_instances()["Reservations"] == []
    assert sandbox.ask("calls")["by_action"]["DescribeInstances"] == 3


def test_every_third_call_can_be_throttled(sandbox: Sandbox) -> None:
    sandbox.use("throttling: [{action: DescribeVolumes, every: 3}]")
    sandbox.ec2.describe_volumes()
    sandbox.ec2.describe_volumes()
    with refused("RequestLimitExceeded", status=503):
        sandbox.ec2.describe_volumes()


def test_latency_is_spent_per_action(sandbox: Sandbox) -> None:
    sandbox.use('latency_ms: {"*": 0, DescribeVolumes: 300}')
    ec2 = sandbox.ec2
    began = time.monotonic()
    ec2.describe_volumes()
    assert time.monotonic() - began >= 0.3


def test_what_was_made_a_moment_ago_is_not_seen_yet(sandbox: Sandbox) -> None:
    sandbox.use("consistency_lag: 0.7")
    group = sandbox.ec2.create_security_group(GroupName="g", Description="d")["GroupId"]
    machine = sandbox.run(SecurityGroupIds=[group])["InstanceId"]
    with refused("InvalidInstanceID.NotFound"):
        sandbox.describe(machine)
    assert sandbox.ec2.describe_volumes()["Volumes"] == []
    assert sandbox.ask("inventory")["instance"] == [machine]

    def seen() -> bool:
        return len(sandbox.ec2.describe_instances()["Reservations"]) == 1

    assert Waiter(first=0.05).until(seen, 5)
    assert sandbox.describe(machine)["SecurityGroups"][0]["GroupId"] == group


def test_an_unsigned_request_and_an_unknown_action_are_refused(sandbox: Sandbox) -> None:
    with refused("UnknownOperationException"):
        sandbox.client("ssm").list_commands()
    with refused("UnsupportedOperation"):
        sandbox.ec2.describe_capacity_reservations()


def test_the_callers_address_is_told_in_plain_text(sandbox: Sandbox) -> None:
    import urllib.request

    with urllib.request.urlopen(sandbox.info.checkip) as reply:
        assert reply.read() == b"127.0.0.1\n"
