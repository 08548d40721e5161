"""Whose credentials are used, and what is said when they are not good."""

from __future__ import annotations

import json
import os
import sys
import threading
import urllib.parse
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from ssl import create_default_context
from typing import Any

import pytest
from azure.core.credentials import AccessTokenInfo
from azure.core.exceptions import ClientAuthenticationError

from gpucloud.errors import ConfigError, CredentialsError, NoCredentials, NotConfigured, Unreachable
from gpucloud.providers import registry
from gpucloud.providers.azure import preflight, signs
from gpucloud.providers.azure.clients import Clients
from gpucloud.providers.azure.login import OneLogin
from gpucloud.providers.azure.settings import AzureSettings
from tests.providers.azure_support import arm_calls, clients_for, logins
from tests.providers.support import Cloud

CLI_TOKEN = """#!{python}
import json, pathlib
pathlib.Path({log!r}).open("a").write("run\\n")
print(json.dumps({{"accessToken": {token!r}, "expires_on": 4102444800, "tokenType": "Bearer"}}))
"""


@pytest.fixture(autouse=True)
def no_signs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A computer that knows nothing of Azure, whatever the developer's own one knows."""
    names = [name for name in os.environ if name.startswith(("AZURE_", "IDENTITY_", "MSI_"))]
    for name in names:
        monkeypatch.delenv(name)
    monkeypatch.setattr(signs, "ASSET_TAG", tmp_path / "chassis_asset_tag")


def write(file: Path, text: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8-sig" if file.suffix == ".json" else None)


def profile(*subscriptions: dict[str, object]) -> str:
    return json.dumps({"installationId": "x", "subscriptions": subscriptions})


def test_without_any_sign_nothing_is_tried() -> None:
    with pytest.raises(NoCredentials, match="no Azure credentials") as caught:
        Clients(AzureSettings()).check_credentials()
    assert "`az login`" in caught.value.remedy
    for name in ("AZURE_TENANT_ID", "AZURE_CLIENT_ID", "AZURE_CLIENT_SECRET"):
        assert name in caught.value.remedy


@pytest.mark.parametrize("name", signs.VARIABLES)
def test_a_variable_is_a_sign(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert not signs.any_credential()
    monkeypatch.setenv(name, "x")
    assert signs.any_credential()


@pytest.mark.parametrize("name", [*(f".azure/{cache}" for cache in signs.CLI_CACHES), *signs.OTHER_CACHES])
def test_what_a_login_leaves_is_a_sign(name: str, home: Path) -> None:
    write(home / name, "{}")
    assert signs.any_credential()


def test_a_mere_configuration_of_the_cli_is_no_sign(home: Path) -> None:
    write(home / ".azure/azureProfile.json", profile())
    write(home / ".azure/config", "[defaults]\nlocation = westus3\n")
    assert not signs.any_credential()
    write(home / ".azure/azureProfile.json", profile({"id": "one"}))
    assert signs.any_credential(), "a login with a managed identity"


def test_a_machine_of_azure_is_a_sign() -> None:
    signs.ASSET_TAG.write_text(f"{signs.AZURE_ASSET_TAG}\n")
    assert signs.any_credential()


def test_the_region_is_that_of_the_azure_configuration(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(NoCredentials, match="no Azure credentials"):
        registry.home_region("azure", {})
    write(home / ".azure/msal_token_cache.json", "{}")
    with pytest.raises(NotConfigured, match="no Azure region"):
        registry.home_region("azure", {})
    write(home / ".azure/config", "[defaults]\nlocation = westus3\n")
    assert registry.home_region("azure", {}) == "westus3"
    monkeypatch.setenv("AZURE_DEFAULTS_LOCATION", "eastus2")
    assert registry.home_region("azure", {}) == "eastus2"
    assert registry.home_region("azure", {"region": "uksouth"}) == "uksouth"


def test_the_subscription_is_the_one_that_was_chosen(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(home / ".azure/azureProfile.json", profile({"id": "one"}, {"id": "two", "isDefault": True}))
    assert Clients(AzureSettings()).subscription == "two"
    monkeypatch.setenv("AZURE_SUBSCRIPTION_ID", "three")
    assert Clients(AzureSettings()).subscription == "three"
    assert Clients(AzureSettings(subscription="four")).subscription == "four"


def test_another_azure_than_the_public_one_is_told_apart(home: Path) -> None:
    of_china = {"id": "one", "isDefault": True, "environmentName": "AzureChinaCloud"}
    write(home / ".azure/azureProfile.json", profile(of_china))
    with pytest.raises(NotConfigured, match="AzureChinaCloud"):
        signs.configured_subscription()


@pytest.mark.parametrize("name", ["azureProfile.json", "config"])
def test_a_broken_file_of_the_cli_is_named(name: str, home: Path) -> None:
    write(home / ".azure" / name, "{")
    with pytest.raises(ConfigError) as caught:
        signs.configured_region() if name == "config" else signs.configured_subscription()
    assert name in caught.value.why


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"client_secret": "wrong"}, "the service principal's secret is wrong"),
        ({"client_id": "wrong"}, "the tenant has no such application"),
        ({"tenant": "wrong"}, "there is no such tenant"),
    ],
)
def test_a_login_that_is_refused_is_one_problem(azure: Cloud, fields: dict[str, str], why: str) -> None:
    (problem,) = preflight.examine(clients_for(azure, **fields), azure.spec()).problems
    assert (problem.what, problem.why) == ("Azure does not accept the credentials", why)
    assert problem.status is CredentialsError.status
    assert problem.remedy
    assert arm_calls(azure) == []


def test_a_secret_that_has_expired_is_told_from_a_wrong_one(azure: Cloud) -> None:
    azure.use("credentials: expired")
    with pytest.raises(CredentialsError, match="has expired") as caught:
        clients_for(azure).check_credentials()
    assert "az ad app credential reset" in caught.value.remedy


def test_a_token_that_expires_during_the_work_is_one_problem(azure: Cloud) -> None:
    clients = clients_for(azure)
    clients.check_credentials()
    azure.use("credentials: expired")
    (problem,) = preflight.examine(clients, azure.spec()).problems
    assert problem.what == "Azure does not accept the credentials"


def test_nonsense_is_told_before_anybody_is_asked(azure: Cloud) -> None:
    with pytest.raises(ConfigError, match="make no sense"):
        clients_for(azure, tenant="no tenant").check_credentials()
    assert azure.calls() == []


def test_settings_that_stand_alone_look_at_no_variable(azure: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AZURE_CLIENT_SECRET", "wrong")
    monkeypatch.setenv("AZURE_SUBSCRIPTION_ID", "wrong")
    clients = clients_for(azure, subscription="")
    clients.check_credentials()
    assert clients.subscription == azure.settings["subscription"]


def test_a_service_principal_in_the_environment_is_used(azure: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("tenant", "client_id", "client_secret"):
        variable = f"AZURE_{name.upper()}" + "_ID" * (name == "tenant")
        monkeypatch.setenv(variable, azure.settings[name])
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", azure.settings["ca_file"])
    clients = clients_for(azure, tenant="", client_id="", client_secret="")
    assert clients.pages("resourcegroups", "2021-04-01") == []
    assert logins(azure) == 1


def test_az_is_run_once_however_many_threads_ask(
    azure: Cloud, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script, log = tmp_path / "bin/az", tmp_path / "az.log"
    write(script, CLI_TOKEN.format(python=sys.executable, log=str(log), token=token_of(azure)))
    script.chmod(0o755)
    write(home / ".azure/msal_token_cache.json", "{}")
    monkeypatch.setenv("PATH", str(script.parent), prepend=os.pathsep)
    monkeypatch.setenv("AZURE_TOKEN_CREDENTIALS", "AzureCliCredential")
    clients = clients_for(azure, tenant="", client_id="", client_secret="")
    with ThreadPoolExecutor(6) as pool:
        list(pool.map(lambda _: clients.get("resourcegroups", "2021-04-01"), range(6)))
    assert log.read_text() == "run\n"


class Turnstile:
    """A lock that counts who comes to it."""

    def __init__(self) -> None:
        self._lock, self._come = threading.Lock(), threading.Semaphore(0)

    def __enter__(self) -> None:
        self._come.release()
        self._lock.acquire()

    def __exit__(self, *_: object) -> None:
        self._lock.release()

    def wait_for(self, number: int) -> None:
        for _ in range(number):
            assert self._come.acquire(timeout=20)


def test_threads_that_wait_for_a_login_fail_with_it_and_later_ones_try_again() -> None:
    turnstile, tries = Turnstile(), []

    class Refusing:
        def get_token_info(self, *scopes: str, options: Any = None) -> AccessTokenInfo:
            tries.append(scopes)
            if len(tries) > 1:
                return AccessTokenInfo("x", 4102444800)
            turnstile.wait_for(6)
            raise ClientAuthenticationError("no")

    refusing: Any = Refusing()  # without the context manager that the SDK's protocol asks for
    login = OneLogin(refusing)
    login._lock = turnstile  # type: ignore[assignment]  # to know that all have come while the first one is inside

    def ask(_: int) -> bool:
        with pytest.raises(ClientAuthenticationError):
            login.get_token_info("scope")
        return True

    with ThreadPoolExecutor(6) as pool:
        assert all(pool.map(ask, range(6)))
    assert len(tries) == 1
    assert login.get_token_info("scope").token == "x"


def test_a_login_that_does_not_work_says_so_once_and_on_no_other_channel(
    azure: Cloud, home: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    write(home / ".azure/azureProfile.json", profile({"id": "one", "isDefault": True}))
    monkeypatch.setenv("PATH", str(home))
    monkeypatch.setenv("AZURE_TOKEN_CREDENTIALS", "AzureCliCredential")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", azure.settings["ca_file"])
    with pytest.raises(CredentialsError, match="none that work") as caught:
        clients_for(azure, tenant="", client_id="", client_secret="").check_credentials()
    assert type(caught.value) is CredentialsError
    assert "`az login`" in caught.value.remedy
    assert capfd.readouterr().err == ""


def test_where_nobody_has_logged_in_there_are_none_whatever_lies_about(
    azure: Cloud, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A machine of Azure's without an identity, or the folder of a program that was tried once."""
    write(home / ".azd/auth/empty", "")
    monkeypatch.setenv("PATH", str(home))
    monkeypatch.setenv("AZURE_TOKEN_CREDENTIALS", "AzureDeveloperCliCredential")
    with pytest.raises(NoCredentials):
        clients_for(azure, tenant="", client_id="", client_secret="").check_credentials()


@pytest.mark.parametrize("says", ["AADSTS700082: The refresh token has expired.", "Name or service not known"])
def test_what_az_says_is_told_from_a_network_that_is_down(
    azure: Cloud, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, says: str
) -> None:
    script = tmp_path / "bin/az"
    write(script, f"#!/bin/sh\necho 'ERROR: {says}' >&2\nexit 1\n")
    script.chmod(0o755)
    write(home / ".azure/azureProfile.json", profile({"id": "one", "isDefault": True}))
    monkeypatch.setenv("PATH", str(script.parent), prepend=os.pathsep)
    monkeypatch.setenv("AZURE_TOKEN_CREDENTIALS", "AzureCliCredential")
    clients = clients_for(azure, tenant="", client_id="", client_secret="", authority="https://127.0.0.1:9")
    expired = says.startswith("AADSTS")
    with pytest.raises(CredentialsError if expired else Unreachable) as caught:
        clients.check_credentials()
    assert str(caught.value).startswith("Azure does not accept" if expired else "Azure cannot be reached")


def token_of(azure: Cloud) -> str:
    """A token as `az` would have got it."""
    settings = azure.settings
    form = {
        "grant_type": "client_credentials",
        "client_id": settings["client_id"],
        "client_secret": settings["client_secret"],
        "scope": f"{settings['endpoint_url']}/.default",
    }
    url = f"{settings['authority']}/{settings['tenant']}/oauth2/v2.0/token"
    request = urllib.request.Request(url, urllib.parse.urlencode(form).encode())
    opener = urllib.request.build_opener(
        urllib.request.ProxyHandler({}),
        urllib.request.HTTPSHandler(context=create_default_context(cafile=settings["ca_file"])),
    )
    with opener.open(request) as reply:
        return str(json.load(reply)["access_token"])
