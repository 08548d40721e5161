"""Azure's public cloud, and no other one, through its SDKs, which are imported when something is first asked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from gpucloud.errors import NotConfigured
from gpucloud.providers.azure.policy import policy
from gpucloud.providers.azure.settings import AzureSettings
from gpucloud.providers.azure.signs import any_credential, configured_region, no_credentials

if TYPE_CHECKING:
    from gpucloud.providers.azure.provider import AzureProvider

__all__ = ["LISTS_EVERY_REGION", "MAKES_MACHINES", "connect", "home_region", "policy"]

LISTS_EVERY_REGION = True
MAKES_MACHINES = True


def connect(settings: Mapping[str, Any], region: str, regions: Sequence[str] = ()) -> AzureProvider:
    """The Provider for Azure; calls no API. `settings` are the fields of AzureSettings that differ from its defaults.

    Listings show every region, whatever `regions` says: Azure lists a subscription in one call.
    """
    from gpucloud.providers.azure.provider import AzureProvider

    return AzureProvider(AzureSettings(**settings), region, regions)


def home_region(settings: Mapping[str, Any]) -> str:
    """The region of the user's Azure configuration (AZURE_DEFAULTS_LOCATION, `location` in ~/.azure/config).

    Raises NotConfigured if it names none, NoCredentials if nothing here looks like credentials either.
    """
    ours = AzureSettings(**settings)
    if region := ours.region or configured_region():
        return region
    if not (ours.client_secret or any_credential()):
        raise no_credentials()
    raise NotConfigured(
        "no Azure region",
        "none is given by `--region`, GPUCLOUD_REGION, the config file or the Azure CLI's configuration",
        "add `--region eastus`, or `az config set defaults.location=eastus`",
    )
