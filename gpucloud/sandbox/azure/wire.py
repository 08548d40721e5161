"""Requests, replies and errors of Azure Resource Manager as they are on the wire."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from gpucloud.sandbox.azure.ids import ResourceId


class ArmError(Exception):
    """An error of the real API: its code, its message, its HTTP status, and the errors that caused it."""

    def __init__(
        self,
        code: str,
        message: str,
        status: int = 400,
        *,
        target: str = "",
        details: Sequence[Mapping[str, Any]] = (),
        headers: Mapping[str, str] | None = None,
        wrapped: bool = True,
    ) -> None:
        super().__init__(f"{code}: {message}")
        self.code, self.message, self.status, self.target = code, message, status, target
        self.details, self.headers, self.wrapped = list(details), dict(headers or {}), wrapped

    def document(self) -> dict[str, Any]:
        """The error itself, as it stands in `error` of a reply or of an operation that failed."""
        document: dict[str, Any] = {"code": self.code, "message": self.message}
        if self.target:
            document["target"] = self.target
        if self.details:
            document["details"] = self.details
        return document

    def reply(self) -> Reply:
        """As a reply; without the `error` around it where the real service leaves that out."""
        document = self.document()
        return Reply(self.status, {"error": document} if self.wrapped else document, dict(self.headers))


@dataclass
class Reply:
    """What goes back: a JSON document (None: no body) with status and headers."""

    status: int = 200
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Call:
    """One request to ARM that may be served.

    `id` is the resource that the path names, `tail` the word behind it: an action, or the type of a list. `query` and
    `headers` have lower-case keys: read them with `parameter` and `header`. `body` is the JSON document, None without
    one. `raw_path` and `raw_query` are as they were sent. `action` is the name in the call log and in scenarios:
    `PUT virtualMachines`, `POST virtualMachines/deallocate`. `permission` is what a role must allow. `fault` is the
    error with which the scenario lets the operation fail that this call starts; `operations.begin` sees to it.
    """

    method: str
    path: str
    id: ResourceId = ResourceId()
    tail: str = ""
    query: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Any = None
    origin: str = ""
    raw_path: str = ""
    raw_query: str = ""
    action: str = ""
    permission: str = ""
    region: str = ""
    fault: ArmError | None = None
    service: str = "azure"

    @property
    def mutating(self) -> bool:
        """Whether the call could change the subscription."""
        return self.service == "azure" and self.method not in ("GET", "HEAD")

    @property
    def dry_run(self) -> bool:
        """ARM has none."""
        return False

    @property
    def api_version(self) -> str:
        return self.parameter("api-version")

    @property
    def url(self) -> str:
        """The whole address that was asked for."""
        return f"{self.origin}{self.raw_path}?{self.raw_query}"

    def parameter(self, name: str) -> str:
        """A query parameter, without regard to case; empty when it is not there."""
        return self.query.get(name.lower(), "")

    def header(self, name: str) -> str:
        return self.headers.get(name.lower(), "")

    def document(self) -> dict[str, Any]:
        """The body, which must be a JSON object. Raises InvalidRequestContent."""
        if not isinstance(self.body, dict):
            raise ArmError(
                "InvalidRequestContent",
                "The request content was invalid and could not be deserialized: 'A JSON object is required.'.",
            )
        return self.body


def without_nulls(value: Any) -> Any:
    """A JSON value without the members that are null: SDKs send them for what they do not set."""
    if isinstance(value, dict):
        return {key: without_nulls(inner) for key, inner in value.items() if inner is not None}
    if isinstance(value, list):
        return [without_nulls(inner) for inner in value]
    return value
