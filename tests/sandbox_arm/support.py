"""A running sandbox with short ways to what its tests ask again and again: Azure's real SDKs over real TLS."""

from __future__ import annotations

import json
import ssl
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any

from azure.core.exceptions import HttpResponseError
from azure.identity import ClientSecretCredential

from gpucloud.sandbox import client
from gpucloud.waiting import Waiter

GROUP = "gpucloud-test"
LOCATION = "eastus"
# Imported on use: each takes half a second to a second.
CLIENTS = {
    "compute": ("azure.mgmt.compute", "ComputeManagementClient"),
    "network": ("azure.mgmt.network", "NetworkManagementClient"),
    "groups": ("azure.mgmt.resource.resources", "ResourceManagementClient"),
}


@dataclass
class Answer:
    """An HTTP reply: its JSON document (None without one)."""

    status: int
    headers: dict[str, str]
    body: Any


@dataclass
class Arm:
    """The running daemon, and short ways to what the tests ask of it again and again."""

    info: client.SandboxInfo
    folder: Path
    kept: dict[str, Any] = field(default_factory=dict)

    def credential(self, secret: str = "") -> ClientSecretCredential:
        """A new credential, so without a token yet."""
        return ClientSecretCredential(
            self.info.azure_tenant,
            self.info.azure_client_id,
            secret or self.info.azure_client_secret,
            authority=self.info.azure_endpoint,
            disable_instance_discovery=True,
            connection_verify=self.info.azure_ca,
        )

    def client(self, kind: str, **more: Any) -> Any:
        """The SDK's client (`compute`, `network`, `groups`) without retries; kept, because making it is slow."""
        if kind not in self.kept or more:
            made = self._made(kind, more)
            if more:
                return made
            self.kept[kind] = made
        return self.kept[kind]

    def _made(self, kind: str, more: dict[str, Any]) -> Any:
        settings = {
            "base_url": self.info.azure_endpoint,
            "credential_scopes": [f"{self.info.azure_endpoint}/.default"],
            "connection_verify": self.info.azure_ca,
            "polling_interval": 0.02,
            "retry_total": 0,
            **more,
        }
        credential = settings.pop("credential", None) or self.kept.setdefault("credential", self.credential())
        module, name = CLIENTS[kind]
        return getattr(import_module(module), name)(credential, self.info.azure_subscription, **settings)

    @property
    def network(self) -> Any:
        return self.client("network")

    @property
    def compute(self) -> Any:
        return self.client("compute")

    @property
    def groups(self) -> Any:
        """ResourceManagementClient."""
        return self.client("groups")

    @property
    def scope(self) -> str:
        return f"/subscriptions/{self.info.azure_subscription}"

    def group(self, name: str = GROUP, **tags: str) -> Any:
        return self.groups.resource_groups.create_or_update(name, {"location": LOCATION, "tags": tags})

    def vnet(self, name: str = "vnet", group: str = GROUP) -> Any:
        subnets = [{"name": "default", "properties": {"addressPrefix": "10.0.0.0/24"}}]
        body = {
            "location": LOCATION,
            "properties": {"addressSpace": {"addressPrefixes": ["10.0.0.0/16"]}, "subnets": subnets},
        }
        return self.network.virtual_networks.begin_create_or_update(group, name, body).result()

    def address(self, name: str = "ip", group: str = GROUP) -> Any:
        body = {"location": LOCATION, "sku": {"name": "Standard"}, "properties": {"publicIPAllocationMethod": "Static"}}
        return self.network.public_ip_addresses.begin_create_or_update(group, name, body).result()

    def firewall(self, rule: dict[str, Any] | None = None, name: str = "nsg", group: str = GROUP) -> Any:
        properties = {
            "protocol": "Tcp",
            "direction": "Inbound",
            "access": "Allow",
            "priority": 100,
            "sourceAddressPrefix": "203.0.113.7/32",
            "sourcePortRange": "*",
            "destinationAddressPrefix": "*",
            "destinationPortRange": "22",
            **(rule or {}),
        }
        body = {"location": LOCATION, "properties": {"securityRules": [{"name": "ssh", "properties": properties}]}}
        return self.network.network_security_groups.begin_create_or_update(group, name, body).result()

    def interface(self, name: str = "nic", group: str = GROUP, **members: Any) -> Any:
        """An interface in the subnet `default` of the network `vnet`, which must be there."""
        network = f"{self.scope}/resourceGroups/{group}/providers/Microsoft.Network/virtualNetworks/vnet"
        configuration = {"name": "main", "properties": {"subnet": {"id": f"{network}/subnets/default"}, **members}}
        body = {"location": LOCATION, "properties": {"ipConfigurations": [configuration]}}
        return self.network.network_interfaces.begin_create_or_update(group, name, body).result()

    def use(self, text: str) -> None:
        """Put a scenario in force, over the API-only one."""
        file = self.folder / "scenario.yaml"
        file.write_text(f"guests: none\n{text}\n")
        client._post(self.info.endpoint, "scenario", {"scenario": str(file)})

    def ask(self, path: str, method: str = "GET") -> Any:
        """One of the sandbox's own addresses."""
        request = urllib.request.Request(f"{self.info.endpoint}/_gpucloud/{path}", method=method)
        with urllib.request.urlopen(request) as reply:
            return json.load(reply)

    def inventory(self) -> dict[str, list[str]]:
        """What exists in Azure, without kinds of which there is nothing."""
        return {kind: ids for kind, ids in self.ask("inventory").items() if kind.startswith("azure-") and ids}

    def token(self) -> str:
        return str(self.credential().get_token(f"{self.info.azure_endpoint}/.default").token)

    def send(self, method: str, path: str, body: Any = None, **headers: str) -> Answer:
        """One raw request with a good token, unless `headers` has `authorization`; any status is an answer."""
        if "authorization" not in headers:
            headers["authorization"] = f"Bearer {self.kept.setdefault('token', self.token())}"
        data = None if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
        url = path if path.startswith("https:") else f"{self.info.azure_endpoint}{path}"
        named = {name.replace("_", "-"): value for name, value in headers.items() if value}
        request = urllib.request.Request(url, data, {"Content-Type": "application/json", **named}, method=method)
        context = ssl.create_default_context(cafile=self.info.azure_ca)
        try:
            with urllib.request.urlopen(request, context=context) as reply:
                return _answer(reply, reply.read())
        except urllib.error.HTTPError as error:
            return _answer(error, error.read())

    def get(self, path: str, version: str = "2025-04-01", **query: str) -> Any:
        """The document of a raw GET."""
        pairs = "".join(f"&{name}={value}" for name, value in query.items())
        return self.send("GET", f"{path}?api-version={version}{pairs}").body

    def reaches(self, probe: Any, seconds: float = 10) -> bool:
        return bool(Waiter(first=0.02).until(probe, seconds))


def _answer(reply: Any, data: bytes) -> Answer:
    headers = {name.lower(): value for name, value in reply.headers.items()}
    return Answer(reply.status, headers, json.loads(data) if data else None)


class refused:
    """The body must fail with this error code of ARM, and with this HTTP status where one is given."""

    def __init__(self, code: str, status: int = 0) -> None:
        self.code, self.status = code, status

    def __enter__(self) -> refused:
        self.message = ""
        self.details: list[Any] = []
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> bool:
        assert isinstance(error, HttpResponseError), f"expected {self.code}, got {error!r}"
        assert error.error is not None, f"no error document in {error!r}"
        found, wanted = (error.error.code, error.status_code), (self.code, self.status or error.status_code)
        assert found == wanted, f"expected {wanted}, got {found}: {error.error.message}"
        self.message, self.details = error.error.message or "", list(error.error.details or [])
        return True
