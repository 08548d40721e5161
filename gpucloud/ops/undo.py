"""Finish or redo in reverse what a launch began: rollback notices, and `recover` for runs that were interrupted."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from gpucloud import journal, saga
from gpucloud.errors import ConfigError, GpucloudError, MayStillCost, UsageError
from gpucloud.machine import Spec
from gpucloud.ops import sshconfig
from gpucloud.ops.context import Context
from gpucloud.progress import Status
from gpucloud.state import State

_STATUS = {"do": Status.START, "done": Status.DONE, "undo": Status.START, "undone": Status.DONE}


def observer(context: Context, name: str) -> saga.Observer:
    """Tells each step of a saga, and each undo of one, as progress of the machine `name`."""

    def observe(event: str, step: str) -> None:
        label = f"undo {step}" if event.startswith("undo") else step
        context.tell(name, label, _STATUS.get(event, Status.FAIL))

    return observe


@dataclass(frozen=True)
class Interrupted:
    """A run that ended without being committed or rolled back, and that no process works on."""

    run: str
    name: str
    cloud: str
    region: str


def interrupted(context: Context) -> list[Interrupted]:
    """Every interrupted run that this computer knows of, oldest first. Journals that cannot be read are told of."""
    found = []
    for path in context.state.journal_paths():
        try:
            entries = [] if journal.is_live(path) else journal.read(path)
        except ConfigError as error:
            context.tell(path.stem, "journal", Status.FAIL, f"{error}; {error.remedy}")
            continue
        if journal.status_of(entries) == "open":
            header = entries[0]
            found.append(Interrupted(header["run"], header["name"], header["cloud"], header["region"]))
    return found


def recover(context: Context, run: str) -> list[str]:
    """Finish the rollback of one interrupted run; the names of what was removed.

    Raises NotFound, UsageError for a run that was not interrupted or that another process works on, MayStillCost if
    something could not be removed.
    """
    with journal.Journal.open(context.state.journal_path(run)) as log:
        if log.status == "committed":
            raise UsageError(f"run {run} was not interrupted", "its machine is yours", "`gpucloud down` removes it")
        return finish(context, log) if log.status == "open" else []


def finish(context: Context, log: journal.Journal) -> list[str]:
    """Undo everything of an interrupted run, whose journal the caller holds; the names of what was removed."""
    header = log.header
    run, name = header["run"], header["name"]
    try:
        spec = Spec.from_journal(header["spec"])
    except TypeError as exc:
        why = f"it was written by another version of gpucloud ({exc})"
        raise ConfigError(f"the journal of run {run} cannot be used", why, f"`gpucloud down --run-id {run}`") from exc
    steps = context.provider(header["cloud"], header["region"]).launch_steps(spec, run)
    removed = saga.roll_back(steps, log, context.waiter, observer(context, name))
    sshconfig.forget(context, run)
    return removed


def recover_all(context: Context) -> dict[str, list[str]]:
    """Recover every interrupted run; what was removed, by run. Goes on after a failure, then raises MayStillCost."""
    removed: dict[str, list[str]] = {}
    failed: list[str] = []
    for each in interrupted(context):
        try:
            removed[each.run] = recover(context, each.run)
        except GpucloudError as error:
            failed.append(f"{each.run}: {error}")
    if failed:
        raise MayStillCost("could not remove everything", "; ".join(failed), "run `gpucloud recover` again")
    return removed


def known_names(state: State) -> list[str]:
    """Names of the machines that this computer made and that may still be there."""
    return [str(header["name"]) for header in journal.standing(state.journal_paths())]


def runs_of(state: State, name: str) -> list[str]:
    """The runs in which this computer made a machine of that name that may have left something."""
    return [str(header["run"]) for header in journal.standing(state.journal_paths()) if header["name"] == name]


def homes_of(state: State, run: str) -> list[str]:
    """The cloud in which this computer made a run that may have left something; none if it was made elsewhere."""
    return [str(header["cloud"]) for header in journal.standing(state.journal_paths()) if header["run"] == run]


def journal_of(context: Context, run: str) -> Path | None:
    """The journal of a run, if this computer has one."""
    path = context.state.journal_path(run)
    return path if path.exists() else None
