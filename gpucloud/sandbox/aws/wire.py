"""AWS requests and errors as they are on the wire."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs
from uuid import uuid4
from xml.sax.saxutils import escape

READ_ONLY = ("Describe", "Get", "List", "Search", "Lookup", "DecodeAuthorizationMessage")
Reply = tuple[int, dict[str, str], str | bytes]


class ApiError(Exception):
    """An error of the real API: its code, its message and its HTTP status."""

    def __init__(self, code: str, message: str, status: int = 400) -> None:
        super().__init__(f"{code}: {message}")
        self.code, self.message, self.status = code, message, status


@dataclass(frozen=True)
class Call:
    """One API call. `fields` are the form fields of EC2 and STS, or the JSON document of the other services."""

    service: str
    region: str
    action: str
    access_key: str
    fields: dict[str, Any]

    @property
    def is_json(self) -> bool:
        return self.service not in ("ec2", "sts")

    @property
    def permission(self) -> str:
        """The action as policies name it."""
        return f"{self.service}:{self.action}"

    @property
    def dry_run(self) -> bool:
        return str(self.fields.get("DryRun", "")).lower() == "true"

    @property
    def mutating(self) -> bool:
        """Whether the call would change the account. A DryRun never does."""
        return not self.dry_run and not self.action.startswith(READ_ONLY)


def parse(authorization: str, target: str, body: bytes) -> Call:
    """The call in a signed request. Raises ApiError when nobody signed it or it names no action."""
    scope = authorization.partition("Credential=")[2].split(",")[0].split("/")
    if len(scope) != 5:
        raise ApiError("MissingAuthenticationToken", "Request is missing Authentication Token", 403)
    access_key, _, region, service, _ = scope
    if target:
        fields, action = json.loads(body or b"{}"), target.rpartition(".")[2]
    else:
        form = parse_qs(body.decode(), keep_blank_values=True)
        fields = {key: values[0] for key, values in form.items()}
        action = fields.get("Action", "")
    if not action:
        raise ApiError("MissingAction", "The request is missing an action")
    return Call(service, region, action, access_key, fields)


def json_reply(document: object, status: int = 200) -> Reply:
    return status, {"Content-Type": "application/x-amz-json-1.1"}, json.dumps(document)


def error_reply(call: Call | None, error: ApiError) -> Reply:
    """`error` in the service's own protocol."""
    if call is not None and call.is_json:
        return json_reply({"__type": error.code, "message": error.message}, error.status)
    request, code, message = uuid4(), escape(error.code), escape(error.message)
    inner = f"<Error><Code>{code}</Code><Message>{message}</Message></Error>"
    if call is not None and call.service == "sts":
        body = f"<ErrorResponse>{inner}<RequestId>{request}</RequestId></ErrorResponse>"
    else:
        body = f"<Response><Errors>{inner}</Errors><RequestID>{request}</RequestID></Response>"
    return error.status, {"Content-Type": "text/xml;charset=UTF-8"}, body
