"""How machines move through their states: by API call, by their own poweroff, and by the scenario's clock."""

from __future__ import annotations

import base64
from functools import partial
from typing import Any, Literal

from gpucloud.sandbox.aws import types
from gpucloud.sandbox.aws.instance import (
    FAILED,
    GUEST,
    PENDING,
    POWER_CUT,
    RUNNING,
    SHUTTING_DOWN,
    STOPPED,
    STOPPING,
    TERMINATED,
    USER,
    Reason,
    TimedInstance,
    now,
)
from gpucloud.sandbox.aws.world import World


class Lifecycle:
    """Moves instances, and the guests behind them. Every method is called with the world's lock held."""

    def __init__(self, world: World) -> None:
        self.world = world

    def launched(self, instance: TimedInstance) -> None:
        """A new instance: pending, then running; its guest boots when the scenario's SSH delay is over."""
        self._pass(instance, PENDING, self.world.shared.scenario.state_times.pending, RUNNING)
        self._later(instance, self._boot_time(), partial(self._create, instance))

    def start(self, instance: TimedInstance) -> None:
        for interface in instance.nics.values():
            interface.start()
        instance.state_reason, instance._reason = None, ""  # type: ignore[assignment]
        self._pass(instance, PENDING, self.world.shared.scenario.state_times.pending, RUNNING)
        self._later(instance, self._boot_time(), partial(self._boot, instance), failed_is=STOPPED)

    def stop(self, instance: TimedInstance, reason: Reason = USER) -> None:
        instance.explain(reason)
        self._pass(instance, STOPPING, self.world.shared.scenario.state_times.stopping, STOPPED)
        self._chore(instance, partial(self.world.shared.guests.stop, instance.id))

    def terminate(self, instance: TimedInstance, reason: Reason = USER) -> None:
        instance.explain(reason)
        instance.spot_status = "instance-terminated-by-user"
        self._pass(instance, SHUTTING_DOWN, self.world.shared.scenario.state_times.shutting_down, TERMINATED)
        self._chore(instance, partial(self.world.shared.guests.destroy, instance.id))

    def reboot(self, instance: TimedInstance) -> None:
        self._chore(instance, partial(self.world.shared.guests.reboot, instance.id))

    def on_power(self, instance_id: str, what: Literal["poweroff", "reboot"]) -> None:
        """A guest switched itself off: its instance stops or ends, as its shutdown behaviour says."""
        with self.world.shared.lock:
            instance = self.world.find(instance_id)
            if what == "reboot" or instance is None or instance.state_code not in (PENDING, RUNNING):
                return
            ends = instance.instance_initiated_shutdown_behavior == "terminate"
            (self.terminate if ends else self.stop)(instance, GUEST)
            self.world.save()

    def restore(self) -> None:
        """After a restart of the daemon: a power cut. What ran is stopped; what lost its guest's files is gone."""
        kept = {guest for guest in self.world.shared.guests.list() if guest.startswith("i-")}
        for instance in self.world.instances():
            if instance.gone or instance.state_code == SHUTTING_DOWN:
                self.world.shared.guests.destroy(instance.id)
                if not instance.gone:
                    instance.settle(TERMINATED)
            elif instance.id not in kept:
                instance.explain(FAILED)
                instance.settle(TERMINATED)
            elif instance.state_code != STOPPED:
                instance.explain(POWER_CUT)
                instance.settle(STOPPED)
        for stray in kept - {instance.id for instance in self.world.instances()}:
            self.world.shared.guests.destroy(stray)

    def _pass(self, instance: TimedInstance, through: int, seconds: float, to: int) -> None:
        due = (now() + seconds, to)
        instance.enter(through, due)
        self.world.shared.timers.at(due[0], partial(self._arrive, instance, due))

    def _arrive(self, instance: TimedInstance, due: tuple[float, int]) -> None:
        """The time in a passing state is over; it ends when the work on the guest that was asked before is done."""
        if due[1] in (STOPPED, TERMINATED):
            self._chore(instance, partial(self._settle, instance, due))
        else:
            self._settle(instance, due)

    def _settle(self, instance: TimedInstance, due: tuple[float, int]) -> None:
        with self.world.shared.lock:
            # Another change overtook this one when the instance is due for something else.
            if instance.due == due:
                instance.settle(due[1])
                self.world.save()

    def _boot_time(self) -> float:
        scenario = self.world.shared.scenario
        return scenario.state_times.pending + scenario.ssh_delay if scenario.ssh_delay else 0.0

    def _create(self, instance: TimedInstance) -> None:
        world = self.world
        if instance.public_ip is None or instance.state_code not in (PENDING, RUNNING):
            return
        world.shared.guests.create(
            instance.id,
            instance.public_ip,
            world.shared.ssh_port,
            base64.b64decode(str(instance.user_data or "")),
            self.hardware(instance),
            self.on_power,
        )

    def _boot(self, instance: TimedInstance) -> None:
        if instance.public_ip and instance.state_code in (PENDING, RUNNING):
            self.world.shared.guests.start(instance.id, instance.public_ip)

    def hardware(self, instance: TimedInstance) -> dict[str, Any]:
        """The simulated hardware of the guest, as its hardware.json says it."""
        scenario, image = self.world.shared.scenario, instance.ec2_backend.amis.get(instance.image_id)
        return {
            "instance_id": instance.id,
            "instance_type": instance.instance_type,
            "cloud": "aws",
            "os": getattr(image, "os", "ubuntu-22.04"),
            "kernel": "6.8.0-1035-aws",
            "pending_kernel": "",
            "fault": scenario.fault,
            "latency": {"boot": scenario.boot, **scenario.install},
            "gpus": types.gpus(instance.instance_type, instance.id),
            "mirror": self.world.shared.mirror_url,
        }

    def _later(self, instance: TimedInstance, seconds: float, chore: Any, failed_is: int = TERMINATED) -> None:
        if seconds:
            self.world.shared.timers.at(now() + seconds, partial(self._chore, instance, chore, failed_is))
        else:
            self._chore(instance, chore, failed_is)

    def _chore(self, instance: TimedInstance, chore: Any, failed_is: int = STOPPED) -> None:
        self.world.shared.chores.add(instance.id, chore, partial(self._failed, instance, failed_is))

    def _failed(self, instance: TimedInstance, failed_is: int, error: Exception) -> None:
        """As in EC2, a machine that cannot be made ends, and one that cannot be booted again is stopped."""
        with self.world.shared.lock:
            if instance.state_code not in (PENDING, RUNNING):
                return
            reason = (FAILED[0], f"Server.InternalError: {error} [simulated]")
            (self.terminate if failed_is == TERMINATED else self.stop)(instance, reason)
            self.world.save()
