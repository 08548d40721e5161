"""What the doctor says of the clouds: each one its findings, and no reproach for one that is not used."""

from __future__ import annotations

from gpucloud.config import Config
from gpucloud.errors import ConfigError, ExitStatus, Problem
from gpucloud.ops import doctor
from gpucloud.ops.doctor import Finding
from tests.ops.conftest import NO_AZURE, THROTTLED, World

QUOTA = Problem("the quota is too small", "0 of 0", "ask for 4", ExitStatus.CAPACITY)


def findings(world: World, config: Config | None = None) -> dict[str, Finding]:
    found = doctor.examine(config or Config(), lambda: world.context(config), simulated=False)
    return {each.what.split(":")[0]: each for each in found}


def test_each_cloud_is_asked_for_its_own_type_in_its_own_region(world: World) -> None:
    found = findings(world)
    assert found["aws"] == Finding("ok", "aws", "g4dn.xlarge can be launched in us-east-1")
    assert found["azure"] == Finding("ok", "azure", "Standard_NC4as_T4_v3 can be launched in eastus")


def test_a_cloud_that_is_not_set_up_is_a_warning_as_long_as_another_one_is(world: World) -> None:
    no_credentials = Problem(NO_AZURE.what, NO_AZURE.why, NO_AZURE.remedy, NO_AZURE.status)
    world.azure.problems = {"Standard_NC4as_T4_v3": [no_credentials]}
    assert findings(world)["azure"] == Finding("warn", "azure: no Azure credentials", "none found", "`az login`")
    world.aws.region = ""
    assert {findings(world)[cloud].status for cloud in ("aws", "azure")} == {"fail"}


def test_the_only_cloud_that_was_asked_for_must_be_set_up(world: World) -> None:
    world.azure.region = ""
    found = findings(world, Config(cloud="azure"))
    assert (found["azure"].status, "aws" in found) == ("fail", False)


def test_what_is_wrong_with_a_cloud_that_is_used_is_a_fault(world: World) -> None:
    world.azure.refuses = THROTTLED
    world.aws.problems = {"g4dn.xlarge": [QUOTA]}
    found = findings(world)
    assert found["azure"] == Finding("fail", f"azure: {THROTTLED.what}", THROTTLED.why, THROTTLED.remedy)
    assert found["aws"] == Finding("fail", "aws: the quota is too small", "0 of 0", "ask for 4")


def test_a_world_that_cannot_be_entered_is_one_fault(world: World) -> None:
    def world_without_sandbox() -> None:
        raise ConfigError("the sandbox does not start", "no namespaces", "see the log")

    found = doctor.examine(Config(), world_without_sandbox, simulated=True)  # type: ignore[arg-type]  # never returns
    assert found[-1] == Finding("fail", "sandbox: the sandbox does not start", "no namespaces", "see the log")


def test_every_cloud_has_a_least_privilege_policy() -> None:
    assert doctor.policy("aws")["Statement"]
    assert doctor.policy("azure")["Actions"]
