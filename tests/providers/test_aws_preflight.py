"""What stands in the way of a launch on AWS: each with its reason, its remedy and its exit code, all at once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from gpucloud.errors import ConfigError, CredentialsError, ExitStatus, UsageError
from gpucloud.providers import registry
from tests.providers.support import Cloud


def problems(aws: Cloud, scenario: str = "", **fields: Any) -> dict[str, tuple[str, str, ExitStatus]]:
    if scenario:
        aws.use(scenario)
    found = aws.provider().preflight(aws.spec(**fields))
    return {problem.what: (problem.why, problem.remedy, problem.status) for problem in found}


def only(found: dict[str, tuple[str, str, ExitStatus]]) -> tuple[str, str, str, ExitStatus]:
    ((what, rest),) = found.items()
    return (what, *rest)


def test_no_quota_says_how_many_and_how_to_ask(aws: Cloud) -> None:
    what, why, remedy, status = only(problems(aws, "quota: {L-DB2E81BA: 0}"))
    assert what == "the quota for g4dn vCPUs in us-east-1 is too small"
    assert why == "g4dn.xlarge needs 4, and 0 of 0 are in use"
    assert "--quota-code L-DB2E81BA --desired-value 4 --region us-east-1" in remedy
    assert status is ExitStatus.CAPACITY


def test_running_machines_count_against_the_quota(aws: Cloud) -> None:
    aws.use("quota: {L-DB2E81BA: 7}")
    aws.launch(aws.provider(), aws.spec("other"))
    _, why, remedy, _ = only(problems(aws))
    assert why == "g4dn.xlarge needs 4, and 4 of 7 are in use"
    assert "--desired-value 8" in remedy


def test_spot_has_a_quota_of_its_own(aws: Cloud) -> None:
    assert problems(aws, "quota: {L-DB2E81BA: 0}", spot=True) == {}
    assert "L-3819A6DF" in only(problems(aws, "quota: {L-3819A6DF: 0}", spot=True))[2]


def test_a_type_that_is_not_offered_names_another_region(aws: Cloud) -> None:
    what, _, remedy, _ = only(problems(aws, "offerings: [{type: 'g4dn.*', offered: false}]"))
    assert what == "g4dn.xlarge is not offered in us-east-1"
    assert "--region us-west-2" in remedy


def test_no_default_vpc_says_how_to_make_one(aws: Cloud) -> None:
    what, _, remedy, _ = only(problems(aws, "no_default_vpc: true"))
    assert what == "no default VPC in us-east-1"
    assert "aws ec2 create-default-vpc --region us-east-1" in remedy


def test_a_missing_permission_to_launch_is_found_by_a_dry_run(aws: Cloud) -> None:
    _, why, remedy, status = only(problems(aws, "denied: [RunInstances]"))
    assert why == "not allowed to call RunInstances"
    assert "doctor --policy aws" in remedy
    assert status is ExitStatus.CREDENTIALS


def test_every_missing_permission_is_named(aws: Cloud) -> None:
    found = problems(aws, "denied: [GetServiceQuota, DescribeSubnets]")
    whys = {why for why, _, _ in found.values()}
    assert {"not allowed to call GetServiceQuota", "not allowed to call DescribeSubnets"} <= whys


@pytest.mark.parametrize(
    ("state", "why"),
    [("expired", "they have expired, or this computer's clock is wrong"), ("invalid", "they are not valid")],
)
def test_bad_credentials_are_one_problem(aws: Cloud, state: str, why: str) -> None:
    what, said, remedy, status = only(problems(aws, f"credentials: {state}"))
    assert (what, said, status) == ("AWS does not accept the credentials", why, ExitStatus.CREDENTIALS)
    assert "aws sso login" in remedy


def test_no_credentials_are_one_problem_and_no_call(aws: Cloud) -> None:
    provider = registry.connect("aws", {"endpoint_url": aws.info.endpoint}, aws.region)
    (problem,) = provider.preflight(aws.spec())
    assert (problem.what, problem.status) == ("no AWS credentials", ExitStatus.CREDENTIALS)
    assert aws.calls() == []
    with pytest.raises(CredentialsError):
        provider.list()


def test_the_sandbox_ignores_the_users_aws_profile(aws: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_PROFILE", "missing")
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    assert problems(aws) == {}


def test_a_missing_profile_is_named(aws: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_PROFILE", "missing")
    (problem,) = registry.connect("aws", {}, aws.region).preflight(aws.spec())
    assert problem.what == "the AWS profile does not exist"


def test_a_disk_that_is_too_small(aws: Cloud) -> None:
    assert only(problems(aws, disk_gb=30))[1:3] == ("30 GB, and 64 are needed", "`--disk 64`")


def test_a_name_that_is_taken(aws: Cloud) -> None:
    aws.launch(aws.provider())
    assert only(problems(aws))[0] == "the name one is taken in us-east-1"


@pytest.mark.parametrize("image", ["ami-0123456789abcdef0", "windows"])
def test_an_image_that_does_not_exist(aws: Cloud, image: str) -> None:
    assert image in only(problems(aws, image=image))[0]


@pytest.mark.parametrize("image", ["ubuntu-22.04", "ubuntu-24.04", "dlami"])
def test_every_alias_is_found(aws: Cloud, image: str) -> None:
    assert problems(aws, image=image, disk_gb=200) == {}


def test_arm_types_get_arm_images(aws: Cloud) -> None:
    assert problems(aws, type="g5g.xlarge", disk_gb=200) == {}


def test_a_subnet_or_zone_that_does_not_exist(aws: Cloud) -> None:
    assert "subnet-0123456789abcdef0" in only(problems(aws, subnet="subnet-0123456789abcdef0"))[0]
    assert "us-east-1z" in only(problems(aws, zone="us-east-1z"))[0]


def test_an_address_range_that_is_none(aws: Cloud) -> None:
    assert only(problems(aws, ssh_from="everybody"))[0] == "'everybody' is no address range"


def test_the_own_address_cannot_be_learnt(aws: Cloud) -> None:
    provider = aws.provider(checkip_url="http://127.0.0.1:9/")
    (problem,) = provider.preflight(aws.spec())
    assert problem.what == "cannot learn this computer's public address"
    assert "--allow-ssh-from" in problem.remedy
    assert provider.preflight(aws.spec(ssh_from="203.0.113.0/24")) == []


def test_all_problems_are_reported_at_once(aws: Cloud) -> None:
    found = problems(aws, "quota: {L-DB2E81BA: 0}\ndenied: [RunInstances]", disk_gb=10, ssh_from="x")
    assert len(found) == 4


def test_user_data_beyond_the_limit(aws: Cloud) -> None:
    assert only(problems(aws, user_data="x" * 16385))[0] == "the user-data is too long"


def test_no_region_and_an_unknown_cloud() -> None:
    with pytest.raises(ConfigError, match="no AWS region") as caught:
        registry.home_region("aws", {})
    assert "--region" in caught.value.remedy
    with pytest.raises(UsageError, match="gcp is not supported"):
        registry.connect("gcp", {}, "x")


def test_the_region_of_the_aws_configuration_counts(monkeypatch: pytest.MonkeyPatch, home: Path) -> None:
    (home / "config").write_text("[default]\nregion = eu-west-3\n")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(home / "config"))
    assert registry.home_region("aws", {}) == "eu-west-3"
    monkeypatch.setenv("AWS_REGION", "eu-north-1")
    assert registry.home_region("aws", {}) == "eu-north-1"


def test_no_network_is_unreachable(aws: Cloud) -> None:
    settings = {**aws.settings, "endpoint_url": "http://127.0.0.1:9"}
    found = registry.connect("aws", settings, aws.region).preflight(aws.spec(ssh_from="203.0.113.7"))
    assert [problem.status for problem in found] == [ExitStatus.UNREACHABLE]
