"""The clock that ends a lifetime on Azure: what it can keep, and that it is set and moved."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from gpucloud.errors import UsageError
from gpucloud.machine import TAG_EXPIRES
from gpucloud.providers.azure.provider import AzureProvider
from gpucloud.providers.azure.resources import SCHEDULES_API
from gpucloud.providers.azure.schedule import LONGEST, SHORTEST, SOONEST, check_move
from gpucloud.providers.azure.settings import AzureSettings
from tests.providers.support import Cloud

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def clocks(azure: Cloud) -> list[dict[str, Any]]:
    """The schedules as the API shows them."""
    provider = AzureProvider(AzureSettings(**azure.settings), azure.region)
    found = [each.id for each in provider.resources("run1") if each.kind == "schedule"]
    return [provider._clients.get(id, SCHEDULES_API) for id in found]


@pytest.mark.parametrize("current", [None, NOW - MINUTE, NOW + SHORTEST, NOW + LONGEST])
@pytest.mark.parametrize("end", [NOW + SHORTEST, NOW + LONGEST])
def test_an_end_within_the_next_day_can_be_kept(end: datetime, current: datetime | None) -> None:
    check_move(NOW, end, current)


@pytest.mark.parametrize("end", [NOW + LONGEST + MINUTE, NOW + SHORTEST - MINUTE, NOW - MINUTE])
def test_an_end_that_a_daily_clock_cannot_keep_is_refused(end: datetime) -> None:
    with pytest.raises(UsageError, match="cannot keep that end") as caught:
        check_move(NOW, end, None)
    assert "gpucloud" in caught.value.remedy


def test_the_last_half_hour_cannot_be_moved_any_more() -> None:
    """Azure would take the change for the next day, and deallocate at the old time all the same."""
    with pytest.raises(UsageError, match="too late to move the end: .* 12:10 UTC"):
        check_move(NOW, NOW + 60 * MINUTE, NOW + 10 * MINUTE)


def test_the_clock_is_set_to_the_end_that_the_tag_names(azure: Cloud) -> None:
    end = datetime.now(UTC) + timedelta(hours=5)
    spec = azure.spec(ttl_minutes=300, tags={TAG_EXPIRES: end.isoformat()})
    machine_id = azure.launch(azure.provider(), spec)
    (clock,) = clocks(azure)
    properties = clock["properties"]
    assert clock["name"] == "shutdown-computevm-gpucloud-run1-instance"
    assert properties["targetResourceId"].lower() == machine_id.lower()
    assert (properties["status"], properties["timeZoneId"]) == ("Enabled", "UTC")
    assert properties["dailyRecurrence"] == {"time": f"{end:%H%M}"}
    assert clock["tags"][TAG_EXPIRES] == end.isoformat()


def test_without_a_tag_the_lifetime_counts_from_now(azure: Cloud) -> None:
    azure.do(azure.provider(), azure.spec(ttl_minutes=60))
    (clock,) = clocks(azure)
    asked = [datetime.now(UTC) + timedelta(hours=1) - late * MINUTE for late in (0, 1)]
    assert clock["properties"]["dailyRecurrence"]["time"] in [f"{each:%H%M}" for each in asked]


def test_a_moved_end_moves_the_clock_and_the_tag(azure: Cloud) -> None:
    provider = azure.provider()
    machine_id = azure.launch(provider, azure.spec(ttl_minutes=120))
    end = datetime.now(UTC).replace(microsecond=0) + timedelta(hours=23)
    provider.expire_at(machine_id, end)
    (clock,) = clocks(azure)
    assert clock["properties"]["dailyRecurrence"] == {"time": f"{end:%H%M}"}
    assert provider.get(machine_id).expires_at == end


def test_without_a_lifetime_there_is_no_clock(azure: Cloud) -> None:
    azure.do(azure.provider())
    assert clocks(azure) == []


def test_an_end_that_a_new_clock_would_miss_comes_some_minutes_later_and_not_a_day(azure: Cloud) -> None:
    soon = datetime.now(UTC) + 2 * MINUTE
    azure.do(azure.provider(), azure.spec(ttl_minutes=60, tags={TAG_EXPIRES: soon.isoformat()}))
    (clock,) = clocks(azure)
    allowed = [datetime.now(UTC) + SOONEST - late * MINUTE for late in (0, 1)]
    assert clock["properties"]["dailyRecurrence"]["time"] in [each.strftime("%H%M") for each in allowed]
