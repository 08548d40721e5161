"""Create, bootstrap, verify. All or nothing: a machine that is not proven is removed, unless it is to be kept."""

from __future__ import annotations

import json
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from gpucloud import journal, money, saga, signals
from gpucloud.errors import GpucloudError, PreflightFailed, UsageError
from gpucloud.keys import new_keypair
from gpucloud.machine import TAG_EXPIRES, Machine, Spec, State
from gpucloud.ops import find, power, prove, undo
from gpucloud.ops.context import Context
from gpucloud.ops.planning import Plan
from gpucloud.progress import Status
from gpucloud.providers.base import Provider
from gpucloud.userdata import cloud_config
from gpucloud.verify.report import Report


@dataclass(frozen=True)
class Prepared:
    """A plan that may be carried out: the cloud has been asked, nothing has been made."""

    plan: Plan
    provider: Provider
    existing: Machine | None


@dataclass(frozen=True)
class Outcome:
    """A verified machine. `attempts` are the zones that were tried: (zone, reason), the last one with no reason."""

    machine: Machine
    facts: Mapping[str, Any]
    report: Report
    usd_per_hour: float | None
    seconds: float
    attempts: tuple[tuple[str, str], ...] = ()


def prepare(context: Context, plan: Plan, *, named: bool) -> Prepared:
    """Ask the cloud whether the plan can work, and whether a machine that the user named exists already.

    Only machines that this computer made can be brought to a plan, since it has their keys; a name that somebody
    else's machine has is a problem of the preflight. Changes nothing. Raises PreflightFailed with every problem.
    """
    provider, name = context.provider(plan.cloud, plan.spec.region), plan.spec.name
    context.tell(name, "preflight", Status.START)
    with ThreadPoolExecutor(2) as pool:
        listing = pool.submit(provider.list) if named and name in undo.known_names(context.state) else None
        checking = pool.submit(provider.preflight, plan.spec)
        problems = checking.result()
        existing = find.by_name(listing.result(), name) if listing else None
    if problems and existing is None:
        context.tell(name, "preflight", Status.FAIL, f"{len(problems)} problem{'s' * (len(problems) > 1)}")
        raise PreflightFailed(problems)
    context.tell(name, "preflight", Status.DONE, "exists already" if existing else "nothing in the way")
    return Prepared(plan, provider, existing)


def carry_out(context: Context, prepared: Prepared, *, keep_on_failure: bool = False) -> Outcome:
    """Make the machine, or bring the existing one of that name to the same state. Returns only when it is verified."""
    begun = context.waiter.clock()
    if prepared.existing is None:
        outcome = launch(context, prepared, keep_on_failure)
    else:
        outcome = converge(context, prepared, prepared.existing)
    return replace(outcome, seconds=context.waiter.clock() - begun)


def launch(context: Context, prepared: Prepared, keep_on_failure: bool) -> Outcome:
    """A new machine. Rolled back on any failure or interruption; a failure may keep it, an interruption never."""
    plan, provider = prepared.plan, prepared.provider
    spec = with_secrets(context, plan)
    steps = provider.launch_steps(spec, plan.run)
    observe = undo.observer(context, spec.name)
    try:
        with (
            _journal(context, plan, spec) as log,
            saga.transaction(steps, log, context.waiter, observe),
            signals.last_to_interrupt(),
        ):
            facts = saga.run(steps, log, observe)
            try:
                outcome = _prove(context, prepared, facts["id"])
            except GpucloudError as error:
                if keep_on_failure:
                    log.committed()
                    error.remedy = _kept(plan, error)
                raise
            log.committed()
    except BaseException:
        _forget_unless_kept(context, plan.run)
        raise
    return replace(outcome, attempts=tuple((zone, why) for zone, why in json.loads(facts.get("attempts", "[]"))))


def converge(context: Context, prepared: Prepared, machine: Machine) -> Outcome:
    """Bring an existing machine to the plan's state: start it if it is stopped, bootstrap what is missing, verify.

    Raises UsageError if it is of another type. A failure leaves it as it is: it was there before.
    """
    plan = prepared.plan
    if machine.type.lower() != plan.spec.type.lower():
        why = f"it is a {machine.type} in {machine.region}"
        raise UsageError(f"{machine.name} exists already", why, "choose another --name, or `gpucloud down` it first")
    context.state.identity(machine.run)
    context.tell(machine.name, "instance", Status.SKIP, f"{machine.id} exists already")
    if machine.state in (State.STOPPED, State.STOPPING):
        power.start(context, machine)
    with journal.Journal.open(context.state.journal_path(machine.run)) as log:
        log.record("planned", stages=plan.stages)
        outcome = _prove(context, prepared, machine.id)
        if not log.is_committed:  # an interrupted run that has now been brought to its end
            log.committed()
    return outcome


def with_secrets(context: Context, plan: Plan) -> Spec:
    """The spec with user-data and expiry: fresh keys, kept in the local state, and the kill switch."""
    login, host = new_keypair(), new_keypair()
    context.state.save_identity(plan.run, login.private.reveal(), host.public)
    ttl = plan.spec.ttl_minutes
    expires = None if ttl is None else datetime.now(UTC).replace(microsecond=0) + timedelta(minutes=ttl)
    tags = dict(plan.spec.tags)
    if expires is not None:
        tags[TAG_EXPIRES] = expires.isoformat()
    return replace(plan.spec, tags=tags, user_data=cloud_config(host, login.public, expires))


def _journal(context: Context, plan: Plan, spec: Spec) -> journal.Journal:
    header = {"run": plan.run, "name": spec.name, "cloud": plan.cloud, "region": spec.region}
    return journal.Journal.create(
        context.state.journal_path(plan.run), {**header, "spec": spec.journal_form(), "stages": plan.stages}
    )


def _prove(context: Context, prepared: Prepared, machine_id: str) -> Outcome:
    plan, provider = prepared.plan, prepared.provider
    machine = power.wait_until_running(context, provider, machine_id, plan.spec.name)
    facts, report = prove.prove(context, provider, machine, plan.stages, plan.expectation)
    prove.require(report)
    return Outcome(machine, facts, report, plan.price.usd if plan.price else None, 0.0)


def _kept(plan: Plan, error: GpucloudError) -> str:
    costs = f"costs {money.per_hour(plan.price)}" if plan.price else "costs money"
    kept = f"{plan.spec.name} was kept and {costs} until `gpucloud down {plan.spec.name}`"
    return f"{error.remedy}; {kept}" if error.remedy else kept


def _forget_unless_kept(context: Context, run: str) -> None:
    """Keys of a machine that was rolled back are rubbish; those of one that was kept, or may remain, are not."""
    path = undo.journal_of(context, run)
    if path is None or journal.status_of(journal.read(path)) == "rolled_back":
        context.state.forget_identity(run)
