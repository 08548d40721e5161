"""Prices have a date and a region, or there is none."""

from __future__ import annotations

import pytest

from gpucloud.catalog.types import REFERENCE_REGION, Price, cloud_of_region, every, find, is_known_in, price, regions_of


def test_a_price_has_its_date_and_region() -> None:
    assert price(find("g4dn.xlarge"), "us-east-1") == Price(0.526, "2026-07-20", "us-east-1")
    assert price(find("g4dn.xlarge"), "eu-west-1") == Price(0.587, "2025-03-02", "eu-west-1")


def test_spot_prices_have_a_date_of_their_own() -> None:
    assert price(find("g4dn.xlarge"), "us-east-1", spot=True) == Price(0.1894, "2025-06-28", "us-east-1", spot=True)


def test_without_a_region_the_reference_region_counts() -> None:
    assert price(find("Standard_NC4as_T4_v3")) == Price(0.526, "2026-06-18", "eastus")


def test_an_unknown_price_is_none() -> None:
    assert price(find("g4dn.xlarge"), "us-east-2") is None
    assert price(find("g4dn.xlarge"), "nowhere-1") is None


def test_a_region_without_a_price_may_still_offer_the_type() -> None:
    assert is_known_in(find("g4dn.xlarge"), "us-east-2")
    assert not is_known_in(find("g4dn.xlarge"), "nowhere-1")
    assert not is_known_in(find("p3.2xlarge"), "us-east-1")


def test_every_price_is_positive_and_dated() -> None:
    found = [price(each, spot=spot) for each in every().values() for spot in (False, True)]
    known = [each for each in found if each]
    assert len(known) > 150
    assert all(each.usd > 0 and each.as_of for each in known)


@pytest.mark.parametrize(
    ("region", "cloud"),
    [("us-east-1", "aws"), ("eastus", "azure"), ("EastUS2", "azure"), ("nowhere-1", ""), ("eastus-1", ""), ("", "")],
)
def test_a_region_tells_its_cloud(region: str, cloud: str) -> None:
    assert cloud_of_region(region) == cloud


def test_every_region_belongs_to_the_cloud_of_its_types() -> None:
    for each in every().values():
        assert {cloud_of_region(region) for region in regions_of(each)} <= {each.cloud}
    assert {cloud: cloud_of_region(region) for cloud, region in REFERENCE_REGION.items()} == {
        cloud: cloud for cloud in REFERENCE_REGION
    }
