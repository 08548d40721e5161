"""Run steps so that each can be undone, by this process or by another one.

Write `intent` to the journal → `do` → write `done` → next step; at the end `committed`.
Whatever interrupts that (an error, Ctrl-C, a signal turned into an exception) rolls back in reverse order,
the failed step included: its call may have reached the cloud even though its answer did not reach us.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Protocol

from gpucloud.errors import CapacityError, GpucloudError, MayStillCost, QuotaError
from gpucloud.signals import rollback_to_come
from gpucloud.waiting import Waiter

REFUSALS = (CapacityError, QuotaError)
"""Answers by which the cloud says that it has made nothing: there is nothing to look for, and nobody has to wait."""

Facts = Mapping[str, str]
"""What a step recorded, such as an id: strings only, kept in the journal."""

CONSISTENCY_WINDOW = 30.0
"""Seconds for which a resource just created may not show up in listings. EC2 documents "a few minutes at most" for
describe calls after create; measured in practice: under 10 s. An undo that looks once leaks (22 of 26 kill points)."""


@dataclass(frozen=True)
class Step:
    """One thing to create. `name` is fixed before the call and is resource name, tag and idempotency token.

    `do` receives the facts of every earlier step merged into one mapping, and returns its own.
    `undo` receives the facts known to the journal (of this step too, if it got that far) and removes the resource.
    It returns True if it found something and removed it, False if there was nothing. It works from the facts and
    the run's tags alone, it waits until the resource is really gone, and absence is no error.
    """

    id: str
    name: str
    do: Callable[[Facts], Facts]
    undo: Callable[[Facts], bool]


class Log(Protocol):
    """The journal, as far as a saga needs it."""

    def intent(self, step: str, name: str) -> None: ...
    def done(self, step: str, facts: Facts) -> None: ...
    def refused(self, step: str) -> None: ...
    def undone(self, step: str) -> None: ...
    def committed(self) -> None: ...
    def rolled_back(self) -> None: ...
    @property
    def is_committed(self) -> bool: ...
    def intents(self) -> Sequence[str]:
        """Ids of the steps that were begun and not undone, in order."""
        ...

    def facts_of(self, step: str) -> Facts | None:
        """What the step recorded; None if it never finished."""
        ...


Observer = Callable[[str, str], None]
"""Called with (what happens, step id): `do`, `done`, `undo`, `undone`, `undo-failed`."""


def _silent(event: str, step: str) -> None:
    """The observer of callers that want none."""


def _always() -> None:
    """The `proceed` of callers whom a signal interrupts in the midst of everything."""


def known_facts(log: Log) -> dict[str, str]:
    """Everything that the run's steps recorded so far, merged in order."""
    merged: dict[str, str] = {}
    for step in log.intents():
        merged.update(log.facts_of(step) or {})
    return merged


def run(
    steps: Sequence[Step], log: Log, observe: Observer = _silent, proceed: Callable[[], None] = _always
) -> dict[str, str]:
    """Do every step that the journal does not have as done, in order, and return the merged facts.

    Call it inside `transaction`, which undoes what an interruption leaves half done. `proceed` is called before each
    step and may raise: nothing of that step has been asked for then.
    """
    for step in steps:
        if log.facts_of(step.id) is not None:
            continue
        proceed()
        log.intent(step.id, step.name)
        observe("do", step.id)
        try:
            facts = step.do(known_facts(log))
        except REFUSALS:
            log.refused(step.id)
            raise
        log.done(step.id, facts)
        observe("done", step.id)
    return known_facts(log)


@contextmanager
def transaction(steps: Sequence[Step], log: Log, waiter: Waiter, observe: Observer = _silent) -> Iterator[None]:
    """All or nothing: unless the body commits the log, whatever ends it rolls every step back.

    If something may remain, MayStillCost is raised from the first error: it outweighs it.
    """
    try:
        with rollback_to_come():
            yield
    except BaseException as exc:
        if not log.is_committed:
            try:
                roll_back(steps, log, waiter, observe)
            except MayStillCost as remains:
                raise remains from exc
        raise


def roll_back(steps: Sequence[Step], log: Log, waiter: Waiter, observe: Observer = _silent) -> list[str]:
    """Undo in reverse what the journal says was begun, and return the names of what was removed.

    Goes on after errors of every kind, our own bugs and a full disk included: each step left out may cost money.
    Raises MayStillCost with the names of whatever could not be undone.
    """
    begun = set(log.intents())
    removed: list[str] = []
    failed: list[str] = []
    for step in reversed([step for step in steps if step.id in begun]):
        try:
            observe("undo", step.id)
            if _undo(step, log, waiter):
                removed.append(step.name)
            log.undone(step.id)
            observe("undone", step.id)
        except Exception as exc:
            failed.append(f"{step.name} ({exc if isinstance(exc, GpucloudError) else repr(exc)})")
            with suppress(Exception):  # whoever watches has been told enough by what is raised below
                observe("undo-failed", step.id)
    if failed:
        raise MayStillCost("could not remove everything", "; ".join(failed), "run `gpucloud recover` again")
    log.rolled_back()
    return removed


def _undo(step: Step, log: Log, waiter: Waiter) -> bool:
    """Undo one step. An intent without `done` may still appear: look until the consistency window is over."""
    facts = known_facts(log)
    if log.facts_of(step.id) is not None:
        return step.undo(facts)
    return bool(waiter.until(lambda: step.undo(facts), timeout=CONSISTENCY_WINDOW))
