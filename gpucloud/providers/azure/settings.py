"""What differs between one Azure and another. The sandbox is an Azure with other settings, and nothing else."""

from __future__ import annotations

from dataclasses import dataclass, field

from gpucloud.providers.address import CHECKIP_URL

ENDPOINT = "https://management.azure.com"
"""Azure Resource Manager of the public cloud."""


@dataclass(frozen=True)
class AzureSettings:
    """How to reach Azure. The defaults mean the real one, with the credentials that azure-identity finds by itself.

    With `client_secret` the settings stand alone: a service principal of `tenant`, and no environment variable, login
    or proxy is looked at. `ca_file` holds the certificates to trust instead of the usual ones. `subscription` and
    `region` are used where nothing else names one. `ssh_port` is the port on which machines answer. `checkip_url`
    answers with the caller's public address. `poll_seconds` is the pause between two looks at an operation whose
    answers do not say when to look again.
    """

    endpoint_url: str = ""
    authority: str = ""
    ca_file: str = ""
    tenant: str = ""
    client_id: str = ""
    client_secret: str = field(default="", repr=False)
    subscription: str = ""
    region: str = ""
    ssh_port: int = 22
    checkip_url: str = CHECKIP_URL
    poll_seconds: float = 2.0

    @property
    def endpoint(self) -> str:
        """Where Azure Resource Manager answers, without a slash at the end."""
        return (self.endpoint_url or ENDPOINT).rstrip("/")

    @property
    def scope(self) -> str:
        """What a token is asked for."""
        return f"{self.endpoint}/.default"
