"""The HTTPS server of the embedded Azure: from a request to the handler that answers it, and back."""

from __future__ import annotations

import json
import logging
import ssl
import time
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socket import socket
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit
from uuid import uuid4

from gpucloud.sandbox.azure import gates, login, runcommand
from gpucloud.sandbox.azure.ids import split
from gpucloud.sandbox.azure.routes import Router
from gpucloud.sandbox.azure.wire import ArmError, Call, Reply, without_nulls
from gpucloud.sandbox.azure.world import AzureWorld

log = logging.getLogger(__name__)


class Front:
    """Answers calls of ARM and of the login service. One call at a time changes the world; latency is spent outside."""

    def __init__(self, world: AzureWorld) -> None:
        self.world, self.router = world, Router()
        world.router = self.router

    def answer(self, call: Call) -> Reply:
        """The reply to a call; every failure is an error of the real API."""
        began, error = time.time(), ""
        try:
            if login.is_login(call.path):
                call = replace(call, service="login", action=f"{call.method} {call.path.rpartition('/')[2]}")
                self.world.shared.begin(call)
                reply = login.answer(self.world, call)
            elif runcommand.is_blob(call.path):
                call = replace(call, service="blob", action=f"{call.method} blob")
                self.world.shared.log.begin(call)
                reply = runcommand.blob(self.world, call)
            else:
                call, reply = self._arm(call)
        except Refusal as refused:
            call, reply, error = refused.call, refused.error.reply(), refused.error.code
        except Exception:
            log.exception("a call failed")
            error = "InternalServerError"
            reply = ArmError(error, "see the daemon's log [simulated]", 500).reply()
        self.world.shared.log.end(call, began, time.time() - began, reply.status, error)
        return reply

    def _arm(self, call: Call) -> tuple[Call, Reply]:
        """The call as the route names it, and its reply. Raises Refusal."""
        world = self.world
        wanted, tail = split(call.path)
        call = replace(call, id=wanted, tail=tail, action=f"{call.method} {call.path}")
        try:
            route = self.router.find(call.method, wanted, tail)
        except ArmError as error:
            world.shared.log.begin(call)
            raise Refusal(call, error) from error
        call = replace(call, action=route.action, permission=route.permission, region=self._region(call))
        number = world.shared.begin(call)
        try:
            with world.shared.lock:
                call = gates.check(world, call, number)
                reply = route.handler(world, call)
                if call.mutating:
                    world.save()
                return call, reply
        except ArmError as error:
            raise Refusal(call, error) from error

    def _region(self, call: Call) -> str:
        """Where the call works: named in its body or its path, or where its resource is; empty when nowhere."""
        if isinstance(call.body, dict) and isinstance(call.body.get("location"), str):
            return str(call.body["location"])
        if call.id.types[:1] == ("locations",):
            return call.id.names[0]
        with self.world.shared.lock:
            resource = self.world.store.find(call.id)
        return resource.location if resource else ""


class Refusal(Exception):
    """An ArmError with the call that it answers, as far as that was understood."""

    def __init__(self, call: Call, error: ArmError) -> None:
        super().__init__(str(error))
        self.call, self.error = call, error


class Handler(BaseHTTPRequestHandler):
    """One connection, kept open over many requests."""

    protocol_version = "HTTP/1.1"
    # Without these two, headers and body travel as two packets and every request takes 44 ms instead of 0.3.
    wbufsize = -1
    disable_nagle_algorithm = True
    server: Server

    def do(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        data = self.rfile.read(length)
        try:
            reply = self.server.front.answer(self._call(data))
        except ValueError as error:
            text = f"The request content was invalid and could not be deserialized: '{error}'."
            reply = ArmError("InvalidRequestContent", text).reply()
        self._send(reply)

    do_GET = do_HEAD = do_PUT = do_POST = do_PATCH = do_DELETE = do

    def _call(self, data: bytes) -> Call:
        address = urlsplit(self.path)
        headers = {name.lower(): value for name, value in self.headers.items()}
        form = headers.get("content-type", "").startswith("application/x-www-form-urlencoded")
        body: Any = dict(parse_qsl(data.decode())) if form else without_nulls(json.loads(data)) if data else None
        return Call(
            method=self.command,
            path=unquote(address.path),
            query={name.lower(): value for name, value in parse_qsl(address.query, keep_blank_values=True)},
            headers=headers,
            body=body,
            origin=f"https://{self.headers.get('Host', '')}",
            raw_path=address.path,
            raw_query=address.query,
        )

    def _send(self, reply: Reply) -> None:
        raw = isinstance(reply.body, bytes)
        data = b"" if reply.body is None else reply.body if raw else json.dumps(reply.body).encode()
        self.send_response(reply.status)
        request = str(uuid4())
        headers = {"x-ms-request-id": request, "x-ms-correlation-request-id": request, **reply.headers}
        headers["x-gpucloud-simulated"] = "sandbox"
        if data:
            headers.setdefault("Content-Type", "application/json; charset=utf-8")
        if reply.status != 204:
            headers["Content-Length"] = str(len(data))
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: the call log has it, and addresses of operations are not for logs."""


class Server(ThreadingHTTPServer):
    """HTTPS on loopback. `front` must be set before it serves."""

    daemon_threads = True
    front: Front

    def __init__(self, port: int, context: ssl.SSLContext) -> None:
        self.context = context
        super().__init__(("127.0.0.1", port), Handler)

    def get_request(self) -> tuple[socket, Any]:
        """A connection whose handshake is left to its own thread: a client that says nothing holds up nobody."""
        connection, address = super().get_request()
        return self.context.wrap_socket(connection, server_side=True, do_handshake_on_connect=False), address

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away or does not trust us is no failure of ours."""
        log.debug("a connection broke", exc_info=True)
