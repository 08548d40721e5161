"""Bring a running machine to its profile's stack and prove it: log in, bootstrap, verify."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gpucloud import guest
from gpucloud.errors import VerifyFailed
from gpucloud.machine import Machine
from gpucloud.ops import access
from gpucloud.ops.context import Context
from gpucloud.progress import Status
from gpucloud.providers.base import Provider
from gpucloud.verify.expectation import Expectation
from gpucloud.verify.report import Report
from gpucloud.verify.run import verify

Proof = tuple[Mapping[str, Any], Report]

_STAGE_STATUS = {
    "stage-started": Status.START,
    "line": Status.LINE,
    "stage-done": Status.DONE,
    "stage-skipped": Status.SKIP,
    "stage-failed": Status.FAIL,
    "rebooting": Status.NOTE,
}


def prove(
    context: Context, provider: Provider, machine: Machine, stages: Mapping[str, Any], expected: Expectation
) -> Proof:
    """Facts and report of the machine once its stages are done; `require` judges them.

    Raises Unreachable or StageFailed.
    """
    context.tell(machine.name, "ssh", Status.START, f"{machine.ssh_user}@{machine.address}")
    access.first_login(context, provider, machine).close()
    context.tell(machine.name, "ssh", Status.DONE, f"{machine.ssh_user}@{machine.address}, host key as pinned")
    guest.bootstrap(
        lambda: access.connect(context, provider, machine),
        stages,
        on_event=lambda event: tell_stage(context, machine.name, event),
        waiter=context.waiter,
    )
    return check(context, provider, machine, expected)


def check(
    context: Context, provider: Provider, machine: Machine, expected: Expectation, *, deep: bool = False
) -> Proof:
    """Facts and report of the machine as it is; a failed check is part of the report. Raises Unreachable."""
    context.tell(machine.name, "verify", Status.START)
    remote = access.connect(context, provider, machine)
    try:
        facts, report = verify(remote, expected, deep=deep, machine=machine.name)
    finally:
        remote.close()
    context.tell(machine.name, "verify", Status.DONE if report.ok else Status.FAIL, report.summary)
    return facts, report


def require(report: Report) -> None:
    """Raises VerifyFailed, with the cause and remedy of the lowest broken layer, if the machine is not proven."""
    if failure := report.first_failure:
        note = " [simulated]" if report.simulated else ""
        raise VerifyFailed(f"{failure.layer}: {failure.what}{note}", failure.cause, failure.remedy)


def tell_stage(context: Context, machine: str, event: Mapping[str, Any]) -> None:
    """Pass an event of the machine's runner on as progress; those of no stage are not shown."""
    if status := _STAGE_STATUS.get(event["event"]):
        context.tell(machine, str(event["stage"]), status, _text(event))


def _text(event: Mapping[str, Any]) -> str:
    match event["event"]:
        case "line":
            return str(event["text"])
        case "stage-skipped":
            return "nothing to do"
        case "stage-failed":
            return str(event["what"])
        case "rebooting":
            return "rebooting"
        case _:
            return ""
