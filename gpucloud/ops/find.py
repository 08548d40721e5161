"""Find machines by the names that people give them. The cloud's tags decide, not local files."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches

from gpucloud.errors import NotFound, UsageError
from gpucloud.machine import Machine
from gpucloud.ops.context import Context


def machine(context: Context, name: str) -> Machine:
    """The machine of that name. Raises NotFound with near matches, UsageError if the name is ambiguous."""
    return machines(context, [name])[0]


def machines(context: Context, names: Sequence[str]) -> list[Machine]:
    """The machines of those names, in that order, found with one listing."""
    known = context.provider().list()
    return [pick(known, name) for name in names]


def by_name(known: Sequence[Machine], name: str) -> Machine | None:
    """The machine of that name, or None. Raises UsageError if two carry it."""
    matches = [machine for machine in known if name in (machine.name, machine.id)]
    if len(matches) > 1:
        where = ", ".join(f"{machine.id} in {machine.region}" for machine in matches)
        raise UsageError(f"{name} is the name of {len(matches)} machines", where, "name one by its id")
    return matches[0] if matches else None


def pick(known: Sequence[Machine], name: str) -> Machine:
    """The machine of that name. Raises NotFound with near matches, UsageError if two carry it."""
    found = by_name(known, name)
    if found is None:
        near = get_close_matches(name, [machine.name for machine in known], 3)
        hint = f"did you mean {' or '.join(near)}?" if near else "`gpucloud ls` lists the machines"
        raise NotFound(f"no machine called {name}", "", hint)
    return found
