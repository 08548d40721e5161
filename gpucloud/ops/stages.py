"""Which stages a machine of ours has had: its journal remembers, since the profile's file may change."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gpucloud import journal
from gpucloud.errors import NotFound
from gpucloud.machine import Machine
from gpucloud.ops import undo
from gpucloud.ops.context import Context


def of_run(context: Context, machine: Machine) -> Mapping[str, Any]:
    """The plan that was last carried out on the machine. Raises NotFound if this computer did not make it."""
    path = undo.journal_of(context, machine.run)
    entries = journal.read(path) if path is not None else []
    plans: list[Mapping[str, Any]] = [entry["stages"] for entry in entries if "stages" in entry]
    if not plans:
        raise NotFound(
            f"no journal of {machine.name} on this computer",
            f"run {machine.run} was made elsewhere",
            f"`gpucloud up {machine.type} -n {machine.name}` where it was made, or `gpucloud verify --host`",
        )
    return plans[-1]
