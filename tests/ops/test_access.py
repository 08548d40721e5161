"""Waiting for a machine's first login, against ports on which nothing answers."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import pytest

from gpucloud.config import Config
from gpucloud.errors import NotFound, Unreachable
from gpucloud.keys import new_keypair
from gpucloud.machine import Machine, State
from gpucloud.ops import access
from gpucloud.ops.context import Context
from gpucloud.providers.base import Provider
from gpucloud.state import State as LocalState
from gpucloud.waiting import Waiter


def machine(state: State, address: str | None = "127.0.0.1") -> Machine:
    # Port 1 (tcpmux) refuses at once on any ordinary machine.
    return Machine("i-1", "box", "r1", "aws", "us-east-1", "us-east-1a", "g4dn.xlarge", state, address, ssh_port=1)


class Now:
    """A provider that says of the machine what it is told to."""

    def __init__(self, answer: Machine | None) -> None:
        self.answer = answer

    def get(self, machine_id: str) -> Machine:
        if self.answer is None:
            raise NotFound("no machine i-1")
        return self.answer

    def console(self, machine_id: str) -> str:
        return "kernel panic"


@pytest.fixture
def context(tmp_path: Path, waiter: Waiter) -> Context:
    state = LocalState(tmp_path)
    login, host = new_keypair(), new_keypair()
    state.save_identity("r1", login.private.reveal(), host.public)
    return Context(Config(), state, {}, lambda event: None, waiter=waiter)


def first_login(context: Context, now: Machine | None) -> None:
    provider: Any = Now(now)
    access.first_login(context, cast(Provider, provider), machine(State.RUNNING))


def test_a_machine_that_ended_while_it_booted_is_not_waited_for(context: Context) -> None:
    with pytest.raises(Unreachable, match="box is gone"):
        first_login(context, None)
    assert context.waiter.clock() < access.BOOT_TIMEOUT / 2


def test_a_machine_that_stopped_while_it_booted_shows_its_boot_log(context: Context) -> None:
    with pytest.raises(Unreachable, match="stopping while it booted: kernel panic"):
        first_login(context, machine(State.STOPPING))


def test_a_machine_that_never_lets_us_in_is_given_up(context: Context) -> None:
    with pytest.raises(Unreachable, match="did not let us in within 600 s"):
        first_login(context, machine(State.RUNNING))
    assert context.waiter.clock() >= access.BOOT_TIMEOUT


def test_a_stopped_machine_has_no_address_and_a_remedy() -> None:
    with pytest.raises(Unreachable, match="has no address") as caught:
        access.address_of(machine(State.STOPPED, None))
    assert caught.value.remedy == "start it with `gpucloud start box`"


@pytest.mark.parametrize("state", [State.STOPPED, State.HALTED])
def test_a_machine_at_rest_is_not_called_even_where_it_keeps_its_address(state: State) -> None:
    with pytest.raises(Unreachable, match=f"does not run: it is {state}"):
        access.address_of(machine(state))
