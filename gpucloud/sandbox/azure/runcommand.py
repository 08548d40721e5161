"""What goes on inside a VM, as far as Azure shows and reaches it: the console log, and commands run by its agent."""

from __future__ import annotations

import hashlib
import hmac
import time
from typing import Any
from urllib.parse import quote

from gpucloud.sandbox.azure import schema, vm
from gpucloud.sandbox.azure.lifecycle import TYPE
from gpucloud.sandbox.azure.resources import Routes
from gpucloud.sandbox.azure.wire import ArmError, Call, Reply
from gpucloud.sandbox.azure.world import AzureWorld

BLOBS = "/_blobs/"  # below our own origin; the real ones are in a storage account of Azure's
LOG = ".serialconsole.log"
COMMANDS = ("RunShellScript", "ifconfig")
MINUTES = 120  # for which the addresses are good when the request names no time (Azure's default)


def run(world: AzureWorld, call: Call) -> Reply:
    """POST …/runCommand: refused, after Azure's own checks, because nothing of the sandbox can reach into a guest."""
    machine = world.store.get(call.id)
    body = schema.check(f"{TYPE}/runCommand", call.document())
    vm.check_free(machine, "runCommand")
    if machine.private["power"] != "running":
        raise ArmError("OperationNotAllowed", "The operation requires the VM to be running (or set to run).", 409)
    if str(body.get("commandId", "")) not in COMMANDS:
        raise ArmError("NotFound", f"The entity was not found: run command '{body.get('commandId', '')}'.", 404)
    raise ArmError(
        "VMAgentStatusCommunicationError",
        f"VM '{machine.id.name}' has not reported status for VM agent or extensions. [simulated] The sandbox's guests "
        "have no VM agent: log in by SSH.",
        409,
    )


def boot_diagnostics(world: AzureWorld, call: Call) -> Reply:
    """POST …/retrieveBootDiagnosticsData: addresses of the console log that need no token and are good for a while."""
    machine = world.store.get(call.id)
    if not machine.properties.get("diagnosticsProfile", {}).get("bootDiagnostics", {}).get("enabled"):
        raise ArmError("OperationNotAllowed", f"Boot diagnostics is not enabled for VM '{machine.id.name}'.", 409)
    asked = call.parameter("sasUriExpirationTimeInMinutes")
    expires = int(time.time()) + 60 * (int(asked) if asked.isdecimal() else MINUTES)
    name = f"{BLOBS}bootdiagnostics/{machine.properties['vmId']}{LOG}"
    address = f"{call.origin}{quote(name)}?se={expires}&sig={_signature(world, name, str(expires))}"
    return Reply(200, {"serialConsoleLogBlobUri": address})


def is_blob(path: str) -> bool:
    return path.startswith(BLOBS)


def blob(world: AzureWorld, call: Call) -> Reply:
    """GET of a console log's address, which its signature opens."""
    expires = call.parameter("se")
    if not hmac.compare_digest(_signature(world, call.path, expires), call.parameter("sig")) or _is_past(expires):
        return ArmError("AuthenticationFailed", "Server failed to authenticate the request.", 403).reply()
    wanted = call.path.rpartition("/")[2].removesuffix(LOG)
    with world.shared.lock:
        machines = world.store.of_kind(TYPE)
        guest = next((each.private["guest"] for each in machines if each.properties["vmId"] == wanted), None)
    if guest is None:
        return ArmError("BlobNotFound", "The specified blob does not exist.", 404).reply()
    return Reply(200, world.shared.guests.console(guest).encode(), {"Content-Type": "text/plain; charset=utf-8"})


def _is_past(expires: str) -> bool:
    return int(expires) < time.time()


def commands(world: AzureWorld, call: Call) -> Reply:
    """GET …/locations/L/runCommands: the commands that an agent knows."""
    known: list[dict[str, Any]] = [
        {"id": name, "osType": "Linux", "label": name, "description": f"[simulated] {name}"} for name in COMMANDS
    ]
    return Reply(200, {"value": known})


def _signature(world: AzureWorld, name: str, expires: str) -> str:
    return hmac.new(world.signing_key, f"{name}\n{expires}".encode(), hashlib.sha256).hexdigest()


ROUTES: Routes = {
    ("POST", TYPE, "runCommand"): run,
    ("POST", TYPE, "retrieveBootDiagnosticsData"): boot_diagnostics,
    ("GET", "Microsoft.Compute/locations/runCommands", "list"): commands,
}
