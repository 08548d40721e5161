"""Every cloud is asked; one that is not set up is left out with a line, and never an error of the others."""

from __future__ import annotations

import pytest

from gpucloud.config import Config
from gpucloud.errors import (
    ConfigError,
    CredentialsError,
    ExitStatus,
    GpucloudError,
    NoCredentials,
    NotConfigured,
    Unreachable,
    UsageError,
)
from gpucloud.ops import clouds
from gpucloud.providers import registry
from tests.ops.conftest import NO_AZURE, THROTTLED, World

NO_AWS = NoCredentials("no AWS credentials", "", "`aws configure`")
EXPIRED = CredentialsError("Azure does not accept the credentials", "they have expired", "`az login`")
MISTYPED = ConfigError("the AWS profile does not exist", "tpyo")
NO_REGION = NotConfigured("no Azure region")


def names(world: World, config: Config | None = None) -> list[str]:
    return [machine.name for machine in clouds.together(clouds.machines(world.context(config)).given)]


def test_machines_of_every_cloud_are_listed(world: World) -> None:
    world.aws.add("one")
    world.azure.add("two")
    assert (names(world), world.remarks) == (["one", "two"], [])


def test_a_cloud_without_credentials_is_left_out_with_one_line(world: World) -> None:
    world.aws.add("one")
    world.azure.refuses = NO_AZURE
    answers = clouds.machines(world.context())
    assert [machine.name for machine in answers.given["aws"]] == ["one"]
    assert (dict(answers.left_out), dict(answers.missing)) == ({"azure": NO_AZURE}, {})
    assert world.remarks == ["azure: left out: no Azure credentials: none found; fix: `az login`"]


def test_a_cloud_without_a_region_is_left_out(world: World) -> None:
    world.aws.region = ""
    assert names(world) == []
    assert world.remarks == ["aws: left out: no aws region; fix: add `--region`"]


@pytest.mark.parametrize("error", [THROTTLED, EXPIRED, ConfigError("several Azure subscriptions")])
def test_a_cloud_that_is_in_use_and_does_not_answer_is_missing(world: World, error: GpucloudError) -> None:
    world.azure.refuses = error
    answers = clouds.machines(world.context())
    assert dict(answers.missing) == {"azure": error}
    assert f"azure: could not be asked: {error}" in world.remarks[0]


def test_a_configured_cloud_is_the_only_one_asked_and_its_error_is_raised(world: World) -> None:
    world.azure.refuses = NO_AZURE
    assert names(world, Config(cloud="aws")) == []
    assert (world.azure.asked, world.remarks) == ([], [])
    with pytest.raises(CredentialsError, match="no Azure credentials"):
        names(world, Config(cloud="azure"))


def test_an_unknown_cloud_is_named_with_those_there_are(world: World) -> None:
    with pytest.raises(UsageError, match="gcp") as caught:
        names(world, Config(cloud="gcp"))
    assert "aws, azure" in caught.value.remedy


@pytest.mark.parametrize(
    ("aws", "azure", "kind", "status"),
    [
        (NO_AWS, NO_AZURE, CredentialsError, ExitStatus.CREDENTIALS),
        (NO_AWS, NO_REGION, CredentialsError, ExitStatus.CREDENTIALS),
        (NotConfigured("no AWS region"), NO_REGION, ConfigError, ExitStatus.PREFLIGHT),
        (MISTYPED, EXPIRED, CredentialsError, ExitStatus.CREDENTIALS),
        (Unreachable("AWS is away"), EXPIRED, Unreachable, ExitStatus.UNREACHABLE),
        (Unreachable("AWS is away"), THROTTLED, Unreachable, ExitStatus.UNREACHABLE),
    ],
)
def test_if_no_cloud_answers_one_error_names_both(
    world: World, aws: GpucloudError, azure: GpucloudError, kind: type[GpucloudError], status: int
) -> None:
    world.aws.refuses, world.azure.refuses = aws, azure
    with pytest.raises(kind) as caught:
        names(world)
    assert aws.what in str(caught.value) and azure.what in str(caught.value)
    assert (caught.value.status, world.remarks) == (status, [])


def test_the_only_cloud_that_is_set_up_raises_its_own_error(world: World) -> None:
    world.aws.refuses, world.azure.refuses = Unreachable("AWS is away"), NO_AZURE
    with pytest.raises(Unreachable, match="AWS is away"):
        names(world)
    assert len(world.remarks) == 1


def test_what_the_user_did_wrong_is_not_a_matter_of_one_cloud(world: World) -> None:
    world.azure.refuses = UsageError("no")
    with pytest.raises(UsageError):
        names(world)


def test_machines_may_be_where_this_computer_made_some_or_where_nobody_answered(world: World) -> None:
    world.azure.refuses = NO_AZURE
    assert clouds.machines(world.context()).unasked(world.context()) == {}
    world.journal("box", "azure")
    assert clouds.machines(world.context()).unasked(world.context()) == {"azure": NO_AZURE}


def test_each_cloud_makes_machines_in_its_own_region(world: World) -> None:
    assert clouds.regions(world.context()) == {"aws": "us-east-1", "azure": "eastus"}
    both = Config(region="eu-west-1", regions=("westus3", "us-west-2"))
    assert clouds.regions(world.context(both)) == {"aws": "eu-west-1", "azure": "westus3"}


def test_a_cloud_whose_configuration_is_broken_does_not_stop_the_other_one(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def home_region(cloud: str, settings: object) -> str:
        if cloud == "aws":
            raise MISTYPED
        return "eastus"

    monkeypatch.setattr(registry, "home_region", home_region)
    assert clouds.regions(world.context()) == {"azure": "eastus"}
    assert world.remarks == ["aws: could not be asked: the AWS profile does not exist: tpyo"]


def test_a_region_on_the_command_line_leaves_the_other_cloud_out(world: World) -> None:
    given = Config(region="westus3", flags=frozenset({"region"}))
    assert clouds.regions(world.context(given)) == {"azure": "westus3"}
    with pytest.raises(UsageError, match="westus3 is a region of azure"):
        clouds.regions(world.context(Config(cloud="aws", region="westus3", flags=frozenset({"cloud", "region"}))))
