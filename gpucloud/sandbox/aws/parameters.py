"""SSM's public parameters, which moto lacks and does not let one put below /aws."""

from __future__ import annotations

from typing import Any

from gpucloud.sandbox.aws.images import BUILT, IMAGES
from gpucloud.sandbox.aws.wire import ApiError, Call


def _parameter(name: str, region: str) -> dict[str, Any] | None:
    image = next((image for image in IMAGES if image.parameter == name), None)
    if image is None:
        return None
    return {
        "Name": name,
        "Type": "String",
        "Value": image.id(region),
        "Version": 1,
        "LastModifiedDate": BUILT.timestamp(),
        "ARN": f"arn:aws:ssm:{region}::parameter{name}",
        "DataType": "aws:ec2:image",
    }


def get_parameter(call: Call) -> dict[str, Any]:
    parameter = _parameter(call.fields["Name"], call.region)
    if parameter is None:
        raise ApiError("ParameterNotFound", "")
    return {"Parameter": parameter}


def get_parameters(call: Call) -> dict[str, Any]:
    found = {name: _parameter(name, call.region) for name in call.fields["Names"]}
    return {
        "Parameters": [parameter for parameter in found.values() if parameter],
        "InvalidParameters": [name for name, parameter in found.items() if not parameter],
    }


def get_parameters_by_path(call: Call) -> dict[str, Any]:
    below = call.fields["Path"].rstrip("/") + "/"
    deep = call.fields.get("Recursive", False)
    names = [image.parameter for image in IMAGES if image.parameter.startswith(below)]
    return {"Parameters": [_parameter(n, call.region) for n in names if deep or "/" not in n.removeprefix(below)]}


ACTIONS = {
    "GetParameter": get_parameter,
    "GetParameters": get_parameters,
    "GetParametersByPath": get_parameters_by_path,
}
