"""Azure as the sandbox serves it, and a server that answers whatever a test wants to hear."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from gpucloud.providers.azure.clients import Clients
from gpucloud.providers.azure.settings import AzureSettings
from gpucloud.sandbox.azure import certificates
from tests.providers.support import Cloud

ISSUED = {"token_type": "Bearer", "expires_in": 3599, "access_token": "x.y.z"}
TENANT = "11111111-2222-3333-4444-555555555555"

Answer = tuple[int, Any, dict[str, str]]


def clients_for(cloud: Cloud, **fields: Any) -> Clients:
    """Clients of the sandbox's Azure, of their own: nothing is known and nobody is logged in."""
    return Clients(AzureSettings(**{**cloud.settings, **fields}))


def arm_calls(cloud: Cloud) -> list[dict[str, Any]]:
    """The calls to Resource Manager since the last reset, without the logins."""
    return [call for call in cloud.calls() if call["service"] == "azure"]


def logins(cloud: Cloud) -> int:
    return sum(call["service"] == "login" and call["action"] == "POST token" for call in cloud.calls())


class Scripted(ThreadingHTTPServer):
    """Resource Manager and its login over TLS, with answers out of a list; the last one is given again and again."""

    daemon_threads = True

    def __init__(self, folder: Path, answers: list[Answer]) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.folder, self.answers = folder, answers
        self.seen: list[tuple[str, dict[str, str]]] = []
        self.socket = certificates.context(folder).wrap_socket(self.socket, server_side=True)

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self.server_address[1]}"

    @property
    def settings(self) -> AzureSettings:
        ca = str(certificates.ca_file(self.folder))
        return AzureSettings(self.url, self.url, ca, TENANT, "an-app", "simulated")


class Handler(BaseHTTPRequestHandler):
    protocol_version, wbufsize, disable_nagle_algorithm = "HTTP/1.1", -1, True
    server: Scripted

    def do_GET(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if "openid-configuration" in self.path:
            login = {"authorization_endpoint": f"{self.server.url}/{TENANT}/authorize", "issuer": self.server.url}
            return self._send(200, {**login, "token_endpoint": f"{self.server.url}/{TENANT}/oauth2/v2.0/token"}, {})
        if urlsplit(self.path).path.endswith("/token"):
            return self._send(200, ISSUED, {})
        self.server.seen.append((self.path, dict(self.headers)))
        answers = self.server.answers
        self._send(*(answers.pop(0) if len(answers) > 1 else answers[0]))

    do_POST = do_GET

    def _send(self, status: int, body: Any, headers: dict[str, str]) -> None:
        data = body.encode() if isinstance(body, str) else json.dumps(body).encode()
        self.send_response(status)
        for name, value in {"Content-Type": "application/json", "Content-Length": str(len(data)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: the server keeps what it has seen."""


@contextmanager
def scripted(folder: Path, *answers: Answer) -> Iterator[Scripted]:
    """A running Scripted server."""
    server = Scripted(folder / "scripted", list(answers))
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def ok(body: Any, **headers: str) -> Answer:
    return 200, body, headers


def refused(status: int, code: str, **headers: str) -> Answer:
    return status, {"error": {"code": code, "message": "theirs"}}, headers


def clients_of(server: Scripted, **fields: Any) -> Clients:
    return Clients(replace(server.settings, **fields))
