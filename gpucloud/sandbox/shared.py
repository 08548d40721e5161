"""What the clouds of one sandbox have in common: the scenario, the guests, the clock, the lock and the call log."""

from __future__ import annotations

import random
import socket
import time
from collections.abc import Callable
from threading import RLock

from gpucloud.sandbox.calls import Call, CallLog
from gpucloud.sandbox.guests import Guests
from gpucloud.sandbox.scenario import Scenario
from gpucloud.sandbox.timers import Chores, Timers


class Shared:
    """One per daemon. Whoever reads or changes a cloud's state holds `lock`.

    `addresses` are functions that name the guest addresses which a cloud has given out.
    """

    def __init__(self, scenario: Scenario, guests: Guests, ssh_port: int, mirror_url: str) -> None:
        self.scenario, self.guests = scenario, guests
        self.ssh_port, self.mirror_url = ssh_port, mirror_url
        self.lock = RLock()
        self.log, self.timers, self.chores = CallLog(), Timers(), Chores()
        self.addresses: list[Callable[[], set[str]]] = []

    def new_address(self) -> str:
        """A loopback address 127.77.x.y on which nobody listens at the guests' SSH port.

        Random, because the sandboxes of several state directories share the host's loopback network.
        """
        taken = {address for cloud in self.addresses for address in cloud()}
        while True:
            address = f"127.77.{random.randint(0, 255)}.{random.randint(1, 254)}"
            if address not in taken and _free(address, self.ssh_port):
                return address

    def begin(self, call: Call) -> int:
        """Count a call and spend its latency; returns its number among the calls of its action, from 1."""
        number = self.log.begin(call)
        if delay := self.scenario.latency(call.action):
            time.sleep(delay)  # the latency that the scenario asks for, not a wait for something
        return number

    def clear(self) -> None:
        """Forget every guest, everything that is still to happen, and the calls. Not called with the lock held."""
        self.timers.clear()
        # Guests are destroyed without the lock: work that is under way on them may need it to report.
        self.chores.drain()
        for guest in self.guests.list():
            self.guests.destroy(guest)
        self.log.clear()

    def close(self) -> None:
        """Stop the clock and the guests."""
        self.timers.close()
        self.chores.close()
        self.guests.close()


def _free(address: str, port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address, port))
        except OSError:
            return False
    return True
