"""What Azure says of an image, and whether a size boots it."""

from __future__ import annotations

import pytest

from gpucloud.machine import Spec
from gpucloud.providers.azure import images, preflight
from gpucloud.providers.azure.images import Image
from gpucloud.providers.azure.skus import Sku


@pytest.mark.parametrize(
    ("size", "image", "controller"),
    [("SCSI,NVMe", "SCSI, NVMe", "SCSI"), ("NVMe", "SCSI, NVMe", "NVMe"), ("", "", "SCSI"), ("NVMe", "", None)],
)
def test_a_size_boots_from_the_controllers_that_it_shares_with_the_image(
    size: str, image: str, controller: str | None
) -> None:
    """The newest GPU sizes have NVMe only, and an image must say that it boots from that."""
    kind = Sku("Standard_X_v6", "X", (), (), {"HyperVGenerations": "V2", "DiskControllerTypes": size, "vCPUs": "1"})
    picture = Image({}, 30, "V2", "x64", {"diskcontrollertypes": image})
    told = images.problems(picture, kind)
    if controller is None:
        assert told[0].why == "the image boots from scsi, and Standard_X_v6 has disks of nvme only"
    else:
        learnt = preflight._plan(Spec("one", "eastus", kind.name), kind, picture, "203.0.113.7/32", False)
        assert (told, learnt.disk_controller) == ([], controller)


def test_features_of_an_image_count_however_they_are_written() -> None:
    features = [
        {"name": "securityType", "value": "trustedLaunch"},
        {"name": "isAcceleratedNetworkSupported", "value": "true"},
    ]
    picture = images._described({}, {"hyperVGeneration": "V2", "features": features}, 30)
    assert (picture.trusted_launch, picture.fast_network) == (True, True)
