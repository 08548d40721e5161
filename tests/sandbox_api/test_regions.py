"""The regions of an account that nobody changed."""

from __future__ import annotations

from tests.sandbox_api.support import Sandbox, refused


def test_only_the_regions_that_need_no_opt_in_are_enabled(sandbox: Sandbox) -> None:
    enabled = sandbox.ec2.describe_regions()["Regions"]
    assert len(enabled) == 17
    assert {region["OptInStatus"] for region in enabled} == {"opt-in-not-required"}
    every = {region["RegionName"]: region for region in sandbox.ec2.describe_regions(AllRegions=True)["Regions"]}
    assert every["af-south-1"]["OptInStatus"] == "not-opted-in"
    assert every["af-south-1"]["Endpoint"] == "ec2.af-south-1.amazonaws.com"
    assert not [name for name in every if name.startswith(("cn-", "us-gov-"))]


def test_a_region_is_found_by_name_and_by_filter(sandbox: Sandbox) -> None:
    (named,) = sandbox.ec2.describe_regions(RegionNames=["ap-east-1"])["Regions"]
    assert named["OptInStatus"] == "not-opted-in"
    west = [{"Name": "region-name", "Values": ["us-west-*"]}]
    assert [each["RegionName"] for each in sandbox.ec2.describe_regions(Filters=west)["Regions"]] == [
        "us-west-1",
        "us-west-2",
    ]
    with refused("InvalidParameterValue"):
        sandbox.ec2.describe_regions(RegionNames=["nowhere-1"])


def test_a_region_that_is_not_enabled_does_not_know_the_account(sandbox: Sandbox) -> None:
    with refused("AuthFailure", status=401):
        sandbox.client("ec2", region="af-south-1").describe_instances()
    with refused("InvalidClientTokenId", status=403):
        sandbox.client("sts", region="af-south-1").get_caller_identity()
