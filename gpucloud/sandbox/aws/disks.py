"""Volumes of a new instance. moto forgets the image's own disk, sizes below its snapshot, IOPS and throughput."""

from __future__ import annotations

from typing import Any

from moto.core.responses import ActionResult

from gpucloud.sandbox.aws.base import Sandboxed
from gpucloud.sandbox.aws.wire import ApiError

GP3_IOPS, GP3_THROUGHPUT = 3000, 125  # baseline of gp3, MiB/s (EBS user guide, "General Purpose SSD volumes")


class Disks(Sandboxed):
    def run_instances(self) -> ActionResult:
        result = super().run_instances()
        asked = {item["DeviceName"]: item.get("Ebs", {}) for item in self._get_param("BlockDeviceMappings", [])}
        for instance in result.result.instances:  # type: ignore[attr-defined]
            for device, attached in instance.get_block_device_mapping:
                volume, ebs = self.ec2_backend.get_volume(attached.volume_id), asked.get(device, {})
                if volume.volume_type == "gp3":
                    volume.iops = int(ebs.get("Iops") or GP3_IOPS)
                    volume.throughput = int(ebs.get("Throughput") or GP3_THROUGHPUT)
        return result

    def _parse_block_device_mapping(self) -> list[dict[str, Any]]:
        """The asked devices over the image's: what the call leaves out is as the image says."""
        image = self.ec2_backend.amis[self._get_param("ImageId")]
        devices = {item["DeviceName"]: dict(item["Ebs"]) for item in image.block_device_mappings}
        for item in self._get_param("BlockDeviceMappings", []):
            given = {key: value for key, value in item.get("Ebs", {}).items() if value is not None}
            devices[item["DeviceName"]] = {
                "DeleteOnTermination": True,
                **devices.get(item["DeviceName"], {}),
                **given,
            }
        for name, ebs in devices.items():
            self._check(name, ebs)
        return [{"DeviceName": name, "Ebs": ebs} for name, ebs in devices.items()]

    def _check(self, name: str, ebs: dict[str, Any]) -> None:
        if "VolumeSize" not in ebs:
            raise ApiError("MissingParameter", "The request must contain the parameter size or snapshotId")
        ebs["VolumeSize"] = int(ebs["VolumeSize"])
        if not (snapshot_id := ebs.get("SnapshotId")):
            return
        least = int(self.ec2_backend.get_snapshot(snapshot_id).volume.size)
        if ebs["VolumeSize"] < least:
            raise ApiError(
                "InvalidBlockDeviceMapping",
                f"Volume of size {ebs['VolumeSize']}GB is smaller than snapshot '{snapshot_id}', "
                f"expect size >= {least}GB",
            )
