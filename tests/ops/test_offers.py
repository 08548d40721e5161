"""What the clouds offer for a GPU: considered together, asked at once, and the cheapest that can be had is taken."""

from __future__ import annotations

import pytest

from gpucloud.config import Config
from gpucloud.errors import (
    CapacityError,
    ConfigError,
    CredentialsError,
    ExitStatus,
    PreflightFailed,
    Problem,
    QuotaError,
    UsageError,
)
from gpucloud.machine import Headroom, Spec
from gpucloud.ops import offers
from gpucloud.ops.offers import Offer
from gpucloud.ops.request import Request
from gpucloud.ops.up import Prepared
from tests.ops.conftest import NO_AZURE, World

T4 = Request(gpu="T4")
QUOTA = Problem("the quota is too small", "0 of 0", "ask for 4", ExitStatus.CAPACITY)
DENIED = Problem(NO_AZURE.what, NO_AZURE.why, NO_AZURE.remedy, NO_AZURE.status)
AZURE_T4 = "Standard_NC4as_T4_v3"


def types(found: list[Offer]) -> list[str]:
    return [offer.plan.spec.type for offer in found]


def made(prepared: Prepared) -> str:
    """What stands for `up.carry_out` here: the launch alone."""
    (step,) = prepared.provider.launch_steps(prepared.plan.spec, prepared.plan.run)
    step.do({})
    return prepared.plan.spec.type


def test_the_cheapest_few_of_each_cloud_are_asked_and_sorted_by_price(world: World) -> None:
    found = offers.survey(world.context(), T4)
    assert types(found)[:2] == ["g4dn.xlarge", AZURE_T4]
    assert len(world.aws.asked) == 3 and 1 <= len(world.azure.asked) <= 3
    prices = [offer.plan.price.usd for offer in found if offer.plan.price]
    assert prices == sorted(prices)


def test_what_has_no_known_price_comes_last_and_never_below_a_limit(world: World) -> None:
    config = Config(region="us-east-1", regions=("westcentralus",))
    everything = offers.survey(world.context(config), Request(gpu="A100"))
    unknown = [offer.plan.price is None for offer in everything]
    assert unknown == sorted(unknown)
    dear = offers.survey(world.context(config), Request(gpu="A100", max_price=50.0))
    assert all(offer.plan.price and offer.plan.price.usd <= 50 for offer in dear)


def test_the_cheapest_that_can_be_had_is_chosen(world: World) -> None:
    world.aws.problems, world.aws.quota = {"g4dn.xlarge": [QUOTA]}, Headroom(2, 8)
    found = offers.survey(world.context(), T4)
    assert offers.cheapest(found).plan.spec.type == AZURE_T4
    assert found[0].to_dict() == {
        "cloud": "aws",
        "type": "g4dn.xlarge",
        "region": "us-east-1",
        "zone": "",
        "spot": False,
        "usd_per_hour": 0.526,
        "price_as_of": "2026-07-20",
        "quota_vcpus_free": 2,
        "quota_vcpus": 8,
        "available": False,
        "problems": [{"what": "the quota is too small", "why": "0 of 0"}],
    }


def test_what_stands_in_the_way_of_all_is_told(world: World) -> None:
    world.aws.problems = dict.fromkeys(("g4dn.xlarge", "g4dn.2xlarge", "g4dn.4xlarge"), [QUOTA])
    found = offers.survey(world.context(Config(cloud="aws")), T4)
    with pytest.raises(PreflightFailed) as caught:
        offers.cheapest(found)
    assert (caught.value.problems, caught.value.status) == ((QUOTA,), ExitStatus.CAPACITY)


def test_a_cloud_without_credentials_is_left_out_with_one_line(world: World) -> None:
    world.azure.refuses = NO_AZURE
    found = offers.survey(world.context(), T4)
    assert {offer.plan.cloud for offer in found} == {"aws"}
    assert world.remarks == ["azure: left out: no Azure credentials: none found; fix: `az login`"]


def test_without_any_credentials_that_is_the_error(world: World) -> None:
    for cloud in (world.aws, world.azure):
        cloud.refuses = NO_AZURE
    with pytest.raises(CredentialsError, match="no cloud can be asked"):
        offers.survey(world.context(), T4)


def test_a_type_without_a_stack_is_left_out(world: World) -> None:
    found = types(offers.survey(world.context(), Request(memory_gb=141)))
    assert found and "Standard_ND128isr_NDR_GB200_v6" not in found
    assert world.remarks[0].startswith("left out: no torch for Standard_ND128isr_NDR_GB200_v6")
    with pytest.raises(ConfigError, match="driver 595 cannot run a V100"):
        offers.survey(world.context(), Request(gpu="V100", image="dlami"))


def test_a_cloud_without_a_region_is_left_out(world: World) -> None:
    world.azure.region = ""
    assert {offer.plan.cloud for offer in offers.survey(world.context(), T4)} == {"aws"}
    assert len(world.remarks) == 1


def test_the_next_offer_is_tried_when_a_cloud_has_none_left(world: World) -> None:
    world.aws.launch_error = lambda spec: CapacityError("no g4dn to be had", "5 zones tried")
    tried = offers.take(world.context(), offers.survey(world.context(), T4), made)
    assert tried == AZURE_T4
    assert [event.text for event in world.told if event.step == "offer"][0] == (
        "g4dn.xlarge in us-east-1: no g4dn to be had: 5 zones tried"
    )


def test_every_attempt_is_in_the_error_when_nobody_has_one(world: World) -> None:
    def refused(spec: Spec) -> QuotaError:
        return QuotaError(f"not {spec.type}")

    world.aws.launch_error = world.azure.launch_error = refused
    with pytest.raises(CapacityError, match="none of the offers") as caught:
        offers.take(world.context(), offers.survey(world.context(), T4), made)
    assert caught.value.attempts[0] == ("g4dn.xlarge in us-east-1", "not g4dn.xlarge")
    assert len({offer.plan.run for offer in offers.survey(world.context(), T4)}) > 1


def test_a_run_that_the_user_named_is_made_once(world: World) -> None:
    world.aws.launch_error = lambda spec: CapacityError("none")
    found = offers.survey(world.context(), Request(gpu="T4", run="ci-7"))
    with pytest.raises(CapacityError):
        offers.take(world.context(), found, made)
    assert not world.azure.machines


def test_other_errors_are_not_a_reason_to_try_elsewhere(world: World) -> None:
    world.aws.launch_error = lambda spec: UsageError("no such subnet")
    with pytest.raises(UsageError):
        offers.take(world.context(), offers.survey(world.context(), T4), made)
    assert not world.azure.machines


def test_a_machine_that_exists_has_its_type_already(world: World) -> None:
    request = Request(gpu="T4", name="box")
    assert offers.with_type_of_existing(world.context(), request) is request
    world.journal("box", "azure")
    world.azure.add("box", type=AZURE_T4)
    assert offers.with_type_of_existing(world.context(), request).type == AZURE_T4


def test_one_denied_offer_does_not_make_a_cloud_unusable(world: World) -> None:
    world.azure.problems = {AZURE_T4: [DENIED]}
    found = offers.survey(world.context(), T4)
    assert {offer.plan.cloud for offer in found} == {"aws", "azure"}
