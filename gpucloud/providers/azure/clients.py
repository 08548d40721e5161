"""One pipeline to Azure Resource Manager, and what speaks through it: the SDKs' clients, and plain GET for listings."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from gpucloud import __version__
from gpucloud.errors import ConfigError, NotConfigured
from gpucloud.providers.azure import signs
from gpucloud.providers.azure.errors import translated
from gpucloud.providers.azure.login import OneLogin, credential
from gpucloud.providers.azure.settings import AzureSettings

if TYPE_CHECKING:
    from azure.core import PipelineClient

CONNECT_TIMEOUT = 5.0
"""Seconds. Resource Manager answers a connect in milliseconds; longer means no network."""
READ_TIMEOUT = 30.0
"""Seconds. The slowest answer, the list of a region's SKUs, takes about 5; azure-core's own are 300."""
CONNECTIONS = 32

SUBSCRIPTIONS_API = "2022-12-01"


class Clients:
    """The clients of one AzureSettings, all over one pipeline. Made on first use; safe to share between threads."""

    def __init__(self, settings: AzureSettings) -> None:
        self.settings = settings
        self._lock = threading.RLock()
        self._made: dict[str, Any] = {}

    @property
    def compute(self) -> Any:
        """azure.mgmt.compute's client. Raises CredentialsError if there are none."""
        return self._once("compute", self._compute)

    @property
    def network(self) -> Any:
        """azure.mgmt.network's client. Raises CredentialsError if there are none."""
        return self._once("network", self._network)

    @property
    def groups(self) -> Any:
        """azure.mgmt.resource.resources' client. Raises CredentialsError if there are none."""
        return self._once("groups", self._groups)

    @property
    def subscription(self) -> str:
        """The id of the subscription to work in. Raises NotConfigured if the credentials see none,
        ConfigError if several."""
        with translated("find the subscription"):
            return str(self._once("subscription", self._find_subscription))

    def check_credentials(self) -> None:
        """Log in. Raises CredentialsError if there are no credentials, or if Azure does not know them."""
        with translated("log in to Azure"):
            self._once("credential", self._credential).get_token_info(self.settings.scope)

    def get(self, path: str, api_version: str, **query: str) -> dict[str, Any]:
        """GET a document of Resource Manager. `path` begins with a slash, or is within the subscription."""
        where = path if path.startswith("/") else f"/subscriptions/{self.subscription}/{path}"
        return self._get(where, {"api-version": api_version, **query})

    def pages(self, path: str, api_version: str, **query: str) -> list[dict[str, Any]]:
        """All items of a list, over all its pages. `path` as in `get`."""
        page = self.get(path, api_version, **query)
        items: list[dict[str, Any]] = list(page["value"])
        while following := page.get("nextLink"):
            page = self._get(following, {})
            items += page["value"]
        return items

    def _get(self, url: str, query: dict[str, str]) -> dict[str, Any]:
        from azure.core.exceptions import DecodeError, HttpResponseError
        from azure.core.rest import HttpRequest

        pipeline: PipelineClient[Any, Any] = self._once("pipeline", self._pipeline)
        response = pipeline.send_request(HttpRequest("GET", pipeline.format_url(url), params=query))
        if response.status_code != 200:
            raise HttpResponseError(response=response)
        try:
            document: dict[str, Any] = response.json()
        except ValueError as exc:
            raise DecodeError("no JSON", response=response) from exc
        return document

    def _once(self, name: str, make: Callable[[], Any]) -> Any:
        with self._lock:
            if name not in self._made:
                self._made[name] = make()
            return self._made[name]

    def _compute(self) -> Any:
        from azure.mgmt.compute import ComputeManagementClient

        return self._sdk(ComputeManagementClient)

    def _network(self) -> Any:
        from azure.mgmt.network import NetworkManagementClient

        return self._sdk(NetworkManagementClient)

    def _groups(self) -> Any:
        from azure.mgmt.resource.resources import ResourceManagementClient

        return self._sdk(ResourceManagementClient)

    def _sdk(self, kind: Callable[..., Any]) -> Any:
        return kind(
            self._once("credential", self._credential),
            self.subscription,
            base_url=self.settings.endpoint,
            pipeline=self._once("pipeline", self._pipeline)._pipeline,
            polling_interval=self.settings.poll_seconds,
        )

    def _pipeline(self) -> PipelineClient[Any, Any]:
        """The one pipeline. Nothing in it writes logs, for the URLs of Azure's operations are signed.

        Nor does it hold the policy with which the SDKs' own pipelines register a resource provider behind the
        caller's back: a subscription is not changed without being asked, and preflight says how to do it.
        """
        from azure.core import PipelineClient
        from azure.core.pipeline import policies

        from gpucloud.providers.azure.throttle import PatientRetry

        login = self._once("credential", self._credential)
        steps = [
            policies.RequestIdPolicy(),
            policies.UserAgentPolicy(user_agent=f"gpucloud/{__version__}"),
            policies.ContentDecodePolicy(),
            policies.RedirectPolicy(),
            PatientRetry(),
            policies.BearerTokenCredentialPolicy(login, self.settings.scope),
            policies.SensitiveHeaderCleanupPolicy(),
        ]
        return PipelineClient(self.settings.endpoint, policies=steps, transport=self._transport())

    def _transport(self) -> Any:
        import requests
        from azure.core.pipeline.transport import RequestsTransport
        from requests.adapters import HTTPAdapter

        session = requests.Session()
        # A full pool throws connections away, and says so on stderr.
        session.mount("https://", HTTPAdapter(pool_maxsize=CONNECTIONS, max_retries=0))
        session.trust_env = not self.settings.client_secret
        return RequestsTransport(
            session=session,
            connection_timeout=CONNECT_TIMEOUT,
            read_timeout=READ_TIMEOUT,
            connection_verify=self.settings.ca_file or True,
        )

    def _credential(self) -> OneLogin:
        return credential(self.settings, self._transport())

    def _find_subscription(self) -> str:
        settings = self.settings
        configured = "" if settings.client_secret else signs.configured_subscription()
        if known := settings.subscription or configured:
            return known
        every = self.pages("/subscriptions", SUBSCRIPTIONS_API)
        usable = [one for one in every if one.get("state") in ("Enabled", "PastDue", "Warned")]
        if len(usable) == 1:
            return str(usable[0]["subscriptionId"])
        if not usable:
            why = "the credentials see none that is enabled"
            raise NotConfigured("no Azure subscription", why, "`az account list --all`")
        raise ConfigError(
            "several Azure subscriptions, and none is chosen",
            ", ".join(f"{one['displayName']} ({one['subscriptionId']})" for one in usable),
            "`az account set --subscription …`, or set AZURE_SUBSCRIPTION_ID",
        )
