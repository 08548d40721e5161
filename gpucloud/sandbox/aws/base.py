"""What every override of moto's EC2 responses shares."""

from __future__ import annotations

from moto.ec2.responses import EC2Response

from gpucloud.sandbox.aws.instance import TimedInstance
from gpucloud.sandbox.aws.lifecycle import Lifecycle
from gpucloud.sandbox.aws.wire import ApiError
from gpucloud.sandbox.aws.world import World


class Sandboxed(EC2Response):
    """moto's EC2 with our world in reach. The overrides below it each close one gap and then call moto."""

    world: World
    life: Lifecycle

    def instances_named(self) -> list[TimedInstance]:
        """The instances of the call's InstanceIds. Raises InvalidInstanceID.NotFound, and .Malformed."""
        wanted = self._get_param("InstanceIds", [])
        for instance_id in wanted:
            if not instance_id.startswith("i-"):
                raise ApiError("InvalidInstanceID.Malformed", f'Invalid id: "{instance_id}"')
        return list(self.ec2_backend.get_multi_instances_by_id(wanted))

    def alive(self) -> list[TimedInstance]:
        """Every instance of the region that has not ended."""
        reservations = self.ec2_backend.reservations.values()
        return [instance for reservation in reservations for instance in reservation.instances if not instance.gone]

    def error_on_dryrun(self) -> None:
        """moto answers 400; EC2 answers 412."""
        if self._get_param("DryRun", False):
            raise ApiError("DryRunOperation", "Request would have succeeded, but DryRun flag is set.", 412)

    def tag_specification(self, kind: str) -> dict[str, str]:
        tags: dict[str, dict[str, str]] = self._parse_tag_specification()
        return tags.get(kind, {})
