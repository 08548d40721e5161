"""The sandbox's own addresses below /_gpucloud: health, call log, inventory, scenario, reset, stop."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

from gpucloud.errors import GpucloudError
from gpucloud.sandbox.aws.wire import Reply

if TYPE_CHECKING:
    from moto.core.request import Request

    from gpucloud.sandbox.daemon import Daemon


def control(daemon: Daemon, address: str, request: Request) -> Reply:
    """The answer to one control request; a GpucloudError becomes a 400 with its what, why and remedy."""
    handler = HANDLERS.get((request.method, address))
    if handler is None:
        known = ", ".join(f"{method} {name}" for method, name in HANDLERS)
        return _json({"what": f"no such address: {address}", "why": "", "remedy": f"one of: {known}"}, 404)
    if address == "checkip":
        return 200, {"Content-Type": "text/plain"}, f"{request.remote_addr}\n"
    try:
        return _json(handler(daemon, request))
    except GpucloudError as error:
        return _json({"what": error.what, "why": error.why, "remedy": error.remedy}, 400)


def _json(document: object, status: int = 200) -> Reply:
    return status, {"Content-Type": "application/json"}, json.dumps(document)


def _health(daemon: Daemon, request: Request) -> dict[str, Any]:
    return {"pid": os.getpid(), "scenario": daemon.scenario, "state": daemon.state}


def _inventory(daemon: Daemon, request: Request) -> dict[str, list[str]]:
    from gpucloud.sandbox.aws.inventory import inventory as of_aws
    from gpucloud.sandbox.azure.inventory import inventory as of_azure

    with daemon.shared.lock:
        guests = {"guest": daemon.shared.guests.list()}
        return guests | of_aws(daemon.aws.world) | of_azure(daemon.azure.world)


def _calls(daemon: Daemon, request: Request) -> dict[str, Any]:
    return daemon.shared.log.report()


def _forget_calls(daemon: Daemon, request: Request) -> dict[str, Any]:
    daemon.shared.log.clear()
    return {}


def _scenario(daemon: Daemon, request: Request) -> dict[str, Any]:
    daemon.use(str(json.loads(request.get_data())["scenario"]))
    return {"scenario": daemon.scenario}


def _reset(daemon: Daemon, request: Request) -> dict[str, Any]:
    daemon.reset()
    return {}


def _stop(daemon: Daemon, request: Request) -> dict[str, Any]:
    daemon.done.set()
    return {}


HANDLERS = {
    ("GET", "health"): _health,
    ("GET", "checkip"): _health,
    ("GET", "inventory"): _inventory,
    ("GET", "calls"): _calls,
    ("DELETE", "calls"): _forget_calls,
    ("POST", "scenario"): _scenario,
    ("POST", "reset"): _reset,
    ("POST", "stop"): _stop,
}
