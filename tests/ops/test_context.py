"""Which region a cloud's machines are made in, and in which they are looked for."""

from __future__ import annotations

import pytest

from gpucloud.config import Config
from gpucloud.errors import ConfigError
from gpucloud.providers import registry
from tests.ops import memory
from tests.ops.conftest import World


def test_a_region_of_another_cloud_says_nothing_about_this_one(world: World) -> None:
    context = world.context(Config(region="westus3"))
    assert (context.region("azure"), context.region("aws")) == ("westus3", "us-east-1")


def test_a_region_that_nobody_knows_may_be_any_cloud_s(world: World) -> None:
    context = world.context(Config(region="mars-north-1"))
    assert context.region("azure") == context.region("aws") == "mars-north-1"


def test_machines_are_looked_for_in_the_regions_of_their_cloud(world: World) -> None:
    world.journal("one", "aws", "eu-west-1")
    world.journal("two", "azure", "westus3")
    context = world.context(Config(regions=("us-west-2", "uksouth")))
    assert context.regions("aws", "us-east-1") == ("us-east-1", "us-west-2", "eu-west-1")
    assert context.regions("azure", "eastus") == ("eastus", "uksouth", "westus3")


def test_where_a_machine_was_made_is_region_enough_to_look_for_it(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.aws.region = ""
    with pytest.raises(ConfigError, match="no aws region"):
        world.context().provider("aws")
    world.journal("box", "aws", "eu-west-1")
    asked: list[tuple[object, ...]] = []
    monkeypatch.setattr(registry, "connect", lambda *args: asked.append(args))
    world.context().provider("aws")
    assert asked == [("aws", {"name": "aws"}, "eu-west-1", ("eu-west-1",))]
    with pytest.raises(ConfigError):
        world.context().region("aws")


def test_a_cloud_that_lists_every_region_needs_none_to_be_looked_at(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(memory, "LISTS_EVERY_REGION", True)
    world.azure.region = ""
    world.azure.add("box")
    assert [machine.name for machine in world.context().provider("azure").list()] == ["box"]
    with pytest.raises(ConfigError, match="no azure region"):
        world.context().region("azure")
