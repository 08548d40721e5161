"""From the name of an image to its id, and to what a root volume must know about it."""

from __future__ import annotations

from dataclasses import dataclass

from gpucloud.errors import ConfigError, NotFound
from gpucloud.providers.aws.clients import Clients
from gpucloud.providers.aws.errors import translated

CANONICAL = "/aws/service/canonical/ubuntu/server"
DEEP_LEARNING = "/aws/service/deeplearning/ami"

PARAMETERS = {
    ("ubuntu-22.04", "x86_64"): f"{CANONICAL}/22.04/stable/current/amd64/hvm/ebs-gp2/ami-id",
    ("ubuntu-22.04", "arm64"): f"{CANONICAL}/22.04/stable/current/arm64/hvm/ebs-gp2/ami-id",
    ("ubuntu-24.04", "x86_64"): f"{CANONICAL}/24.04/stable/current/amd64/hvm/ebs-gp3/ami-id",
    ("ubuntu-24.04", "arm64"): f"{CANONICAL}/24.04/stable/current/arm64/hvm/ebs-gp3/ami-id",
    ("dlami", "x86_64"): f"{DEEP_LEARNING}/x86_64/base-oss-nvidia-driver-gpu-ubuntu-22.04/latest/ami-id",
    # Arm types have no torch of ours (see catalog/stack.py): theirs is the image that brings one.
    ("dlami", "arm64"): f"{DEEP_LEARNING}/arm64/oss-nvidia-driver-gpu-pytorch-2.12-ubuntu-24.04/latest/ami-id",
}
"""(alias, CPU architecture) → public SSM parameter that holds the newest id. Sources: Canonical's and AWS's pages on
finding images by parameter; note that Ubuntu 24.04 is published under gp3 and 22.04 under gp2."""

ALIASES = tuple(dict.fromkeys(alias for alias, _ in PARAMETERS))

ROOT_DEVICE = "/dev/sda1"
"""Root device of every image that Canonical and the Deep Learning team publish for Ubuntu."""
CANONICAL_GB = 8
"""Size of the snapshot in Canonical's server images: known, so that nothing has to be asked for the usual images."""


@dataclass(frozen=True)
class Image:
    """An image: its root device, and the least size in GB that its root volume can have."""

    id: str
    root_device: str = ROOT_DEVICE
    least_gb: int = CANONICAL_GB


def image_id(clients: Clients, region: str, name: str, cpu_arch: str) -> str:
    """The id of an image alias or id. One SSM call for an alias, none for an id.

    Raises ConfigError for a name that is neither, NotFound if the region has no such image.
    """
    if name.startswith("ami-"):
        return name
    if (name, cpu_arch) not in PARAMETERS:
        raise ConfigError(f"no image called {name!r} for {cpu_arch}", f"known are {', '.join(ALIASES)} and ami-…")
    with translated(f"find the image {name} in {region}"):
        answer = clients.client("ssm", region).get_parameter(Name=PARAMETERS[name, cpu_arch])
    return str(answer["Parameter"]["Value"])


def image(clients: Clients, region: str, name: str, found: str) -> Image:
    """What is known of image `found`, called `name`. One DescribeImages, except for Canonical's.

    Raises NotFound if the region has no such image.
    """
    if name.startswith("ubuntu-"):
        return Image(found)
    with translated(f"find the image {found} in {region}"):
        images = clients.ec2(region).describe_images(ImageIds=[found])["Images"]
    if not images:
        raise NotFound(f"no image {found} in {region}", "", "images belong to one region: check the id and `--region`")
    root = images[0]["RootDeviceName"]
    sizes = [
        device["Ebs"].get("VolumeSize", 0)
        for device in images[0]["BlockDeviceMappings"]
        if device["DeviceName"] == root and "Ebs" in device
    ]
    return Image(found, root, max(sizes, default=0))
