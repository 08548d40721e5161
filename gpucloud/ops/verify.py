"""Prove machines: ours by name, this one, or any that SSH reaches."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from gpucloud.catalog import types
from gpucloud.errors import ConfigError, UsageError, not_made
from gpucloud.machine import Machine
from gpucloud.ops import find, planning, prove, reboot, stages
from gpucloud.ops.context import Context
from gpucloud.parallel import in_parallel
from gpucloud.remote.base import Remote
from gpucloud.verify.expectation import Expectation
from gpucloud.verify.junit import to_junit
from gpucloud.verify.report import Report
from gpucloud.verify.run import verify as verify_remote


@dataclass(frozen=True)
class Targets:
    """What to verify: machines by name, or one that is not ours."""

    names: tuple[str, ...] = ()
    local: bool = False
    host: str = ""


def targets(names: Sequence[str], local: bool, host: str, with_reboot: bool = False) -> Targets:
    """Raises UsageError unless exactly one kind of target was given, or if a machine that is not ours is to reboot."""
    if with_reboot and (local or host):
        raise UsageError("only machines of ours are rebooted", "", "leave out --reboot, or give machine names")
    if sum((bool(names), local, bool(host))) == 1:
        return Targets(tuple(names), local, host)
    raise UsageError("verify what?", "", "give machine names, or --local, or --host USER@ADDR")


def verify(
    world: Callable[[], Context], wanted: Targets, *, deep: bool = False, with_reboot: bool = False
) -> list[prove.Proof]:
    """Facts and report of each target, machines in parallel. A failed check is a report, not an error.

    `with_reboot` reboots our machines first, to prove that the stack survives it. Raises UsageError for others: they
    are never rebooted.
    `world` is asked for the context only when a cloud is needed: --local and --host work without one.
    """
    if wanted.local or wanted.host:
        return [_elsewhere(wanted, deep)]
    context = world()
    machines = find.machines(context, wanted.names)
    if foreign := [machine for machine in machines if with_reboot and not machine.is_ours]:
        raise not_made(foreign[0].name, "reboot")
    return in_parallel(lambda machine: _named(context, machine, deep, with_reboot), machines)


def write_junit(path: Path, reports: Sequence[Report]) -> None:
    """Write the JUnit file. Raises ConfigError if that is not possible."""
    _write(path, to_junit(reports))


def write_facts(path: Path, facts: Sequence[object]) -> None:
    """Write what the probes found: one document, or a list of them."""
    _write(path, json.dumps(facts[0] if len(facts) == 1 else facts, indent=1, sort_keys=True).encode() + b"\n")


def _write(path: Path, content: bytes) -> None:
    try:
        path.write_bytes(content)
    except OSError as exc:
        raise ConfigError(f"cannot write {path}", exc.strerror or str(exc)) from exc


def _named(context: Context, machine: Machine, deep: bool, with_reboot: bool) -> prove.Proof:
    provider = context.provider(machine.cloud, machine.region)
    if with_reboot:
        reboot.reboot(context, provider, machine)
    return prove.check(context, provider, machine, _expected(context, machine), deep=deep)


def _expected(context: Context, machine: Machine) -> Expectation:
    """What the catalogue promises of the type, and what this computer's journal says was installed.

    Of a machine that is not ours: what the catalogue promises, if its type is known, and the whole stack.
    """
    if not machine.is_ours:
        return planning.hardware(types.find(machine.type)) if machine.type else Expectation()
    return planning.expectation(types.find(machine.type), stages.of_run(context, machine))


def _elsewhere(wanted: Targets, deep: bool) -> prove.Proof:
    """A machine that we did not make: whatever GPU it has is right, as long as it works."""
    from gpucloud.remote.local import LocalRemote

    remote: Remote
    if wanted.local:
        remote = LocalRemote()
    else:
        from gpucloud.remote import foreign

        remote = foreign.connect_as_user(wanted.host)
    try:
        return verify_remote(remote, Expectation(), deep=deep, machine=wanted.host or "this machine")
    finally:
        remote.close()
