"""What machines cost, as far as it is known."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from gpucloud import money
from gpucloud.catalog.types import REFERENCE_REGION, Price
from gpucloud.machine import Machine, State
from gpucloud.providers import registry

START = datetime(2026, 11, 22, 3, 0, tzinfo=UTC)
RUNNING = Machine(
    id="i-1",
    name="gpu",
    run="r",
    cloud="aws",
    region="us-east-1",
    zone="us-east-1a",
    type="g4dn.xlarge",
    state=State.RUNNING,
    launched_at=START,
    disk_gb=100,
)


def test_a_machine_costs_what_its_type_costs_in_its_region() -> None:
    assert money.machine_price(RUNNING) == Price(0.526, "2026-07-20", "us-east-1")
    assert money.machine_price(replace(RUNNING, spot=True)) == Price(0.1894, "2025-06-28", "us-east-1", spot=True)


@pytest.mark.parametrize("unknown", [{"type": "t3.micro"}, {"region": "us-east-2"}])
def test_without_a_known_price_nothing_is_made_up(unknown: dict[str, str]) -> None:
    machine = replace(RUNNING, **unknown)  # type: ignore[arg-type]  # texts for text fields
    assert money.machine_price(machine) is None
    assert money.cost_so_far(machine, START + timedelta(hours=2)) is None


def test_compute_is_counted_since_the_last_start() -> None:
    assert money.cost_so_far(RUNNING, START + timedelta(minutes=90)) == pytest.approx(0.789)
    assert money.cost_so_far(replace(RUNNING, state=State.STOPPING), START + timedelta(hours=1)) == 0.526


def test_a_clock_that_lags_costs_nothing() -> None:
    assert money.cost_so_far(RUNNING, START - timedelta(seconds=3)) == 0


@pytest.mark.parametrize("unknown", [replace(RUNNING, state=State.STOPPED), replace(RUNNING, launched_at=None)])
def test_the_cost_of_earlier_runs_is_not_known(unknown: Machine) -> None:
    assert money.cost_so_far(unknown, START + timedelta(hours=1)) is None


def test_a_stopped_machine_still_pays_for_its_disk() -> None:
    stopped = replace(RUNNING, state=State.STOPPED)
    assert money.stopped_usd_per_hour(stopped) == pytest.approx(8 / 730)
    price = money.keeping_price(stopped)
    assert price is not None and price.usd_per_gb == 0.08 and price.as_of and "gp3" in price.source


@pytest.mark.parametrize(
    ("disk_gb", "monthly"), [(64, 10.21), (100, 19.71), (128, 19.71), (129, 38.01), (1024, 135.17)]
)
def test_a_deallocated_machine_pays_for_a_disk_of_the_next_size_and_for_its_address(
    disk_gb: int, monthly: float
) -> None:
    deallocated = replace(RUNNING, cloud="azure", region="eastus", state=State.STOPPED, disk_gb=disk_gb)
    assert money.stopped_usd_per_hour(deallocated) == pytest.approx(monthly / 730 + 0.005)


def test_a_disk_larger_than_the_largest_known_size_has_no_cost() -> None:
    assert money.stopped_usd_per_hour(replace(RUNNING, cloud="azure", region="eastus", disk_gb=2000)) is None


def test_a_halted_machine_goes_on_costing() -> None:
    halted = replace(RUNNING, state=State.HALTED)
    assert money.cost_so_far(halted, START + timedelta(hours=1)) == 0.526


@pytest.mark.parametrize("cloud", sorted(REFERENCE_REGION))
def test_where_a_machine_cannot_end_its_own_billing_its_lifetime_ends_in_deallocation(cloud: str) -> None:
    provider = registry.connect(cloud, {}, REFERENCE_REGION[cloud])
    assert (money.end_of_life(cloud) == "terminated") is provider.guest_ends_billing


@pytest.mark.parametrize("unknown", [replace(RUNNING, region="eu-west-1"), replace(RUNNING, disk_gb=None)])
def test_a_disk_of_unknown_price_or_size_has_no_cost(unknown: Machine) -> None:
    assert money.stopped_usd_per_hour(unknown) is None


def test_amounts_are_shown_with_their_unit_and_date() -> None:
    assert money.per_hour(Price(0.526, "2026-07-20", "us-east-1")) == "0.526 USD/h (list price of 2026-07-20)"
    assert money.per_hour(Price(113.9328, "2026-Q1", "x", spot=True)) == "113.9 USD/h (spot price of 2026-Q1)"


@pytest.mark.parametrize(
    ("amount", "shown"),
    [(None, "–"), (0, "0.00 USD"), (12.345, "12.35 USD"), (0.0011, "0.0011 USD"), (250, "250.00 USD")],
)
def test_an_amount_of_money(amount: float | None, shown: str) -> None:
    assert money.format_usd(amount) == shown
