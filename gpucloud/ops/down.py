"""Terminate and remove everything that `up` made, and prove that it is gone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace

from gpucloud import journal
from gpucloud.errors import GpucloudError, MayStillCost, UsageError, not_made
from gpucloud.machine import TAG_OWNER, Machine, Resource
from gpucloud.ops import clouds, find, sshconfig, undo
from gpucloud.ops.context import Context
from gpucloud.parallel import in_parallel
from gpucloud.progress import Status
from gpucloud.providers.base import Provider

GONE_TIMEOUT = 60.0
"""Seconds for listings to forget what was deleted: every delete has already waited for its resource to go."""

_FIRST = ("resource-group", "instance")
"""Kinds to delete before the rest, in this order: a group takes all that is in it along, and what an instance uses
cannot go before it."""


@dataclass(frozen=True)
class Receipt:
    """What is gone, and what remains with the reason. Nothing remains of a good `down`."""

    name: str
    run: str
    region: str
    gone: tuple[Resource, ...]
    remains: tuple[tuple[Resource, str], ...] = ()
    error: str = ""

    def to_dict(self) -> dict[str, object]:
        """For JSON: name, run, region, gone (kind, id), remains (kind, id, costs, reason), error."""
        return {
            "name": self.name,
            "run": self.run,
            "region": self.region,
            "gone": [{"kind": each.kind, "id": each.id} for each in self.gone],
            "remains": [{**asdict(each), "reason": reason} for each, reason in self.remains],
            "error": self.error,
        }


@dataclass(frozen=True)
class Target:
    """What to remove: everything of one run."""

    name: str
    run: str
    cloud: str
    region: str
    what: str = ""


@dataclass(frozen=True)
class Wanted:
    """What the arguments name, and the clouds that may hold more of it but could not be asked, with the reason."""

    targets: Sequence[Target]
    unasked: Mapping[str, GpucloudError] = field(default_factory=dict)


def wanted(context: Context, names: Sequence[str], every: bool, run: str) -> Wanted:
    """What the arguments name. Raises UsageError unless exactly one way of naming was used, NotFound for a name."""
    if sum((bool(names), every, bool(run))) != 1:
        raise UsageError("take down what?", "", "give machine names, or --all, or --run-id ID")
    if run:
        return _of_run(context, run)
    if every:
        answers = clouds.machines(context)
        ours = [each for each in clouds.together(answers.given) if each.is_ours]
        return Wanted([_of_machine(each) for each in ours], answers.unasked(context))
    known = find.candidates(context, names)
    return Wanted([target for name in names for target in _of_name(context, known, name)])


def _of_machine(machine: Machine) -> Target:
    """Raises UsageError for a machine that is not ours."""
    if not machine.is_ours:
        raise not_made(machine.name, "remove")
    what = (
        f"{machine.type} {find.short_id(machine.id)}, {machine.state}, of {machine.tags.get(TAG_OWNER, 'nobody known')}"
    )
    return Target(machine.name, machine.run, machine.cloud, machine.region, what)


def _of_name(context: Context, known: Sequence[Machine], name: str) -> list[Target]:
    """The machine of that name, or what is left of one that ended by itself. Raises NotFound if there is neither."""
    if find.by_name(known, name) is None:
        left = [target for run in undo.runs_of(context.state, name) for target in _of_run(context, run).targets]
        if left:
            return [replace(target, name=name) for target in left]
    return [_of_machine(find.pick(known, name))]


def _of_run(context: Context, run: str) -> Wanted:
    """Whatever carries the run's tag, in every region that we know of: needs nothing that `up` printed.

    A run that was killed on this computer counts even if nothing is listed: what it asked for last may show up yet.
    """
    answers = clouds.ask(context, lambda provider: provider.resources(run), undo.homes_of(context.state, run))
    regions = {each.cloud: each.region for each in undo.interrupted(context) if each.run == run}
    regions.update((cloud, found[0].region) for cloud, found in answers.given.items() if found)
    targets = [
        Target(run, run, cloud, region, f"{len(answers.given.get(cloud, ()))} resources")
        for cloud, region in regions.items()
    ]
    return Wanted(targets, answers.unasked(context))


def down(context: Context, targets: Sequence[Target]) -> list[Receipt]:
    """Remove the targets, all at once. The receipts say what is left; `require_gone` turns that into an error."""
    return in_parallel(lambda target: _receipt(context, target), targets)


def require_gone(receipts: Sequence[Receipt], unasked: Mapping[str, GpucloudError] | None = None) -> None:
    """Raises MayStillCost that names everything that remains, and every cloud that may hold more."""
    remains = [f"{each.kind} {each.id} ({reason})" for receipt in receipts for each, reason in receipt.remains]
    remains += [f"{receipt.name} ({receipt.error})" for receipt in receipts if receipt.error]
    remains += [f"whatever is in {cloud} ({error})" for cloud, error in (unasked or {}).items()]
    if remains:
        raise MayStillCost("not everything is gone", "; ".join(remains), "run `gpucloud down` again")


def _receipt(context: Context, target: Target) -> Receipt:
    """The receipt of one target; an error on the way is part of it, and does not hide what the others came to."""
    try:
        with _journal(context, target.run) as log:
            return _down(context, target, log)
    except GpucloudError as error:
        context.tell(target.name, "down", Status.FAIL, str(error))
        return Receipt(target.name, target.run, target.region, (), (), error=str(error))


@contextmanager
def _journal(context: Context, run: str) -> Iterator[journal.Journal | None]:
    """The run's journal, held so that no `up` goes on with the machine meanwhile; None if it was made elsewhere."""
    path = undo.journal_of(context, run)
    if path is None:
        yield None
        return
    with journal.Journal.open(path) as log:
        yield log


def _down(context: Context, target: Target, log: journal.Journal | None) -> Receipt:
    provider = context.provider(target.cloud, target.region)
    context.tell(target.name, "down", Status.START)
    found = provider.resources(target.run)
    if log is not None and log.status == "open":  # interrupted: what was asked for last may not be listed yet
        undo.finish(context, log)
    reasons: dict[Resource, str] = {}
    for resource in sorted(found, key=_turn):
        context.tell(target.name, "down", Status.LINE, f"{resource.kind} {find.short_id(resource.id)}")
        try:
            provider.delete(resource)
        except GpucloudError as error:
            reasons[resource] = str(error)
    remains = _wait_until_gone(context, provider, target.run)
    gone = tuple(each for each in found if each not in remains)
    kept = tuple((each, reasons.get(each, "still there")) for each in remains)
    if not remains:
        _close(context, target.run, log)
    context.tell(target.name, "down", Status.FAIL if remains else Status.DONE, f"{len(gone)} resources gone")
    return Receipt(target.name, target.run, target.region, gone, kept)


def _turn(resource: Resource) -> int:
    return _FIRST.index(resource.kind) if resource.kind in _FIRST else len(_FIRST)


def _wait_until_gone(context: Context, provider: Provider, run: str) -> list[Resource]:
    remaining: list[Resource] = []

    def probe() -> bool:
        remaining[:] = provider.resources(run)
        return not remaining

    context.waiter.until(probe, GONE_TIMEOUT)
    return remaining


def _close(context: Context, run: str, log: journal.Journal | None) -> None:
    """The journal and the keys of a run that is gone have done their service."""
    if log is not None:
        log.removed()
        sshconfig.forget(context, run)
