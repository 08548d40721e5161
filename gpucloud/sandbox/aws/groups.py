"""Security groups and interfaces. moto deletes what is in use, and makes a group without a VPC."""

from __future__ import annotations

from moto.core.responses import ActionResult

from gpucloud.sandbox.aws.base import Sandboxed
from gpucloud.sandbox.aws.wire import ApiError


class Groups(Sandboxed):
    def create_security_group(self) -> ActionResult:
        if not self._get_param("VpcId") and self.ec2_backend.get_default_vpc() is None:
            raise ApiError("VPCIdNotSpecified", "No default VPC for this user.")
        return super().create_security_group()

    def delete_security_group(self) -> ActionResult:
        backend, wanted = self.ec2_backend, self._get_param("GroupId") or self._get_param("GroupName")
        group = backend.get_security_group_by_name_or_id(wanted)
        if group is not None:
            self._check_unused(group)
        return super().delete_security_group()

    def delete_network_interface(self) -> ActionResult:
        wanted = self._get_param("NetworkInterfaceId")
        interface = self.ec2_backend.enis.get(wanted)
        if interface is not None and interface.attachment_id:
            raise ApiError("InvalidParameterValue", f"Network interface '{wanted}' is currently in use.")
        return super().delete_network_interface()

    def _check_unused(self, group: object) -> None:
        interfaces = self.ec2_backend.enis.values()
        if getattr(group, "name", "") == "default":
            raise ApiError("CannotDelete", "the specified group cannot be deleted by a user")
        # An interface lives until its instance has ended, so this covers every instance that is not yet terminated.
        if any(group in interface.group_set for interface in interfaces):
            raise ApiError("DependencyViolation", f"resource {getattr(group, 'id', '')} has a dependent object")
