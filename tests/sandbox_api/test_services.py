"""SSM parameters, Service Quotas, Pricing, spot."""

from __future__ import annotations

import json

import pytest

from gpucloud.sandbox.aws.images import IMAGES
from tests.sandbox_api.support import Sandbox, refused


@pytest.mark.parametrize("region", ["us-east-1", "eu-central-1"])
def test_every_public_parameter_names_an_image_that_exists(sandbox: Sandbox, region: str) -> None:
    ssm, ec2 = sandbox.client("ssm", region), sandbox.client("ec2", region)
    for image in IMAGES:
        ami = ssm.get_parameter(Name=image.parameter)["Parameter"]["Value"]
        described = ec2.describe_images(ImageIds=[ami])["Images"][0]
        assert (described["Name"], described["OwnerId"]) == (image.name, image.owner)
        assert (described["RootDeviceName"], described["Architecture"]) == ("/dev/sda1", image.arch)
        assert described["BlockDeviceMappings"][0]["Ebs"]["VolumeSize"] == image.size


def test_unknown_parameters_are_not_found(sandbox: Sandbox) -> None:
    ssm = sandbox.client("ssm")
    with refused("ParameterNotFound"):
        ssm.get_parameter(Name="/aws/service/canonical/ubuntu/server/18.04/ami-id")
    answer = ssm.get_parameters(Names=[IMAGES[0].parameter, "/nothing"])
    assert (len(answer["Parameters"]), answer["InvalidParameters"]) == (1, ["/nothing"])
    below = ssm.get_parameters_by_path(Path="/aws/service/deeplearning", Recursive=True)["Parameters"]
    assert {p["Name"] for p in below} == {i.parameter for i in IMAGES if "/deeplearning/" in i.parameter}


def test_quotas_are_the_scenarios(sandbox: Sandbox) -> None:
    sandbox.use("quota: {L-DB2E81BA: 8}")
    quotas = sandbox.client("service-quotas")
    assert quotas.get_service_quota(ServiceCode="ec2", QuotaCode="L-DB2E81BA")["Quota"]["Value"] == 8
    listed = {q["QuotaCode"]: q["Value"] for q in quotas.list_service_quotas(ServiceCode="ec2")["Quotas"]}
    assert listed["L-DB2E81BA"] == 8
    assert {"L-3819A6DF", "L-417A185B", "L-7212CCBC", "L-C4BD4855"} <= set(listed)
    default = quotas.get_aws_default_service_quota(ServiceCode="ec2", QuotaCode="L-DB2E81BA")["Quota"]
    assert default["Value"] == 0
    with refused("NoSuchResourceException"):
        quotas.get_service_quota(ServiceCode="ec2", QuotaCode="L-00000000")


def test_prices_are_the_catalogues(sandbox: Sandbox) -> None:
    filters = {
        "regionCode": "us-east-1",
        "instanceType": "g4dn.xlarge",
        "operatingSystem": "Linux",
        "preInstalledSw": "NA",
        "capacitystatus": "Used",
        "marketoption": "OnDemand",
        "tenancy": "Shared",
    }
    answer = sandbox.client("pricing").get_products(
        ServiceCode="AmazonEC2",
        Filters=[{"Type": "TERM_MATCH", "Field": field, "Value": value} for field, value in filters.items()],
    )
    (product,) = [json.loads(text) for text in answer["PriceList"]]
    (offer,) = product["terms"]["OnDemand"].values()
    (rate,) = offer["priceDimensions"].values()
    assert float(rate["pricePerUnit"]["USD"]) == pytest.approx(0.526)
    assert "[simulated]" in rate["description"]


def test_spot_prices_are_below_the_list_price_in_every_zone(sandbox: Sandbox) -> None:
    history = sandbox.ec2.describe_spot_price_history(
        InstanceTypes=["g4dn.xlarge"], ProductDescriptions=["Linux/UNIX"]
    )["SpotPriceHistory"]
    assert len({entry["AvailabilityZone"] for entry in history}) == len(history) > 2
    assert all(0.1 < float(entry["SpotPrice"]) < 0.526 for entry in history)


def test_a_spot_machine_has_a_request_that_ends_with_it(sandbox: Sandbox) -> None:
    machine = sandbox.run(InstanceMarketOptions={"MarketType": "spot"})
    request = machine["SpotInstanceRequestId"]
    assert machine["InstanceLifecycle"] == "spot"
    described = sandbox.ec2.describe_spot_instance_requests(SpotInstanceRequestIds=[request])["SpotInstanceRequests"]
    assert (described[0]["State"], described[0]["InstanceId"]) == ("active", machine["InstanceId"])
    assert sandbox.ask("inventory")["spot-request"] == [request]
    with refused("UnsupportedOperation"):
        sandbox.ec2.stop_instances(InstanceIds=[machine["InstanceId"]])
    sandbox.ec2.terminate_instances(InstanceIds=[machine["InstanceId"]])
    assert sandbox.reaches(machine["InstanceId"], "terminated")
    assert not any(sandbox.ask("inventory").values())


def test_a_cancelled_request_leaves_its_machine_running(sandbox: Sandbox) -> None:
    machine = sandbox.run(InstanceMarketOptions={"MarketType": "spot"})
    request = machine["SpotInstanceRequestId"]
    sandbox.ec2.cancel_spot_instance_requests(SpotInstanceRequestIds=[request])
    filters = [{"Name": "instance-id", "Values": [machine["InstanceId"]]}]
    (described,) = sandbox.ec2.describe_spot_instance_requests(Filters=filters)["SpotInstanceRequests"]
    assert described["State"] == "cancelled"
    assert sandbox.reaches(machine["InstanceId"], "running")
