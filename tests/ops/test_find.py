"""A machine is found by its name wherever it is, with no more questions than it takes."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gpucloud.errors import NotFound, Unreachable, UsageError
from gpucloud.ops import find
from tests.ops.conftest import NO_AZURE, THROTTLED, World


def test_machines_of_both_clouds_are_found_in_the_order_of_their_names(world: World) -> None:
    world.aws.add("one")
    world.azure.add("two")
    assert [machine.cloud for machine in find.machines(world.context(), ["two", "one"])] == ["azure", "aws"]


def test_only_the_cloud_in_which_this_computer_made_it_is_asked(world: World) -> None:
    world.azure.add("box")
    world.journal("box", "azure")
    world.aws.refuses = Unreachable("AWS is away")
    assert find.machine(world.context(), "box").id == "azure-box"
    assert (world.aws.asked, world.remarks) == ([], [])


def test_every_cloud_is_asked_for_one_that_is_not_where_it_was_made(world: World) -> None:
    world.journal("box", "aws")
    world.azure.add("box")
    assert find.machine(world.context(), "box").cloud == "azure"


def test_every_cloud_is_asked_if_one_of_the_names_was_given_elsewhere(world: World) -> None:
    world.journal("box", "aws")
    world.aws.add("box")
    world.azure.add("theirs")
    assert len(find.machines(world.context(), ["box", "theirs"])) == 2
    assert world.aws.asked == ["list"]


def test_an_id_is_as_good_as_a_name(world: World) -> None:
    world.azure.add("box")
    assert find.machine(world.context(), "azure-box").name == "box"


def test_the_end_of_a_long_id_is_enough(world: World) -> None:
    world.azure.machines["/subscriptions/s/vms/gpucloud-r1-instance"] = replace(
        world.azure.add("box"), id="/subscriptions/s/vms/gpucloud-r1-instance", name="mine"
    )
    assert find.machine(world.context(), "gpucloud-r1-instance").name == "mine"


def test_a_name_in_both_clouds_is_ambiguous(world: World) -> None:
    world.aws.add("box")
    world.azure.add("box")
    with pytest.raises(UsageError, match="box is the name of 2 machines"):
        find.machine(world.context(), "box")


def test_a_cloud_that_is_not_set_up_hides_nothing(world: World) -> None:
    world.azure.refuses = NO_AZURE
    world.aws.add("box")
    with pytest.raises(NotFound) as caught:
        find.machine(world.context(), "bos")
    assert "did you mean box?" in caught.value.remedy


def test_a_name_that_may_be_in_the_cloud_that_cannot_be_asked_is_not_called_unknown(world: World) -> None:
    world.azure.refuses = THROTTLED
    with pytest.raises(Unreachable, match="throttling"):
        find.machine(world.context(), "box")
    world.aws.add("box")
    assert find.machine(world.context(), "box").cloud == "aws"
