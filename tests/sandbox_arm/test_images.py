"""Images: the marketplace's catalogue, and own ones."""

from __future__ import annotations

import pytest

from tests.sandbox_arm.machines import body, machine, nic, os_disk
from tests.sandbox_arm.support import GROUP, LOCATION, Arm, refused

pytestmark = pytest.mark.slow

CANONICAL = ("Canonical", "0001-com-ubuntu-server-jammy", "22_04-lts-gen2")


def test_the_newest_version_comes_first_when_asked_for(arm: Arm) -> None:
    images = arm.compute.virtual_machine_images
    (newest,) = images.list(LOCATION, *CANONICAL, top=1, orderby="name desc")
    assert newest.name == "22.04.202610150"
    assert len(images.list(LOCATION, *CANONICAL)) == 3


@pytest.mark.parametrize(
    ("urn", "generation", "architecture", "features"),
    [
        (CANONICAL, "V2", "x64", True),
        (("canonical", "UBUNTU-24_04-lts", "server"), "V2", "x64", True),
        (("Canonical", "ubuntu-24_04-lts", "server-arm64"), "V2", "Arm64", False),
        (("Canonical", "0001-com-ubuntu-server-jammy", "22_04-lts"), "V1", "x64", False),
        (("microsoft-dsvm", "ubuntu-hpc", "2204-v100"), "V2", "x64", False),
    ],
)
def test_an_image_says_what_it_fits(
    arm: Arm, urn: tuple[str, str, str], generation: str, architecture: str, features: bool
) -> None:
    images = arm.compute.virtual_machine_images
    image = images.get(LOCATION, *urn, images.list(LOCATION, *urn)[-1].name)
    assert (image.properties.hyper_v_generation, image.properties.architecture) == (generation, architecture)
    assert ("SecurityType" in [feature.name for feature in image.properties.features]) is features
    assert image.properties.os_disk_image.operating_system == "Linux"


def test_the_catalogue_can_be_walked(arm: Arm) -> None:
    images = arm.compute.virtual_machine_images
    assert {"Canonical", "microsoft-dsvm"} <= {each.name for each in images.list_publishers(LOCATION)}
    assert [each.name for each in images.list_offers(LOCATION, "microsoft-dsvm")] == ["ubuntu-hpc"]
    assert [each.name for each in images.list_skus(LOCATION, "microsoft-dsvm", "ubuntu-hpc")] == [
        "2204",
        "2204-v100",
        "2404",
    ]


def test_what_is_not_published_is_not_found(arm: Arm) -> None:
    images = arm.compute.virtual_machine_images
    with refused("NotFound", 404):
        images.list(LOCATION, "Canonical", "UbuntuServer", "18.04-LTS")
    with refused("NotFound", 404):
        images.get(LOCATION, *CANONICAL, "latest")


def _image(arm: Arm, name: str = "own") -> str:
    vm = machine(arm, "source")
    arm.compute.virtual_machines.begin_deallocate(GROUP, "source").result()
    arm.compute.virtual_machines.generalize(GROUP, "source")
    document = {"location": LOCATION, "properties": {"sourceVirtualMachine": {"id": vm.id}, "hyperVGeneration": "V2"}}
    return str(arm.compute.images.begin_create_or_update(GROUP, name, document).result().id)


def test_a_vm_can_be_made_of_an_own_image(arm: Arm) -> None:
    own = _image(arm)
    vm = machine(arm, storageProfile={"imageReference": {"id": own}, "osDisk": os_disk()})
    assert vm.properties.storage_profile.image_reference.id == own
    assert arm.compute.virtual_machines.get(GROUP, "vm").properties.provisioning_state == "Succeeded"


def test_an_own_image_must_exist_and_be_smaller_than_the_disk(arm: Arm) -> None:
    own, reference = _image(arm), nic(arm)
    machines = arm.compute.virtual_machines
    for image, size, code in ((f"{own}x", 64, "NotFound"), (own, 32, "OperationNotAllowed")):
        profile = {"imageReference": {"id": image}, "osDisk": os_disk(diskSizeGB=size)}
        with refused(code):
            machines.begin_create_or_update(GROUP, "vm", body(reference, storageProfile=profile))


def test_a_gallery_serves_its_highest_version_or_a_certain_one(arm: Arm) -> None:
    own, compute = _image(arm), arm.compute
    compute.galleries.begin_create_or_update(GROUP, "gallery", {"location": LOCATION}).result()
    definition = {
        "osType": "Linux",
        "osState": "Generalized",
        "hyperVGeneration": "V2",
        "identifier": {"publisher": "me", "offer": "mine", "sku": "one"},
    }
    images = compute.gallery_images
    made = images.begin_create_or_update(
        GROUP, "gallery", "image", {"location": LOCATION, "properties": definition}
    ).result()
    version = {"location": LOCATION, "properties": {"storageProfile": {"source": {"id": own}}}}
    for number in ("1.9.0", "1.10.0"):
        compute.gallery_image_versions.begin_create_or_update(GROUP, "gallery", "image", number, version).result()
    vm = machine(arm, storageProfile={"imageReference": {"id": made.id}, "osDisk": os_disk()})
    assert vm.properties.storage_profile.image_reference.exact_version == "1.10.0"
    certain = {"imageReference": {"id": f"{made.id}/versions/1.9.0"}, "osDisk": os_disk()}
    assert machine(arm, "certain", storageProfile=certain).properties.storage_profile.image_reference.exact_version
    with refused("CannotDeleteResource", 409):
        compute.galleries.begin_delete(GROUP, "gallery")
