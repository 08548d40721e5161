"""An EC2 instance that passes through its states in time. moto's own instances are in the final state at once."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from moto.ec2.models import elastic_network_interfaces, instances
from moto.ec2.models.instances import Instance, InstanceState, StateReason

PENDING, RUNNING, SHUTTING_DOWN, TERMINATED, STOPPING, STOPPED = 0, 16, 32, 48, 64, 80
NAMES = {
    PENDING: "pending",
    RUNNING: "running",
    SHUTTING_DOWN: "shutting-down",
    TERMINATED: "terminated",
    STOPPING: "stopping",
    STOPPED: "stopped",
}
USER = ("Client.UserInitiatedShutdown", "Client.UserInitiatedShutdown: User initiated shutdown")
GUEST = ("Client.InstanceInitiatedShutdown", "Client.InstanceInitiatedShutdown: Instance initiated shutdown")
FAILED = ("Server.InternalError", "Server.InternalError: Internal error on launch [simulated]")
POWER_CUT = ("Server.ScheduledStop", "Server.ScheduledStop: the sandbox was restarted [simulated]")

Reason = tuple[str, str]


class TimedInstance(Instance):
    """One instance. `due` is the unix time of its next change of state and the code it changes to, or None."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.due: tuple[float, int] | None = None
        self.state_reason = None  # type: ignore[assignment]  # EC2 leaves it out while there is nothing to say
        self.spot_instance_request_id: str | None = None
        self.spot_status = "fulfilled"
        # moto leaves these empty or wrong when the groups come with the network interface, or no token was sent.
        self.security_groups = self.security_groups or list(self.nics[0]._group_set)
        for interface in self.nics.values():
            interface.delete_on_termination = True

    def enter(self, code: int, due: tuple[float, int] | None = None) -> None:
        self._state, self.due = InstanceState(NAMES[code], code), due

    def explain(self, reason: Reason) -> None:
        """Say why the instance stops or ends, in the API's words."""
        word = "User" if reason is USER else "Server" if reason[0].startswith("Server") else "Instance"
        self._reason = f"{word} initiated ({datetime.now(UTC):%Y-%m-%d %H:%M:%S} GMT)"
        self.state_reason = StateReason(message=reason[1], code=reason[0])

    def settle(self, code: int) -> None:
        """Do what moto does at once on reaching the state: addresses, volumes, interfaces."""
        reason, words = self.state_reason, self._reason
        if code == STOPPED:
            self.stop()
        elif code == TERMINATED:
            self.terminate()
            self.security_groups = []
        if code in (STOPPED, TERMINATED):
            self.state_reason, self._reason = reason, words
        self.enter(code)

    @property
    def gone(self) -> bool:
        return self.state_code == TERMINATED

    @property
    def network_interfaces(self) -> list[Any]:
        return [] if self.gone else list(self.nics.values())

    @property
    def private_ip_address(self) -> str | None:
        return None if self.gone else super().private_ip_address

    @property
    def vpc_id(self) -> str | None:
        return None if self.gone else super().vpc_id

    @property
    def subnet_id(self) -> str | None:
        return None if self.gone and self.nics else super().subnet_id


def install(new_address: Callable[[], str]) -> None:
    """Make moto use these instances and take public addresses from `new_address`."""
    instances.Instance = TimedInstance  # type: ignore[misc]
    elastic_network_interfaces.random_public_ip = new_address  # type: ignore[attr-defined]


def snapshot(state: InstanceState) -> dict[str, Any]:
    """A copy of a state for a reply, which the next change does not touch."""
    return {"Code": state.code, "Name": state.name}


def now() -> float:
    """Unix time, in seconds."""
    return time.time()
