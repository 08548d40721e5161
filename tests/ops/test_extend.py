"""The end of a lifetime moves where it is kept: on the machine and in its tag, or in the cloud's own clock alone."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from gpucloud.errors import NotFound, UsageError
from gpucloud.ops import extend
from tests.ops.conftest import World


def test_a_clock_of_the_cloud_is_moved_without_a_login(world: World) -> None:
    box = world.azure.add("box", expires_at=datetime.now(UTC))
    moved = extend.extend(world.context(), box, 120)
    assert moved.expires_at is not None
    assert timedelta(minutes=119) < moved.expires_at - datetime.now(UTC) <= timedelta(minutes=120)
    assert world.azure.asked == [f"expire_at {moved.expires_at.isoformat()}"]


def test_a_switch_on_the_machine_is_moved_first(world: World) -> None:
    box = world.aws.add("box", expires_at=datetime.now(UTC))
    with pytest.raises(NotFound, match="r-box"):  # no key of its: this computer did not make it
        extend.extend(world.context(), box, 120)
    assert not any(asked.startswith("expire_at") for asked in world.aws.asked)


def test_what_has_no_end_cannot_be_extended(world: World) -> None:
    with pytest.raises(UsageError, match="without --ttl"):
        extend.extend(world.context(), world.azure.add("box"), 120)
