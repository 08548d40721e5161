"""Find machines by the names that people give them. The clouds' tags decide, not local files."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches

from gpucloud import journal
from gpucloud.errors import NotFound, UsageError
from gpucloud.machine import Machine
from gpucloud.ops import clouds
from gpucloud.ops.context import Context


def machine(context: Context, name: str) -> Machine:
    """The machine of that name. Raises NotFound with near matches, UsageError if the name is ambiguous."""
    return machines(context, [name])[0]


def machines(context: Context, names: Sequence[str]) -> list[Machine]:
    """The machines of those names, in that order."""
    known = candidates(context, names)
    return [pick(known, name) for name in names]


def candidates(context: Context, names: Sequence[str]) -> list[Machine]:
    """The machines among which those of these names are, if they are anywhere.

    Those of the clouds that `homes_of` tells, if they are there; else of all clouds. Then a cloud that cannot be asked
    matters: its error is raised if a name is not found.
    """
    if homes := homes_of(context, names):
        known = clouds.together(clouds.machines(context, homes).given)
        if _are_all_in(known, names):
            return known
    answers = clouds.machines(context)
    known = clouds.together(answers.given)
    if answers.missing and not _are_all_in(known, names):
        raise next(iter(answers.missing.values()))
    return known


def homes_of(context: Context, names: Sequence[str]) -> list[str]:
    """The clouds in which this computer made machines of these names, or whose settings name them.

    None if there is one that is neither.
    """
    standing = list(journal.standing(context.state.journal_paths()))
    known = [(str(header["name"]), str(header["cloud"])) for header in standing if header["name"] in names]
    others = set(context.clouds) - {*context.makers}
    known += [(name, cloud) for cloud in others for name in context.settings[cloud] if name in names]
    homes = dict.fromkeys(cloud for _, cloud in known if cloud in context.clouds)
    return list(homes) if {name for name, _ in known} == set(names) else []


def _are_all_in(known: Sequence[Machine], names: Sequence[str]) -> bool:
    return all(by_name(known, name) for name in names)


def by_name(known: Sequence[Machine], name: str) -> Machine | None:
    """The machine of that name, or None. Raises UsageError if two carry it."""
    matches = [machine for machine in known if name in (machine.name, machine.id, short_id(machine.id))]
    if len(matches) > 1:
        where = ", ".join(f"{machine.id} in {machine.region or machine.cloud}" for machine in matches)
        raise UsageError(f"{name} is the name of {len(matches)} machines", where, "name one by its id")
    return matches[0] if matches else None


def short_id(full: str) -> str:
    """The part of an id that people read: Azure's are paths of 200 characters."""
    return full.rsplit("/", 1)[-1]


def pick(known: Sequence[Machine], name: str) -> Machine:
    """The machine of that name. Raises NotFound with near matches, UsageError if two carry it."""
    found = by_name(known, name)
    if found is None:
        near = get_close_matches(name, [machine.name for machine in known], 3)
        hint = f"did you mean {' or '.join(near)}?" if near else "`gpucloud ls` lists the machines"
        raise NotFound(f"no machine called {name}", "", hint)
    return found
