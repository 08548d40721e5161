"""Stop, start, and wait for what the cloud has accepted."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime

from gpucloud import money
from gpucloud.errors import NotFound, Unreachable
from gpucloud.machine import Machine, State
from gpucloud.ops import sshconfig
from gpucloud.ops.context import Context
from gpucloud.parallel import in_parallel
from gpucloud.progress import Status
from gpucloud.providers.base import Provider
from gpucloud.saga import CONSISTENCY_WINDOW

STATE_TIMEOUT = 900.0
"""Seconds for a change of state. EC2 starts in under a minute; a large GPU instance may take ten to stop."""


AT_REST = (State.STOPPING, State.STOPPED, State.HALTED)
"""States in which a machine has to be started to be used."""

BOOT_POLL = 1.5
"""Most seconds between two looks at a machine that boots: people watch, and one describe call a second is far below
EC2's limits (describe calls refill at 20 a second)."""


def wait_until_running(context: Context, provider: Provider, machine_id: str, name: str) -> Machine:
    """The machine once it runs and has an address. Raises Unreachable if that never happens.

    What the cloud has just been asked for may not be listed yet, as a machine made or started a moment ago: for the
    consistency window neither its absence nor that it is at rest is believed.
    """
    context.tell(name, "boot", Status.START)
    believed_after = context.waiter.clock() + CONSISTENCY_WINDOW

    def probe() -> Machine | None:
        try:
            machine = provider.get(machine_id)
        except NotFound:
            if context.waiter.clock() > believed_after:
                raise
            return None
        asleep = machine.state in (State.STOPPED, State.HALTED)
        if asleep and context.waiter.clock() <= believed_after:
            return None
        if asleep or machine.state is State.TERMINATING:
            why = machine.reason or provider.console(machine_id)[-300:]
            raise Unreachable(f"{name} went to {machine.state} instead of running", why)
        return machine if machine.state is State.RUNNING and machine.address else None

    machine = replace(context.waiter, longest=BOOT_POLL).until(probe, STATE_TIMEOUT)
    if machine is None:
        raise Unreachable(f"{name} is not running after {STATE_TIMEOUT:.0f} s", "", "see the cloud's status page")
    context.tell(name, "boot", Status.DONE, f"{machine.zone or machine.region}, {machine.address}")
    return machine


def start(context: Context, machine: Machine) -> Machine:
    """Start the machine and wait until it runs; its address may be a new one. Raises CapacityError."""
    provider = context.provider(machine.cloud, machine.region)
    if machine.state is State.STOPPING:
        _wait_for(context, provider, machine, State.STOPPED)
    context.tell(machine.name, "start", Status.START)
    provider.start(machine.id)
    context.tell(machine.name, "start", Status.DONE, lifetime_note(machine, provider.guest_ends_billing))
    running = wait_until_running(context, provider, machine.id, machine.name)
    sshconfig.publish(context, running)
    return running


def lifetime_note(machine: Machine, guest_ends_billing: bool) -> str:
    """What a person must know about a machine that is started after its end.

    A kill switch on the machine waits ten minutes; a clock of the cloud's strikes at that time of the day, once a day.
    """
    if machine.expires_at is None or machine.expires_at > datetime.now(UTC):
        return ""
    ends = "it ends in 10 minutes" if guest_ends_billing else "it may run for another day"
    return f"its lifetime is over: {ends} unless you `gpucloud extend {machine.name} 2h`"


def stop(context: Context, machine: Machine) -> Machine:
    """Stop compute billing and wait until that is so."""
    provider = context.provider(machine.cloud, machine.region)
    context.tell(machine.name, "stop", Status.START)
    provider.stop(machine.id)
    stopped = _wait_for(context, provider, machine, State.STOPPED)
    context.tell(machine.name, "stop", Status.DONE, f"compute billing has stopped; {money.what_stays(machine.cloud)}")
    return stopped


def each(action: Callable[[Context, Machine], Machine], context: Context, machines: Sequence[Machine]) -> list[Machine]:
    """Do it to every machine at once."""
    return in_parallel(lambda machine: action(context, machine), machines)


def _wait_for(context: Context, provider: Provider, machine: Machine, wanted: State) -> Machine:
    def probe() -> Machine | None:
        now = provider.get(machine.id)
        return now if now.state is wanted else None

    reached = context.waiter.until(probe, STATE_TIMEOUT)
    if reached is None:
        raise Unreachable(
            f"{machine.name} is not {wanted} after {STATE_TIMEOUT:.0f} s", "", "ask again with `gpucloud ls`"
        )
    return reached
