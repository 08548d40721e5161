"""The public images, which moto does not have: Ubuntu and the Deep Learning AMIs, by id and by SSM parameter."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from moto.ec2.models.amis import Ami

CANONICAL = "099720109477"  # Canonical's account
AMAZON = "898082745236"  # the account of the Deep Learning AMIs
BUILT = datetime(2026, 10, 15, tzinfo=UTC)


@dataclass(frozen=True)
class PublicImage:
    """One published image. `size` is that of its snapshot in GiB, below which no root volume can be made."""

    parameter: str
    name: str
    owner: str
    os: str
    arch: str
    size: int
    volume_type: str

    def id(self, region: str) -> str:
        """The image's id, which differs from region to region and never changes."""
        return "ami-" + hashlib.sha256(f"{region}/{self.name}".encode()).hexdigest()[:17]


def _ubuntu(version: str, series: str, arch: str, disk: str) -> PublicImage:
    suffix = "-gp3" if disk == "gp3" else ""
    return PublicImage(
        parameter=f"/aws/service/canonical/ubuntu/server/{version}/stable/current/{arch}/hvm/ebs-{disk}/ami-id",
        name=f"ubuntu/images/hvm-ssd{suffix}/ubuntu-{series}-{version}-{arch}-server-{BUILT:%Y%m%d}",
        owner=CANONICAL,
        os=f"ubuntu-{version}",
        arch={"amd64": "x86_64"}.get(arch, arch),
        size=8,
        volume_type=disk,
    )


def _deep_learning(stack: str, title: str, version: str, arch: str, size: int) -> PublicImage:
    prefix = "ARM64 " if arch == "arm64" else ""
    return PublicImage(
        parameter=f"/aws/service/deeplearning/ami/{arch}/{stack}-ubuntu-{version}/latest/ami-id",
        name=f"Deep Learning {prefix}{title} (Ubuntu {version}) {BUILT:%Y%m%d}",
        owner=AMAZON,
        os=f"ubuntu-{version}",
        arch=arch,
        size=size,
        volume_type="gp3",
    )


IMAGES = [
    *(_ubuntu("22.04", "jammy", arch, "gp2") for arch in ("amd64", "arm64")),
    *(_ubuntu("24.04", "noble", arch, "gp3") for arch in ("amd64", "arm64")),
    *(
        _deep_learning("base-oss-nvidia-driver-gpu", "Base OSS Nvidia Driver GPU AMI", version, arch, 45)
        for version in ("22.04", "24.04")
        for arch in ("x86_64", "arm64")
    ),
    *(
        _deep_learning(
            "oss-nvidia-driver-gpu-pytorch-2.12", "OSS Nvidia Driver AMI GPU PyTorch 2.12", "24.04", arch, 75
        )
        for arch in ("x86_64", "arm64")
    ),
]


class RegisteredImage(Ami):
    """A public image as EC2 describes it; moto says 15 GiB and `standard` of every image."""

    def __init__(self, backend: Any, image: PublicImage) -> None:
        super().__init__(
            backend,
            image.id(backend.region_name),
            name=image.name,
            description=f"[simulated] {image.name}",
            owner_id=image.owner,
            owner_alias="amazon",
            public=True,
            virtualization_type="hvm",
            architecture=image.arch,
            hypervisor="xen",
            image_location=f"{image.owner}/{image.name}",
            root_device_type="ebs",
            root_device_name="/dev/sda1",
            region_name=f"{backend.region_name}a",
            creation_date=BUILT,
        )
        self.os, self.size, self.volume_type = image.os, image.size, image.volume_type
        self.ebs_snapshot.volume.size = image.size

    @property
    def block_device_mappings(self) -> list[dict[str, Any]]:
        ebs = {
            "SnapshotId": self.ebs_snapshot.id,
            "VolumeSize": self.size,
            "DeleteOnTermination": True,
            "VolumeType": self.volume_type,
            "Encrypted": False,
        }
        return [{"DeviceName": self.root_device_name, "Ebs": ebs}]


def register(backend: Any) -> None:
    """Publish the images in the region of `backend`."""
    for image in IMAGES:
        registered = RegisteredImage(backend, image)
        backend.amis[registered.id] = registered
