"""Create, bootstrap, verify. All or nothing: a machine that is not proven is removed, unless it is to be kept."""

from __future__ import annotations

import fcntl
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

from gpucloud import journal, money, saga
from gpucloud.errors import GpucloudError, PreflightFailed, UsageError
from gpucloud.keys import KeyPair, new_keypair
from gpucloud.machine import TAG_EXPIRES, Machine, Spec
from gpucloud.ops import find, power, prove, sshconfig, undo
from gpucloud.ops.context import Context
from gpucloud.ops.parallel import Relay
from gpucloud.ops.planning import Plan
from gpucloud.parallel import together
from gpucloud.progress import Status
from gpucloud.providers.base import Provider
from gpucloud.state import private_folder
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
    known = named and name in undo.known_names(context.state)
    problems, machines = together(
        lambda: provider.preflight(plan.spec), lambda: find.candidates(context, [name]) if known else []
    )
    existing = find.by_name(machines, name)
    if problems and existing is None:
        context.tell(name, "preflight", Status.FAIL, f"{len(problems)} problem{'s' * (len(problems) > 1)}")
        raise PreflightFailed(problems)
    context.tell(name, "preflight", Status.DONE, "exists already" if existing else "nothing in the way")
    return Prepared(plan, provider, existing)


def carry_out(
    context: Context, prepared: Prepared, *, keep_on_failure: bool = False, relay: Relay | None = None
) -> Outcome:
    """Make the machine, or bring the existing one of that name to the same state. Returns only when it is verified.

    A thread that is not the main one needs the `relay` of the one that waits for it.
    """
    begun, relay, existing = context.waiter.clock(), relay or Relay(), prepared.existing
    if existing is None:
        outcome = launch(context, prepared, keep_on_failure, relay)
    else:
        outcome = relay.leaving(lambda: converge(relay.within(context), prepared, existing))
    sshconfig.publish(context, outcome.machine)
    return replace(outcome, seconds=context.waiter.clock() - begun)


def launch(context: Context, prepared: Prepared, keep_on_failure: bool, relay: Relay) -> Outcome:
    """A new machine. Rolled back on any failure or interruption; a failure may keep it, an interruption never."""
    plan, provider = prepared.plan, prepared.provider
    login, host = new_keypair(), new_keypair()
    spec = with_secrets(provider, plan, login, host)
    steps = provider.launch_steps(spec, plan.run)
    relay.check()  # a thread that begins after an interruption leaves nothing at all, not even a journal
    observe = undo.observer(context, spec.name)
    with _only_one(context, spec.name), _journal(context, plan, spec) as log:
        try:
            with saga.transaction(steps, log, context.waiter, observe):
                context.state.save_identity(plan.run, login.private.reveal(), host.public)
                facts = saga.run(steps, log, observe, relay.check)
                prove_it = partial(_prove, relay.within(context), prepared, facts["id"])
                outcome = _or_explain(plan, partial(relay.leaving, prove_it), log if keep_on_failure else None)
                log.committed()
        finally:
            if log.status == "rolled_back":  # the keys of what is gone are rubbish; of what may remain they are not
                sshconfig.forget(context, plan.run)
    return replace(outcome, attempts=tuple((zone, why) for zone, why in json.loads(facts.get("attempts", "[]"))))


def _or_explain(plan: Plan, proof: Callable[[], Outcome], keeping: journal.Journal | None) -> Outcome:
    """The proof, whose failure commits the journal `keeping`, if there is one, and says what becomes of the machine."""
    try:
        return proof()
    except GpucloudError as error:
        if keeping is not None:
            keeping.committed()
            costs = f"costs {money.per_hour(plan.price)}" if plan.price else "costs money"
            fate = f"{plan.spec.name} was kept and {costs} until `gpucloud down {plan.spec.name}`"
        else:
            fate = "the machine is removed; add --keep-on-failure to look at it"
        error.remedy = f"{error.remedy}; {fate}" if error.remedy else fate
        raise


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
    if machine.state in power.AT_REST:
        power.start(context, machine)
    with journal.Journal.open(context.state.journal_path(machine.run)) as log:
        log.record("planned", stages=plan.stages)
        outcome = _prove(context, prepared, machine.id)
        if not log.is_committed:  # an interrupted run that has now been brought to its end
            log.committed()
    return outcome


@contextmanager
def _only_one(context: Context, name: str) -> Iterator[None]:
    """One process of this computer makes a machine of that name: no cloud refuses a second one. Raises UsageError."""
    with (private_folder(context.state.root / "names") / name).open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as exc:
            remedy = "wait for it to end, or choose another --name"
            raise UsageError(f"{name} is being made by another process", "", remedy) from exc
        yield


def with_secrets(provider: Provider, plan: Plan, login: KeyPair, host: KeyPair) -> Spec:
    """The spec with user-data and expiry: whom the machine lets in, how it proves itself, and its kill switch.

    The switch is in the user-data where a poweroff ends billing; elsewhere the provider arms one in its cloud.
    """
    ttl = plan.spec.ttl_minutes
    expires = None if ttl is None else datetime.now(UTC).replace(microsecond=0) + timedelta(minutes=ttl)
    tags = dict(plan.spec.tags)
    if expires is not None:
        tags[TAG_EXPIRES] = expires.isoformat()
    in_guest = expires if provider.guest_ends_billing else None
    user_data = cloud_config(host, login.public, in_guest)
    return replace(plan.spec, tags=tags, authorized_key=login.public, user_data=user_data)


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
