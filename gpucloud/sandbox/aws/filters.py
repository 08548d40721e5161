"""Filters of EC2's describe calls. moto answers some with HTTP 500 and ignores wildcards in others."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime
from fnmatch import fnmatchcase
from typing import Any

from moto.ec2 import utils
from moto.ec2.models import security_groups

from gpucloud.sandbox.aws.wire import ApiError

Getter = Callable[[Any], Any]


def _devices(instance: Any) -> list[Any]:
    return [device for _, device in instance.get_block_device_mapping]


# What moto's table lacks, by the names in the EC2 API reference of DescribeInstances.
INSTANCE_FILTERS: dict[str, Getter] = {
    "block-device-mapping.volume-id": lambda i: [device.volume_id for device in _devices(i)],
    "block-device-mapping.device-name": lambda i: [name for name, _ in i.get_block_device_mapping],
    "client-token": lambda i: i.client_token,
    "hypervisor": lambda i: i.hypervisor,
    "iam-instance-profile.arn": lambda i: getattr(i.iam_instance_profile, "arn", None),
    "instance-lifecycle": lambda i: i.lifecycle,
    "instance-state-code": lambda i: i.state_code,
    "launch-time": lambda i: i.launch_time,
    "metadata-options.http-tokens": lambda i: i.metadata_options.http_tokens,
    "monitoring-state": lambda i: i.monitoring_state,
    "network-interface.network-interface-id": lambda i: [interface.id for interface in i.network_interfaces],
    "network-interface.group-id": lambda i: [group.id for group in i.security_groups],
    "placement-group-name": lambda i: i.placement.group_name,
    "root-device-name": lambda i: i.root_device_name,
    "root-device-type": lambda i: i.root_device_type,
    "spot-instance-request-id": lambda i: i.spot_instance_request_id,
    "tenancy": lambda i: i.placement.tenancy,
    "virtualization-type": lambda i: i.virtualization_type,
}


def _texts(value: Any) -> list[str]:
    if value is None:
        return []
    if isinstance(value, bool):
        return [str(value).lower()]
    if isinstance(value, datetime):
        return [f"{value:%Y-%m-%dT%H:%M:%S}.000Z"]
    if isinstance(value, (list, set, tuple)):
        return [text for item in value for text in _texts(item)]
    return [str(value)]


def matches(value: Any, patterns: Iterable[str]) -> bool:
    """Whether a value, or one of several, matches a pattern with `*` and `?`; case counts, as in EC2."""
    return any(fnmatchcase(text, str(pattern)) for text in _texts(value) for pattern in patterns)


def invalid(name: str) -> ApiError:
    return ApiError("InvalidParameterValue", f"The filter '{name}' is invalid")


def _instance_passes(instance: Any, filters: dict[str, Any]) -> bool:
    return all(_instance_matches(instance, name, patterns) for name, patterns in filters.items())


def _instance_matches(instance: Any, name: str, patterns: list[str]) -> bool:
    if utils.is_tag_filter(name):
        return bool(utils.tag_filter_matches(instance, name, patterns))
    if name in INSTANCE_FILTERS:
        return matches(INSTANCE_FILTERS[name](instance), patterns)
    if name in utils.filter_dict_attribute_mapping:
        return matches(utils.get_object_value(instance, utils.filter_dict_attribute_mapping[name]), patterns)
    raise invalid(name)


def _resource_matches(resource: Any, name: str, patterns: Any) -> bool:
    try:
        value = resource.get_filter_value(name)
    except NotImplementedError as error:
        raise invalid(name) from error
    return matches(value, patterns if isinstance(patterns, list) else [patterns])


def _group_passes(group: Any, filters: dict[str, Any]) -> bool:
    for name, patterns in filters.items():
        if not utils.is_tag_filter(name) and name not in group.filters:
            raise invalid(name)
        if not group.matches_filter(name, patterns):
            return False
    return True


def install() -> None:
    """Put these filters into moto, in the three places where it filters what we serve."""
    utils.passes_filter_dict = _instance_passes  # type: ignore[assignment]
    utils.is_filter_matching = _resource_matches  # type: ignore[assignment]
    security_groups.SecurityGroup.matches_filters = _group_passes  # type: ignore[method-assign, assignment]
