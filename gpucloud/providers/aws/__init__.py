"""AWS, through boto3, which is imported when the first client is made."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from gpucloud.errors import NotConfigured
from gpucloud.providers.aws.policy import policy
from gpucloud.providers.aws.settings import AwsSettings

if TYPE_CHECKING:
    from gpucloud.providers.aws.provider import AwsProvider

__all__ = ["LISTS_EVERY_REGION", "MAKES_MACHINES", "connect", "home_region", "policy"]

LISTS_EVERY_REGION = False
MAKES_MACHINES = True


def connect(settings: Mapping[str, Any], region: str, regions: Sequence[str] = ()) -> AwsProvider:
    """The Provider for AWS; calls no API. `settings` are the fields of AwsSettings that differ from its defaults."""
    from gpucloud.providers.aws.provider import AwsProvider

    return AwsProvider(AwsSettings(**settings), region, regions)


def home_region(settings: Mapping[str, Any]) -> str:
    """The region of the user's AWS configuration (AWS_REGION, AWS_DEFAULT_REGION, ~/.aws/config).

    Raises NotConfigured if it names none.
    """
    from gpucloud.providers.aws.clients import configured_region

    ours = AwsSettings(**settings)
    if region := ours.region or configured_region(ours):
        return region
    raise NotConfigured(
        "no AWS region",
        "none is given by `--region`, GPUCLOUD_REGION, the config file or the AWS configuration",
        "add `--region us-east-1`, or `region: us-east-1` to the config file",
    )
