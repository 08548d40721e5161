"""Changes of state by API call. moto changes at once, restarts the dead and leaks interfaces on terminate."""

from __future__ import annotations

from typing import Any

from moto.core.responses import ActionResult, EmptyResult
from moto.core.utils import utcnow

from gpucloud.sandbox.aws.admission import Admission
from gpucloud.sandbox.aws.instance import PENDING, RUNNING, SHUTTING_DOWN, STOPPED, STOPPING, TimedInstance, snapshot
from gpucloud.sandbox.aws.wire import ApiError


class Power(Admission):
    def run_instances(self) -> ActionResult:
        result = super().run_instances()
        for instance in result.result.instances:  # type: ignore[attr-defined]
            for interface in instance.nics.values():
                interface.add_tags(self.tag_specification("network-interface"))
            self.life.launched(instance)
        return result

    def start_instances(self) -> ActionResult:
        instances, changes = self.instances_named(), []
        for instance in instances:
            if instance.state_code not in (STOPPED, RUNNING, PENDING):
                raise _wrong_state(instance, "started")
        for instance in instances:
            before = snapshot(instance.instance_state)
            if instance.state_code == STOPPED:
                self.check_quota(instance.instance_type, instance.lifecycle == "spot", 1)
                self.check_capacity(instance.instance_type, [str(instance.placement.zone)])
                self.life.start(instance)
                instance.launch_time = utcnow()  # as EC2 does: it is the time of the last start
            changes.append(_change(instance, before))
        return ActionResult({"StartingInstances": changes})

    def stop_instances(self) -> ActionResult:
        instances, changes = self.instances_named(), []
        for instance in instances:
            if instance.state_code not in (RUNNING, STOPPING, STOPPED, PENDING):
                raise _wrong_state(instance, "stopped")
            if instance.lifecycle == "spot":
                raise ApiError(
                    "UnsupportedOperation",
                    f"You can't stop the Spot Instance '{instance.id}' because it is associated with a one-time Spot "
                    "Instance request. You can only stop Spot Instances associated with persistent Spot requests.",
                )
        for instance in instances:
            before = snapshot(instance.instance_state)
            if instance.state_code in (RUNNING, PENDING):
                self.life.stop(instance)
            changes.append(_change(instance, before))
        return ActionResult({"StoppingInstances": changes})

    def terminate_instances(self) -> ActionResult:
        instances, changes = self.instances_named(), []
        for instance in instances:
            if instance.disable_api_termination:
                raise ApiError(
                    "OperationNotPermitted",
                    f"The instance '{instance.id}' may not be terminated. Modify its 'disableApiTermination' instance "
                    "attribute and try again.",
                )
        for instance in instances:
            before = snapshot(instance.instance_state)
            if not instance.gone and instance.state_code != SHUTTING_DOWN:
                self.life.terminate(instance)
            changes.append(_change(instance, before))
        return ActionResult({"TerminatingInstances": changes})

    def reboot_instances(self) -> ActionResult:
        for instance in self.instances_named():
            if instance.state_code != RUNNING:
                raise _wrong_state(instance, "rebooted")
            self.life.reboot(instance)
        return EmptyResult()


def _change(instance: TimedInstance, before: dict[str, Any]) -> dict[str, Any]:
    return {"InstanceId": instance.id, "CurrentState": snapshot(instance.instance_state), "PreviousState": before}


def _wrong_state(instance: TimedInstance, verb: str) -> ApiError:
    return ApiError(
        "IncorrectInstanceState",
        f"The instance '{instance.id}' is not in a state from which it can be {verb}.",
    )
