"""Service Quotas for EC2, which moto answers with NoSuchResource."""

from __future__ import annotations

from typing import Any

from gpucloud.sandbox.aws.types import QUOTAS, quota
from gpucloud.sandbox.aws.wire import ApiError, Call
from gpucloud.sandbox.scenario import Scenario


def _quota(scenario: Scenario, call: Call, code: str, value: int | None = None) -> dict[str, Any]:
    return {
        "ServiceCode": "ec2",
        "ServiceName": "Amazon Elastic Compute Cloud (Amazon EC2)",
        "QuotaArn": f"arn:aws:servicequotas:{call.region}:123456789012:ec2/{code}",
        "QuotaCode": code,
        "QuotaName": QUOTAS[code],
        "Value": float(quota(scenario, code) if value is None else value),
        "Unit": "None",
        "Adjustable": True,
        "GlobalQuota": False,
    }


def _codes(call: Call) -> list[str]:
    if call.fields.get("ServiceCode") != "ec2":
        raise ApiError("NoSuchResourceException", "The request failed because the specified service does not exist.")
    wanted = call.fields.get("QuotaCode")
    if wanted is not None and wanted not in QUOTAS:
        raise ApiError("NoSuchResourceException", "The request failed because the specified quota does not exist.")
    return [wanted] if wanted else list(QUOTAS)


def get_service_quota(scenario: Scenario, call: Call) -> dict[str, Any]:
    return {"Quota": _quota(scenario, call, _codes(call)[0])}


def list_service_quotas(scenario: Scenario, call: Call) -> dict[str, Any]:
    return {"Quotas": [_quota(scenario, call, code) for code in _codes(call)]}


def get_aws_default_service_quota(scenario: Scenario, call: Call) -> dict[str, Any]:
    return {"Quota": _quota(scenario, call, _codes(call)[0], value=0)}


def list_aws_default_service_quotas(scenario: Scenario, call: Call) -> dict[str, Any]:
    return {"Quotas": [_quota(scenario, call, code, value=0) for code in _codes(call)]}


ACTIONS = {
    "GetServiceQuota": get_service_quota,
    "ListServiceQuotas": list_service_quotas,
    "GetAWSDefaultServiceQuota": get_aws_default_service_quota,
    "ListAWSDefaultServiceQuotas": list_aws_default_service_quotas,
}
