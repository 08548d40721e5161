"""What a call does not see: what was made a moment ago (eventual consistency), and a default VPC that is not there."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from gpucloud.sandbox.aws.instance import now
from gpucloud.sandbox.aws.wire import Call
from gpucloud.sandbox.aws.world import World


@contextmanager
def veiled(world: World, backend: Any, call: Call) -> Iterator[None]:
    """Take from the backend what the call must not see, and put it back afterwards. The world's lock is held."""
    with ExitStack() as stack:
        if world.shared.scenario.no_default_vpc and (vpc := backend.get_default_vpc()):
            stack.enter_context(_hidden(backend.vpcs, {vpc.id}))
            stack.enter_context(_hidden(backend.groups, {vpc.id}))
            for zone in backend.subnets.values():
                stack.enter_context(_hidden(zone, {s.id for s in zone.values() if s.vpc_id == vpc.id}))
        if world.shared.scenario.consistency_lag and call.action.startswith("Describe"):
            births = world.book.births.get(call.region, {})
            young = {key for key, born in births.items() if now() - born < world.shared.scenario.consistency_lag}
            for store in _stores(backend):
                stack.enter_context(_hidden(store, young))
        yield


def note_births(world: World, backend: Any) -> None:
    """Remember since when each resource of a region exists. Called after each call that changes something."""
    before = world.book.births.get(backend.region_name, {})
    world.book.births[backend.region_name] = {key: before.get(key, now()) for s in _stores(backend) for key in s}


def _stores(backend: Any) -> list[dict[str, Any]]:
    """Where moto keeps what the lag hides; a reservation's key stands for its instances."""
    return [backend.reservations, backend.volumes, backend.enis, *backend.groups.values()]


@contextmanager
def _hidden(store: dict[str, Any], keys: set[str]) -> Iterator[None]:
    taken = {key: store.pop(key) for key in list(store) if key in keys}
    try:
        yield
    finally:
        store.update(taken)
