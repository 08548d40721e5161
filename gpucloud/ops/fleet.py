"""Several machines of one kind at once. Each has its own run, journal, keys and rollback; what is good stays."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from queue import SimpleQueue
from threading import Thread

from gpucloud.errors import GpucloudError, MayStillCost, PreflightFailed, Problem, SomeFailed, UsageError
from gpucloud.machine import Machine
from gpucloud.ops import find, offers, planning, undo, up
from gpucloud.ops.context import Context
from gpucloud.ops.parallel import Relay
from gpucloud.ops.planning import Plan
from gpucloud.ops.request import Request
from gpucloud.ops.up import Outcome, Prepared
from gpucloud.progress import Status
from gpucloud.signals import rollback_to_come

MOST = 32
"""Machines of one command: each takes a thread and an SSH connection here, and a slip must not cost a fortune."""

End = Outcome | GpucloudError
"""How it ended with one machine."""


def with_type_of_existing(context: Context, request: Request, count: int) -> Request:
    """The request; if it names no type and one of its machines exists, with that one's. Raises UsageError for a count
    that makes no sense."""
    if not 1 <= count <= MOST:
        raise UsageError(f"--count {count} makes no sense", "", f"give a number from 1 to {MOST}")
    for number in range(1, count + 1):
        if typed := offers.with_type_of_existing(context, replace(request, name=f"{request.name}-{number}")).type:
            return replace(request, type=typed)
    return request


def plans(context: Context, request: Request, count: int) -> list[Plan]:
    """The plans of so many machines: names NAME-1 …, runs ID-1 …. Raises as `planning.make` does."""
    run = request.run or planning.new_run()
    name = request.name or f"gpu-{run.rsplit('-', 1)[-1]}"
    numbered = [replace(request, name=f"{name}-{each}", run=f"{run}-{each}") for each in range(1, count + 1)]
    return [planning.make(context, each) for each in numbered]


def prepare(context: Context, wanted: Sequence[Plan], *, named: bool) -> list[Prepared]:
    """As `up.prepare`: the cloud is asked once for all of them. Raises PreflightFailed with every problem."""
    who, first = f"{len(wanted)} machines", wanted[0]
    context.tell(who, "preflight", Status.START)
    provider = context.provider(first.cloud, first.spec.region)
    machines = provider.list() if named else []
    found = {plan.spec.name: find.by_name(machines, plan.spec.name) for plan in wanted}
    ours = set(undo.known_names(context.state))
    prepared = [Prepared(each, provider, found[each.spec.name] if each.spec.name in ours else None) for each in wanted]
    missing = [each.plan.spec for each in prepared if each.existing is None]
    problems = provider.preflight(replace(missing[0], count=len(missing))) if missing else []
    problems += _taken({spec.name: found[spec.name] for spec in missing[1:]})
    if problems:
        context.tell(who, "preflight", Status.FAIL, f"{len(problems)} problem{'s' * (len(problems) > 1)}")
        raise PreflightFailed(problems)
    exist = f"{len(wanted) - len(missing)} exist already" if len(missing) < len(wanted) else "nothing in the way"
    context.tell(who, "preflight", Status.DONE, exist)
    return prepared


def _taken(found: Mapping[str, Machine | None]) -> list[Problem]:
    """Names that machines have which this computer did not make. The preflight has looked at the first name itself."""
    fix = "choose another `--name`"
    return [
        Problem(f"the name {name} is taken in {machine.region}", f"by {machine.id}", fix)
        for name, machine in found.items()
        if machine is not None
    ]


def carry_out(context: Context, batch: Sequence[Prepared], *, keep_on_failure: bool = False) -> dict[str, End]:
    """Make or mend all of them at once. How each ended, by its name: one that fails is removed, the others go on.

    An interruption removes whatever is not verified yet, keeps what is, and says so by name; raises MayStillCost if
    something of that could not be removed. `require_all` makes an error of the ends that are one.
    """
    relay, ended = Relay(), SimpleQueue[BaseException | None]()  # a queue whose `get` a signal may safely interrupt
    ends: dict[str, End] = {}

    def work(prepared: Prepared) -> None:
        try:
            ends[prepared.plan.spec.name] = _one(context, prepared, keep_on_failure, relay)
        except BaseException as exc:  # the main thread judges it
            ended.put(exc)
        else:
            ended.put(None)

    threads = [Thread(target=work, args=(each,), daemon=True) for each in batch]
    try:
        with rollback_to_come():
            for thread in threads:
                thread.start()
            for _ in batch:
                if (bug := ended.get()) is not None:
                    raise bug
    except BaseException as cause:
        _end(context, relay, threads, ends)
        if remains := [f"{name}: {end}" for name, end in ends.items() if isinstance(end, MayStillCost)]:
            raise MayStillCost("could not remove everything", "; ".join(remains), "`gpucloud recover`") from cause
        raise
    return {each.plan.spec.name: ends[each.plan.spec.name] for each in batch}


def _one(context: Context, prepared: Prepared, keep_on_failure: bool, relay: Relay) -> End:
    try:
        return up.carry_out(context, prepared, keep_on_failure=keep_on_failure, relay=relay)
    except GpucloudError as error:
        context.tell(prepared.plan.spec.name, "up", Status.FAIL, str(error))
        return error


def _end(context: Context, relay: Relay, threads: Sequence[Thread], ends: Mapping[str, End]) -> None:
    """Have every thread roll back what it has not brought to its end, and wait for that.

    A thread that has not begun yet finds the relay interrupted before it makes anything: it need not be waited for.
    """
    relay.interrupt()
    text = "whatever is not verified is removed, once the calls on their way are answered"
    context.tell("up", "interrupted", Status.NOTE, text)
    for thread in threads:
        if thread.is_alive():
            thread.join()
    for name, end in ends.items():
        if isinstance(end, Outcome):
            context.tell(name, "up", Status.DONE, "was verified before the interruption: it stays")


def require_all(ends: Mapping[str, End]) -> None:
    """Raises SomeFailed with the error of each machine that has one."""
    errors = {name: end for name, end in ends.items() if isinstance(end, GpucloudError)}
    if errors:
        raise SomeFailed(errors, len(ends))
