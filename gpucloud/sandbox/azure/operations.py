"""Long-running operations: what ARM answers 201 or 202 to, and the two addresses where a client polls for the end."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any, Literal
from uuid import uuid4

from gpucloud.sandbox.azure.wire import ArmError, Call, Reply

if TYPE_CHECKING:
    from gpucloud.sandbox.azure.world import AzureWorld

Style = Literal["async", "location", "both"]
KEPT_SECONDS = 3600.0  # how long an ended operation can be asked for; ARM keeps them longer, and we write them all down
Settle = Callable[["AzureWorld", "Operation"], Any]


@dataclass
class Operation:
    """One operation, under way or ended.

    `settle` is called once, under the world's lock, when the operation's time is over; it must be a module-level
    function (or a functools.partial of one) because operations are pickled. `error` is already set when the scenario
    lets the operation fail: `settle` then leaves the resource as a failure leaves it. It may also raise ArmError
    itself. What it returns is the operation's result (None: none). `subject` is the id (lower case) it works on.
    """

    settle: Settle
    subject: str
    error: ArmError | None = None
    status: str = "InProgress"
    result: Any = None
    started: float = field(default_factory=time.time)
    ended: float = 0.0
    name: str = field(default_factory=lambda: str(uuid4()))


def begin(
    world: AzureWorld,
    call: Call,
    settle: Settle,
    *,
    style: Style,
    seconds: float = 0.0,
    location: str = "",
    after_guests: bool = False,
) -> dict[str, str]:
    """Start an operation for a call; the headers that tell the client where to poll.

    It ends after `seconds`, or after what the scenario's `operation_seconds` says for the call's action; one of no
    duration has ended by the time of the first poll. `after_guests` lets it end only when the work is done that was
    given before for the guests of the call's resource (or of everything in its group). Copy the resource into the
    reply *before* calling this.
    """
    operation, headers = register(world, call, settle, style=style, location=location)
    seconds = world.seconds(call.action, seconds)
    finish = partial(end, world, operation)
    if after_guests:
        finish = partial(world.shared.chores.after, world.guests_of(call.id), finish)
    if seconds:
        world.shared.timers.at(operation.started + seconds, finish)
    else:
        finish()
    return headers


def register(
    world: AzureWorld, call: Call, settle: Settle, *, style: Style, location: str = ""
) -> tuple[Operation, dict[str, str]]:
    """An operation whose end is somebody else's business, who calls `end`; and its headers."""
    operation = Operation(settle, call.id.key, call.fault)
    for old in [known for known in world.operations.values() if known.ended and _is_old(known)]:
        del world.operations[old.name]
    world.operations[operation.name] = operation
    return operation, _headers(world, call, operation, style, location or world.home)


def end(world: AzureWorld, operation: Operation) -> None:
    """Let an operation end now, unless it has."""
    with world.shared.lock:
        # A reset forgets operations that a timer still knows.
        if operation.status != "InProgress" or operation.name not in world.operations:
            return
        try:
            operation.result = operation.settle(world, operation)
        except ArmError as error:
            operation.error = error
        operation.status, operation.ended = "Failed" if operation.error else "Succeeded", time.time()
        world.save()


def status(world: AzureWorld, call: Call) -> Reply:
    """GET of an Azure-AsyncOperation address: 200 with the operation's status, also when it failed."""
    if call.parameter("monitor"):
        return result(world, call)
    operation = _find(world, call)
    document: dict[str, Any] = {"name": operation.name, "status": operation.status, "startTime": iso(operation.started)}
    if operation.ended:
        document["endTime"] = iso(operation.ended)
    if operation.error:
        document["error"] = operation.error.document()
    if operation.status == "Succeeded" and operation.result is not None:
        document["properties"] = {"output": operation.result}
    return Reply(200, document, {} if operation.ended else _pause(world))


def result(world: AzureWorld, call: Call) -> Reply:
    """GET of a Location address: 202 while it runs, then its result, 204 without one, or the error itself."""
    operation = _find(world, call)
    if operation.status == "InProgress":
        return Reply(202, None, {"Location": call.url, **_pause(world)})
    if operation.error:
        return operation.error.reply()
    return Reply(204) if operation.result is None else Reply(200, operation.result)


def _is_old(operation: Operation) -> bool:
    return time.time() - operation.ended > KEPT_SECONDS


def _find(world: AzureWorld, call: Call) -> Operation:
    operation = world.operations.get(call.id.name.lower()) or world.operations.get(call.tail.rpartition("/")[2].lower())
    if operation is None:
        raise ArmError("NotFound", "The entity was not found.", 404)
    return operation


def _headers(world: AzureWorld, call: Call, operation: Operation, style: Style, location: str) -> dict[str, str]:
    scope = f"{call.origin}/subscriptions/{call.id.subscription}"
    # The real addresses carry a signature and are long: clients must keep them whole and out of their logs.
    query = f"api-version={call.api_version}&t={int(operation.started)}&c={secrets.token_urlsafe(256)}"
    if not call.id.provider:
        return {"Location": f"{scope}/operationresults/{operation.name}?{query}", **_pause(world)}
    place = f"{scope}/providers/{call.id.provider}/locations/{location}"
    headers = {}
    if style in ("async", "both"):
        headers["Azure-AsyncOperation"] = f"{place}/operations/{operation.name}?{query}"
    if style in ("location", "both"):
        headers["Location"] = f"{place}/operationResults/{operation.name}?{query}"
    return {**headers, **_pause(world)}


def _pause(world: AzureWorld) -> dict[str, str]:
    """Retry-After in whole seconds, as the scenario says; real services send 10 to 15."""
    seconds = world.shared.scenario.azure.poll_seconds
    return {"Retry-After": str(seconds)} if seconds else {}


def iso(unix: float) -> str:
    """A unix time as ARM writes it."""
    return datetime.fromtimestamp(unix, UTC).isoformat()
