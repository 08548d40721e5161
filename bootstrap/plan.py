"""plan.json, read and checked: the stages, and what identifies one."""

from __future__ import annotations

import hashlib
import json
import shlex
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Dict, List, Set, Tuple

DEFAULT_REBOOT_LIMIT = 300.0
"""Seconds that a machine may take to go down. An 8-GPU host needs minutes to come up, not to go down."""


class PlanError(Exception):
    """plan.json cannot be carried out."""


@dataclass(frozen=True)
class Stage:
    """One stage. `run` and `check` are argument lists, relative to the bundle; `timeout` is in seconds."""

    id: str
    run: Tuple[str, ...]
    check: Tuple[str, ...] = ()
    needs: Tuple[str, ...] = ()
    locks: Tuple[str, ...] = ()
    timeout: float = 1200.0
    retries: int = 0
    reboot: str = "never"
    env: Dict[str, str] = field(default_factory=dict)

    def fingerprint(self, bundle: Path) -> str:
        """The sha256 of everything that decides what the stage does: command, scripts, environment."""
        digest = hashlib.sha256(json.dumps([self.run, self.env], sort_keys=True).encode())
        for script in (bundle / self.run[0], bundle / "lib.sh"):
            digest.update(script.read_bytes() if script.is_file() else b"\0")
        return digest.hexdigest()


@dataclass(frozen=True)
class Plan:
    """The stages of one run. `sha256` is that of the file."""

    run: str
    sha256: str
    stages: Tuple[Stage, ...]
    reboot_limit: float = DEFAULT_REBOOT_LIMIT


def load(path: Path) -> Plan:
    """The plan in `path`. Raises PlanError if it is of another version, or if stages wait for what cannot come."""
    data = path.read_bytes()
    document = json.loads(data)
    if document.get("version") != 1:
        raise PlanError(f"plan.json has version {document.get('version')}, this runner knows version 1")
    stages = tuple(_stage(item) for item in document["stages"])
    _check_needs(stages)
    limit = float(document.get("reboot_limit", DEFAULT_REBOOT_LIMIT))
    return Plan(document["run"], hashlib.sha256(data).hexdigest(), stages, limit)


def _stage(item: Dict[str, Any]) -> Stage:
    values = dict(item)
    for key in ("run", "check"):
        values[key] = tuple(shlex.split(values.get(key, "")))
    for key in ("needs", "locks"):
        values[key] = tuple(values.get(key, ()))
    if values.get("reboot", "never") not in ("never", "if-requested"):
        raise PlanError(f"stage {item['id']}: reboot is {values['reboot']!r}, not 'never' or 'if-requested'")
    return Stage(**values)


def _check_needs(stages: Tuple[Stage, ...]) -> None:
    known = {stage.id for stage in stages}
    if len(known) != len(stages):
        raise PlanError("two stages have the same id")
    for stage in stages:
        if not known.issuperset(stage.needs):
            raise PlanError(
                f"stage {stage.id} needs {', '.join(sorted(set(stage.needs) - known))}, which is not planned"
            )
    waiting: List[Stage] = list(stages)
    done: Set[str] = set()
    while waiting:
        free = [stage for stage in waiting if done.issuperset(stage.needs)]
        if not free:
            raise PlanError(f"stages wait for each other: {', '.join(stage.id for stage in waiting)}")
        done.update(stage.id for stage in free)
        waiting = [stage for stage in waiting if stage not in free]
