"""End what nobody meant to pay for: machines past their lifetime, halted but billed, half made, and what they left.

Only what carries our tags counts. What could be a launch that goes on, here or on another computer, is marked when it
is first seen, and removed by a later pass.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum, unique
from functools import partial
from itertools import groupby

from gpucloud import journal, money
from gpucloud.errors import GpucloudError, MayStillCost, NotFound, UsageError
from gpucloud.machine import TAG_OWNER, Machine, Resource, State
from gpucloud.ops import clouds, down, listing, marks, planning, power, undo
from gpucloud.ops.context import Context
from gpucloud.parallel import in_parallel
from gpucloud.providers.base import Provider
from gpucloud.state import check_run

GRACE = timedelta(minutes=10)
"""What a machine gets that is started after its end, so that `extend` can reach it: as much as its own kill switch
gives it (killswitch.sh)."""

WATCH_PAUSE = 300.0
"""Seconds between two passes."""


@unique
class Kind(StrEnum):
    """What is wrong."""

    EXPIRED = "expired"
    HALTED = "halted"
    ORPHANED = "orphaned"
    HALF_CREATED = "half-created"


ACTIONS = {
    Kind.EXPIRED: "remove",
    Kind.HALTED: "stop",
    Kind.ORPHANED: "remove",
    Kind.HALF_CREATED: "recover",
}
"""What is done about it: the whole run removed, the machine stopped, or the rollback of its launch finished."""


@dataclass(frozen=True)
class Finding:
    """One run that should not be as it is. `usd_per_hour` is None where it is not known; `billable` is.

    `wait` says why nothing is done about it in this pass; "" if something is.
    """

    kind: Kind
    name: str
    run: str
    cloud: str
    region: str
    owner: str
    why: str
    usd_per_hour: float | None
    billable: bool
    wait: str = ""
    machine: Machine | None = None


@dataclass(frozen=True)
class Result:
    """What was done about a finding, and why something of it remains; `failed` if that was not on purpose."""

    finding: Finding
    done: str = ""
    remains: str = ""
    failed: bool = False

    def to_dict(self) -> dict[str, object]:
        """For JSON: kind, name, run, cloud, region, owner, why, usd_per_hour, billable, action, done, remains."""
        keys = ("kind", "name", "run", "cloud", "region", "owner", "why", "usd_per_hour", "billable")
        facts = {key: getattr(self.finding, key) for key in keys}
        action = ACTIONS[self.finding.kind]
        return {**facts, "kind": self.finding.kind.value, "action": action, "done": self.done, "remains": self.remains}


@dataclass(frozen=True)
class Survey:
    """What one look at the clouds found, what costs most first, and the clouds that may hold more."""

    findings: Sequence[Finding]
    unasked: Mapping[str, GpucloudError] = field(default_factory=dict)

    def to_do(self, most: int | None) -> list[Finding]:
        """What can be done in this pass: at most so many of them."""
        return [each for each in self.findings if not each.wait][:most]


@dataclass(frozen=True)
class _Seen:
    machines: Sequence[Machine]
    orphans: Sequence[Resource]


def passes(context: Context, *, again: bool) -> Iterator[None]:
    """Once now and, with `again`, every WATCH_PAUSE seconds until the caller has had enough."""
    yield
    while again:
        context.waiter.sleep(WATCH_PAUSE)
        yield


def survey(
    context: Context, *, all_owners: bool = False, all_regions: bool = False, now: bool = False, dry_run: bool = False
) -> Survey:
    """Look at every cloud. Marks what is seen for the first time, unless it is a dry run; changes nothing in a cloud.

    With `now` nothing waits for a second look. Other people's orphans only count with `all_owners`. Raises as
    `clouds.ask` does.
    """

    def look(provider: Provider) -> _Seen:
        everywhere = provider.everywhere() if all_regions else provider
        machines = everywhere.list()
        return _Seen(machines, everywhere.orphans({each.run for each in machines}))

    answers = clouds.ask(context, look)
    half_made = {each.run: each for each in undo.interrupted(context) if each.cloud in context.clouds}
    machines = [machine for seen in answers.given.values() for machine in seen.machines]
    orphans = [each for cloud, seen in answers.given.items() for each in _orphaned(context, cloud, seen.orphans)]
    orphans = [each for each in orphans if each.run not in half_made]
    first_seen = marks.note(
        context.state, [each.run for each in orphans], alive={each.run for each in machines}, write=not dry_run
    )
    found = [_half_created(each, machines) for each in half_made.values()]
    found += [each for machine in machines if machine.run not in half_made for each in _of_machine(context, machine)]
    for each in _wanted(context, orphans, all_owners=all_owners):
        found.append(each if now else replace(each, wait=_too_new(first_seen[each.run])))
    return Survey(sorted(found, key=_turn), answers.unasked(context))


def _turn(finding: Finding) -> tuple[bool, float, str]:
    """What costs most goes first, then what is oldest: a run id begins with its time."""
    return (not finding.billable, -(finding.usd_per_hour or 0.0), finding.run)


def _of_machine(context: Context, machine: Machine) -> Iterator[Finding]:
    """What is wrong with a machine, if anything is. One that is on its way out is left to go."""
    kind = _trouble(machine, datetime.now(UTC))
    if kind is None or not _is_run(machine.run):
        return
    why = "it switched itself off, and its cloud still bills it"
    if kind is Kind.EXPIRED and machine.expires_at:
        why = f"its lifetime ended at {machine.expires_at.astimezone():%Y-%m-%d %H:%M}; it is {machine.state}"
    usd = listing.row(machine).usd_per_hour
    owner, busy = machine.tags.get(TAG_OWNER, ""), _is_busy(context, machine.run)
    place = (machine.name, machine.run, machine.cloud, machine.region, owner)
    yield Finding(kind, *place, why, usd, True, "another process is at work on it" if busy else "", machine)


def _trouble(machine: Machine, now: datetime) -> Kind | None:
    if machine.state in (State.TERMINATING, State.TERMINATED):
        return None
    end = machine.expires_at
    if end and machine.launched_at and machine.state in (State.PENDING, State.RUNNING):
        end = max(end, machine.launched_at + GRACE)
    if end and end <= now:
        return Kind.EXPIRED
    return Kind.HALTED if machine.state is State.HALTED else None


def _half_created(run: undo.Interrupted, machines: Sequence[Machine]) -> Finding:
    machine = next((each for each in machines if each.run == run.run), None)
    usd = listing.row(machine).usd_per_hour if machine else None
    place = (run.name, run.run, run.cloud, run.region, planning.owner())
    return Finding(Kind.HALF_CREATED, *place, "its launch was interrupted", usd, True)


def _orphaned(context: Context, cloud: str, resources: Sequence[Resource]) -> Iterator[Finding]:
    """The runs of which something is left, but no machine, and that no process of this computer is at work on."""
    for run, group in groupby(sorted(resources, key=lambda each: each.run), key=lambda each: each.run):
        if not _is_run(run) or _is_busy(context, run):
            continue
        left = list(group)
        owner = next((each.owner for each in left if each.owner), "")
        costs = any(each.costs for each in left)
        why = f"no machine is left of its run, but: {', '.join(dict.fromkeys(each.kind for each in left))}"
        yield Finding(Kind.ORPHANED, run, run, cloud, left[0].region, owner, why, None if costs else 0.0, costs)


def _too_new(first_seen: datetime) -> str:
    """Why an orphan has to wait; "" once it has been there for long enough."""
    due = first_seen + marks.SETTLED
    if due <= datetime.now(UTC):
        return ""
    return f"it may be a launch that goes on: removed if it is still there at {due.astimezone():%H:%M}"


def _wanted(context: Context, orphans: Sequence[Finding], *, all_owners: bool) -> list[Finding]:
    """Those of this user, or everybody's. What is left out is remarked on."""
    me = planning.owner()
    ours = [each for each in orphans if all_owners or each.owner == me or undo.journal_of(context, each.run)]
    if others := sorted({each.owner or "nobody known" for each in orphans if each not in ours}):
        number = len(orphans) - len(ours)
        context.remark(f"{number} orphaned run{'s' * (number > 1)} of {', '.join(others)} left alone: add --all-owners")
    return ours


def _is_run(run: str) -> bool:
    """Could we have made it? Anybody in the account may write anything into a tag."""
    try:
        check_run(run)
    except UsageError:
        return False
    return True


def _is_busy(context: Context, run: str) -> bool:
    path = undo.journal_of(context, run)
    return path is not None and journal.is_live(path)


def carry_out(context: Context, found: Survey, most: int | None = None, *, dry_run: bool = False) -> list[Result]:
    """Do what can be done, all at once, for at most so many runs. What became of every finding, those first."""
    to_do = found.to_do(most)
    if dry_run:
        results = [Result(each, remains=f"dry run: would {ACTIONS[each.kind]} it") for each in to_do]
    else:
        results = in_parallel(partial(_act, context), to_do)
    later = f"left to the next pass: --max {most}"
    return results + [Result(each, remains=each.wait or later) for each in found.findings if each not in to_do]


def require_done(results: Sequence[Result], unasked: Mapping[str, GpucloudError]) -> None:
    """Raises MayStillCost that names what failed, what remains and is billed, and every cloud that may hold more."""
    left = [each for each in results if each.remains and (each.failed or each.finding.billable)]
    remains = [f"{each.finding.kind} {each.finding.name} ({each.remains})" for each in left]
    remains += [f"whatever is in {cloud} ({error})" for cloud, error in unasked.items()]
    if remains:
        raise MayStillCost("something billable may remain", "; ".join(remains), "run `gpucloud reap` again")


def _act(context: Context, finding: Finding) -> Result:
    """Look once more, since people may have taken their time to say yes, and then do it."""
    try:
        if changed := _changed(context, finding):
            return Result(finding, done=f"nothing: {changed}")
        if finding.kind is Kind.HALF_CREATED:
            removed = undo.recover(context, finding.run)
            return Result(finding, done=f"removed {', '.join(removed)}" if removed else "nothing was left of it")
        if finding.kind is Kind.HALTED and finding.machine:
            power.stop(context, finding.machine)
            return Result(finding, done=f"stopped: {money.what_stays(finding.cloud)}")
        return _remove(context, finding)
    except GpucloudError as error:
        return Result(finding, remains=str(error), failed=True)


def _changed(context: Context, finding: Finding) -> str:
    """Why a machine needs nothing done any more; "" if it does. Raises MayStillCost for an orphan with a machine."""
    provider = context.provider(finding.cloud, finding.region)
    if finding.kind is Kind.ORPHANED and any(each.kind == "instance" for each in provider.resources(finding.run)):
        raise MayStillCost(f"there is a machine among what is left of {finding.run}", "it may be just being made")
    if finding.machine is None:
        return ""
    try:
        machine = provider.get(finding.machine.id)
    except NotFound:  # and what it may have left is still to be removed
        return "" if finding.kind is Kind.EXPIRED else "it is gone"
    return "" if _trouble(machine, datetime.now(UTC)) is finding.kind else f"it is {machine.state} by now"


def _remove(context: Context, finding: Finding) -> Result:
    (receipt,) = down.down(context, [down.Target(finding.name, finding.run, finding.cloud, finding.region)])
    kept = [f"{each.kind} {each.id} ({reason})" for each, reason in receipt.remains]
    remains = "; ".join([*kept, *([receipt.error] if receipt.error else [])])
    done = f"removed {len(receipt.gone)} resource{'s' * (len(receipt.gone) != 1)}" if receipt.gone else ""
    return Result(finding, done if done or remains else "nothing was left of it", remains, bool(remains))
