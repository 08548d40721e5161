"""The one pipeline to Resource Manager: patient, but not for ever; cheap to make; and silent about what it sends."""

from __future__ import annotations

import logging
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from gpucloud import __version__
from gpucloud.errors import CloudError, ConfigError, CredentialsError, GpucloudError, Unreachable
from gpucloud.providers.azure.clients import SUBSCRIPTIONS_API, Clients
from gpucloud.providers.azure.errors import translated
from gpucloud.providers.azure.throttle import LONGEST_WAIT, PatientRetry
from tests.providers.azure_support import arm_calls, clients_for, clients_of, logins, ok, refused, scripted
from tests.providers.support import Cloud

pytestmark = pytest.mark.slow


def asked(clients: Clients) -> list[dict[str, Any]]:
    with translated("ask"):
        return clients.pages("/things", "2024-07-01")


def error_of(clients: Clients) -> GpucloudError:
    with pytest.raises(GpucloudError) as caught:
        asked(clients)
    return caught.value


def test_all_pages_are_read(tmp_path: Path) -> None:
    with scripted(tmp_path, ok({"value": [{"a": 1}]})) as server:
        following = f"{server.url}/things?api-version=2024-07-01&$skiptoken=1%2B1"
        server.answers.insert(0, ok({"value": [{"a": 0}], "nextLink": following}))
        assert asked(clients_of(server)) == [{"a": 0}, {"a": 1}]
        assert server.seen[1][0].endswith("$skiptoken=1%2B1"), "the link of the next page is opaque"


def test_a_path_without_a_slash_is_within_the_subscription(tmp_path: Path) -> None:
    with scripted(tmp_path, ok({"a": 1})) as server:
        clients_of(server, subscription="sub").get("resourcegroups", "2021-04-01", **{"$filter": "name eq 'x y'"})
        path = server.seen[0][0]
    assert path == "/subscriptions/sub/resourcegroups?api-version=2021-04-01&$filter=name%20eq%20'x%20y'"


def test_a_short_wait_is_waited_for_and_a_failure_tried_again(tmp_path: Path) -> None:
    throttled = refused(429, "TooManyRequests", **{"Retry-After": "1"})
    with scripted(tmp_path, throttled, refused(500, "InternalServerError"), ok({"value": []})) as server:
        assert asked(clients_of(server)) == []
        assert len(server.seen) == 3


def test_a_long_wait_is_told_at_once(tmp_path: Path) -> None:
    with scripted(tmp_path, refused(429, "TooManyRequests", **{"Retry-After": "1200"})) as server:
        error = error_of(clients_of(server))
        assert len(server.seen) == 1
    assert type(error) is Unreachable
    assert "says to wait 20 minutes" in error.why


def test_the_waits_of_one_call_add_up() -> None:
    answer: Any = SimpleNamespace(
        http_response=SimpleNamespace(status_code=429, headers={"Retry-After": str(LONGEST_WAIT / 2)}),
        http_request=SimpleNamespace(method="GET"),
    )
    policy = PatientRetry()
    settings = policy.configure_retries({})
    assert [policy.is_retry(settings, answer) for _ in range(3)] == [True, True, False]


def test_what_is_not_azure_is_recognised(tmp_path: Path) -> None:
    with scripted(tmp_path, (200, "<html>Please log in</html>", {"Content-Type": "text/html"})) as server:
        assert type(error_of(clients_of(server))) is CloudError


def test_every_request_says_who_asks(tmp_path: Path) -> None:
    with scripted(tmp_path, ok({"value": []})) as server:
        asked(clients_of(server))
        assert server.seen[0][1]["User-Agent"].startswith(f"gpucloud/{__version__} ")


def test_settings_that_stand_alone_use_no_proxy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    with scripted(tmp_path, ok({"value": []})) as server:
        assert asked(clients_of(server)) == []


def test_a_server_that_is_not_there_is_unreachable(tmp_path: Path) -> None:
    with scripted(tmp_path, ok({"value": []})) as server:
        clients = clients_of(server)
        clients.check_credentials()
    assert type(error_of(clients)) is Unreachable


def test_a_certificate_of_somebody_else_is_not_accepted(tmp_path: Path) -> None:
    with scripted(tmp_path, ok({"value": []})) as server:
        error = error_of(clients_of(server, ca_file=""))
    assert type(error) is Unreachable
    assert "not trusted" in error.why


def test_the_only_subscription_that_is_enabled_is_taken(tmp_path: Path) -> None:
    seen = [("one", "Enabled"), ("two", "Disabled")]
    answer = {"value": [{"subscriptionId": id, "state": state, "displayName": id} for id, state in seen]}
    with scripted(tmp_path, ok(answer)) as server:
        assert clients_of(server).subscription == "one"
        assert server.seen[0][0] == f"/subscriptions?api-version={SUBSCRIPTIONS_API}"


@pytest.mark.parametrize(("names", "word"), [(["one", "two"], "one (one), two (two)"), ([], "none that is enabled")])
def test_one_of_several_subscriptions_must_be_chosen(tmp_path: Path, names: list[str], word: str) -> None:
    answer = {"value": [{"subscriptionId": name, "state": "Enabled", "displayName": name} for name in names]}
    with scripted(tmp_path, ok(answer)) as server, pytest.raises(ConfigError, match="subscription") as caught:
        assert clients_of(server).subscription
    assert word in caught.value.why


def test_threads_share_one_login_and_sdks_the_pipeline(azure: Cloud) -> None:
    clients = clients_for(azure)

    def ask(number: int) -> str:
        if number % 2:
            return str(next(iter(clients.groups.resource_groups.list()), ""))
        return str(clients.pages("resourcegroups", "2021-04-01"))

    with ThreadPoolExecutor(8) as pool:
        assert len(list(pool.map(ask, range(16)))) == 16
    assert logins(azure) == 1
    assert len(arm_calls(azure)) == 16
    assert {clients.compute._client._pipeline, clients.network._client._pipeline} == {clients.groups._client._pipeline}


def test_no_provider_is_registered_behind_the_users_back(azure: Cloud) -> None:
    """The SDKs' own pipelines do so when they are told that a namespace is not registered."""
    azure.use("azure: {unregistered: [Microsoft.Network]}")
    with pytest.raises(ConfigError), translated("list the networks"):
        list(clients_for(azure).network.virtual_networks.list_all())
    assert [call["action"] for call in arm_calls(azure)] == ["GET virtualNetworks"]


def test_addresses_and_tokens_are_not_logged(azure: Cloud, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG, "azure"):
        clients_for(azure).get("resourcegroups", "2021-04-01")
    assert "resourcegroups" not in caplog.text
    assert "Bearer" not in caplog.text


@pytest.mark.parametrize("scenario", ["credentials: expired", "denied: ['*/resourceGroups/read']"])
def test_errors_of_the_plain_get_are_those_of_the_sdks(azure: Cloud, scenario: str) -> None:
    clients = clients_for(azure)
    clients.check_credentials()
    azure.use(scenario)
    with pytest.raises(CredentialsError), translated("list"):
        clients.get("resourcegroups", "2021-04-01")
    with pytest.raises(CredentialsError), translated("list"):
        list(clients.groups.resource_groups.list())


def test_listing_imports_no_management_sdk() -> None:
    code = (
        "import sys; from gpucloud.providers.azure.clients import Clients; from gpucloud.providers.azure.settings "
        "import AzureSettings as S; c = Clients(S('https://127.0.0.1:9', tenant='t', client_id='c', "
        "client_secret='s')); c._once('pipeline', c._pipeline); "
        "print(sorted(m for m in sys.modules if m.startswith('azure.mgmt')))"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"
