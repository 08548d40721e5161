"""What this computer says about Azure without asking anybody: signs of credentials, a region, a subscription."""

from __future__ import annotations

import json
import os
from configparser import ConfigParser, Error
from pathlib import Path
from typing import Any

from gpucloud.errors import ConfigError, NoCredentials, NotConfigured

VARIABLES = (
    "AZURE_CLIENT_ID",
    "AZURE_FEDERATED_TOKEN_FILE",
    "AZURE_TENANT_ID",
    "AZURE_TOKEN_CREDENTIALS",
    "AZURE_USERNAME",
    "IDENTITY_ENDPOINT",
    "MSI_ENDPOINT",
)
"""Environment variables with which one of azure-identity's credentials begins: a service principal, a managed identity
(App Service, Cloud Shell, Arc), a Kubernetes workload."""

CLI_CACHES = ("msal_token_cache.json", "msal_token_cache.bin", "service_principal_entries.json")
"""What `az login` leaves in the CLI's folder."""
OTHER_CACHES = (
    ".azd/auth",
    ".Azure/AzureRmContext.json",
    ".azure/AzureRmContext.json",
    ".azure/ms-azuretools.vscode-azureresourcegroups/authRecord.json",
    ".Azure/ms-azuretools.vscode-azureresourcegroups/authRecord.json",
    ".IdentityService",
)
"""What the logins of `azd`, Azure PowerShell, VS Code and Visual Studio leave in the home directory."""

LOG_IN = "`az login`, or set AZURE_TENANT_ID, AZURE_CLIENT_ID and AZURE_CLIENT_SECRET; then `gpucloud doctor`"

PUBLIC_CLOUD = "AzureCloud"
"""The Azure CLI's name for it. Those of China and of the US government have other addresses."""

ASSET_TAG = Path("/sys/class/dmi/id/chassis_asset_tag")
AZURE_ASSET_TAG = "7783-7084-3265-9085-8269-3286-77"
"""What the firmware of every Azure VM says; source: cloud-init's data source for Azure."""


def any_credential() -> bool:
    """May azure-identity find a credential here? False saves the seconds in which it tries nine kinds of them.

    Raises ConfigError for a broken profile of the Azure CLI.
    """
    files = [_cli_folder() / name for name in CLI_CACHES] + [Path.home() / name for name in OTHER_CACHES]
    return (
        any(os.environ.get(name) for name in VARIABLES)
        or any(file.exists() for file in files)
        or bool(_cli_subscriptions())  # a login with a managed identity leaves nothing else
        or _is_azure_vm()
    )


def no_credentials() -> NoCredentials:
    """The error of a computer without any."""
    return NoCredentials("no Azure credentials", "azure-identity found none on this computer", LOG_IN)


def _is_azure_vm() -> bool:
    try:
        return ASSET_TAG.read_text().strip() == AZURE_ASSET_TAG
    except OSError:  # there is no such firmware, so this is no VM of Azure's
        return False


def configured_region() -> str:
    """The region of AZURE_DEFAULTS_LOCATION or of the Azure CLI's configuration, or "". Raises ConfigError."""
    if region := os.environ.get("AZURE_DEFAULTS_LOCATION", ""):
        return region
    file, parser = _cli_folder() / "config", ConfigParser(interpolation=None)
    try:
        parser.read(file, encoding="utf-8")
    except (Error, OSError, UnicodeError) as exc:
        raise ConfigError("the Azure CLI's configuration cannot be read", f"{file}: {exc}", f"repair {file}") from exc
    return parser.get("defaults", "location", fallback="")


def configured_subscription() -> str:
    """The id of the subscription in AZURE_SUBSCRIPTION_ID or that `az account set` chose, or "".

    Raises ConfigError, and NotConfigured if the chosen one is in another Azure than the public one.
    """
    if subscription := os.environ.get("AZURE_SUBSCRIPTION_ID", ""):
        return subscription
    for one in _cli_subscriptions():
        if one.get("isDefault"):
            _check_cloud(str(one.get("environmentName") or PUBLIC_CLOUD))
            return str(one["id"])
    return ""


def _check_cloud(name: str) -> None:
    if name != PUBLIC_CLOUD:
        why = f"the Azure CLI is set to {name}, and gpucloud knows the public cloud only"
        raise NotConfigured("another Azure than the public one", why, f"`az cloud set --name {PUBLIC_CLOUD}`")


def _cli_subscriptions() -> list[dict[str, Any]]:
    file = _cli_folder() / "azureProfile.json"
    try:
        profile = json.loads(file.read_text(encoding="utf-8-sig"))  # the CLI writes it with a byte order mark
    except FileNotFoundError:
        return []
    except (OSError, ValueError) as exc:
        raise ConfigError("the Azure CLI's profile cannot be read", f"{file}: {exc}", "`az login`") from exc
    subscriptions: list[dict[str, Any]] = profile.get("subscriptions") or []
    return subscriptions


def _cli_folder() -> Path:
    return Path(os.environ.get("AZURE_CONFIG_DIR") or Path.home() / ".azure")
