"""Stop, start, and wait for what the cloud has accepted."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

from gpucloud.errors import Unreachable
from gpucloud.machine import Machine, State
from gpucloud.ops.context import Context
from gpucloud.progress import Status
from gpucloud.providers.base import Provider

STATE_TIMEOUT = 900.0
"""Seconds for a change of state. EC2 starts in under a minute; a large GPU instance may take ten to stop."""


def wait_until_running(context: Context, provider: Provider, machine_id: str, name: str) -> Machine:
    """The machine once it runs and has an address. Raises Unreachable if that never happens."""
    context.tell(name, "boot", Status.START)

    def probe() -> Machine | None:
        machine = provider.get(machine_id)
        if machine.state in (State.STOPPED, State.TERMINATING):
            raise Unreachable(f"{name} went to {machine.state} instead of running", provider.console(machine_id)[-300:])
        return machine if machine.state is State.RUNNING and machine.address else None

    machine = context.waiter.until(probe, STATE_TIMEOUT)
    if machine is None:
        raise Unreachable(f"{name} is not running after {STATE_TIMEOUT:.0f} s", "", "see the cloud's status page")
    context.tell(name, "boot", Status.DONE, f"{machine.zone or machine.region}, {machine.address}")
    return machine


def start(context: Context, machine: Machine) -> Machine:
    """Start the machine and wait until it runs; its address is a new one. Raises CapacityError."""
    provider = context.provider(machine.cloud, machine.region)
    if machine.state is State.STOPPING:
        _wait_for(context, provider, machine, State.STOPPED)
    context.tell(machine.name, "start", Status.START)
    provider.start(machine.id)
    context.tell(machine.name, "start", Status.DONE)
    return wait_until_running(context, provider, machine.id, machine.name)


def stop(context: Context, machine: Machine) -> Machine:
    """Stop compute billing and wait until that is so."""
    provider = context.provider(machine.cloud, machine.region)
    context.tell(machine.name, "stop", Status.START)
    provider.stop(machine.id)
    stopped = _wait_for(context, provider, machine, State.STOPPED)
    context.tell(machine.name, "stop", Status.DONE, "compute billing has stopped; the disk still costs")
    return stopped


def each(action: Callable[[Context, Machine], Machine], context: Context, machines: Sequence[Machine]) -> list[Machine]:
    """Do it to every machine at once."""
    with ThreadPoolExecutor(min(len(machines), 16)) as pool:
        return list(pool.map(lambda machine: action(context, machine), machines))


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
