"""What goes on inside a VM, as far as Azure shows and reaches it: the console log, and commands run by its agent."""

from __future__ import annotations

import hashlib
import hmac
import time
from functools import partial
from threading import Thread
from typing import Any
from urllib.parse import quote

from gpucloud.errors import GpucloudError
from gpucloud.sandbox.azure import operations, schema, vm, vm_body
from gpucloud.sandbox.azure.ids import ResourceId
from gpucloud.sandbox.azure.lifecycle import TYPE
from gpucloud.sandbox.azure.operations import Operation
from gpucloud.sandbox.azure.resources import Routes
from gpucloud.sandbox.azure.wire import ArmError, Call, Reply
from gpucloud.sandbox.azure.world import AzureWorld

BLOBS = "/_blobs/"  # below our own origin; the real ones are in a storage account of Azure's
LOG = ".serialconsole.log"
# What each command runs when the request brings no script.
COMMANDS = {"RunShellScript": "echo This is a sample script [simulated]", "ifconfig": "ifconfig"}
MINUTES = 120  # for which the addresses are good when the request names no time (Azure's default)


def run(world: AzureWorld, call: Call) -> Reply:
    """POST …/runCommand: a script that the VM's agent runs as root, one at a time, for up to 90 minutes."""
    machine = world.store.get(call.id)
    body = schema.check(f"{TYPE}/runCommand", call.document())
    vm.check_free(machine, "runCommand")
    if machine.private["power"] != "running":
        raise ArmError("OperationNotAllowed", "The operation requires the VM to be running (or set to run).", 409)
    if str(body.get("commandId", "")) not in COMMANDS:
        raise ArmError("NotFound", f"The entity was not found: run command '{body.get('commandId', '')}'.", 404)
    if not all(entry.get("name") for entry in body.get("parameters") or []):
        raise vm_body.missing("parameters.name")
    earlier = world.operations.get(machine.private.get("command", ""))
    if earlier and earlier.status == "InProgress":
        raise ArmError(
            "Conflict",
            "Run command extension execution is in progress. Please wait for completion before invoking a run command.",
            409,
        )
    # What ends with the daemon ends as `_settle` says here; who runs it says better.
    settle = partial(_settle, None, "the sandbox was stopped meanwhile")
    operation, headers = operations.register(world, call, settle, style="both", location=machine.location)
    machine.private["command"] = operation.name
    script = "\n".join(body.get("script") or [COMMANDS[body["commandId"]]]) + "\n"
    parameters = {entry["name"]: entry.get("value", "") for entry in body.get("parameters") or []}
    seconds, guest = world.seconds(call.action, 0.0), machine.private["guest"]
    work = Thread(target=_work, args=(world, operation, seconds, guest, script, parameters), daemon=True)
    # Not as a chore: whoever switches the VM off does not wait for the script.
    world.shared.chores.after([guest], work.start)
    return Reply(202, None, headers)


def _work(
    world: AzureWorld, operation: Operation, seconds: float, guest: str, script: str, parameters: dict[str, str]
) -> None:
    """Run a script, unless the operation was made to fail, and let the operation end, after `seconds` at the least."""
    answer, why = None, ""
    try:
        if operation.error is None:
            answer = world.shared.guests.run(guest, script, parameters)
    except GpucloudError as error:
        why = str(error)
    with world.shared.lock:
        operation.settle = partial(_settle, answer, why)
    world.shared.timers.at(operation.started + seconds, partial(operations.end, world, operation))


def _settle(
    answer: tuple[int, str, str] | None, why: str, world: AzureWorld, operation: Operation
) -> dict[str, Any] | None:
    """The operation's result. It succeeds whatever the script's exit code is, as on Azure."""
    if operation.error:
        return None
    if answer is None:
        name = ResourceId.parse(operation.subject).name
        raise ArmError(
            "VMAgentStatusCommunicationError",
            f"VM '{name}' has not reported status for VM agent or extensions. Verify that the OS is up and healthy, "
            "the VM has a running VM agent, and that it can establish outbound connections to Azure storage. "
            f"[simulated] {why}",
            409,
        )
    _, out, err = answer
    status = {"code": "ProvisioningState/succeeded", "level": "Info", "displayStatus": "Provisioning succeeded"}
    return {"value": [{**status, "message": f"Enable succeeded: \n[stdout]\n{out}\n[stderr]\n{err}"}]}


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
