"""How clients reach the embedded Azure: the part of daemon.json that is about it."""

from __future__ import annotations

from pathlib import Path

from gpucloud.sandbox.azure.certificates import ca_file
from gpucloud.sandbox.azure.login import CLIENT_SECRET
from gpucloud.sandbox.azure.world import CLIENT_ID, SUBSCRIPTION, TENANT


def told(port: int, folder: Path) -> dict[str, str]:
    """The fields of client.SandboxInfo about Azure; `folder` has the certificates."""
    return {
        "azure_endpoint": f"https://127.0.0.1:{port}",
        "azure_ca": str(ca_file(folder.resolve())),
        "azure_tenant": TENANT,
        "azure_client_id": CLIENT_ID,
        "azure_client_secret": CLIENT_SECRET,
        "azure_subscription": SUBSCRIPTION,
    }
