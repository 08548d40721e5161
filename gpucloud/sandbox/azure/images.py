"""Images: the marketplace's, by publisher, offer, SKU and version, and the subscription's own by id."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from gpucloud.sandbox.azure import places
from gpucloud.sandbox.azure.ids import ResourceId
from gpucloud.sandbox.azure.resources import ResourceType, Routes
from gpucloud.sandbox.azure.store import Resource
from gpucloud.sandbox.azure.wire import ArmError, Call, Reply
from gpucloud.sandbox.azure.world import AzureWorld

GIB = 1024**3
IMAGE, GALLERY = "Microsoft.Compute/images", "Microsoft.Compute/galleries"
DEFINITION, VERSION = f"{GALLERY}/images", f"{GALLERY}/images/versions"
BASE = "Microsoft.Compute/locations/publishers"
URN = ("publisher", "offer", "sku", "version")


@dataclass(frozen=True)
class Image:
    """What a VM is made from. `generation` is V1 or V2, `size` the OS disk's GiB, `os` the guest's system.

    `trusted_launch` is whether the image may boot with Secure Boot and vTPM; `version` the exact one; `preinstalled`
    what the guest has beyond plain Ubuntu (see mirror/images.py).
    """

    os: str
    size: int
    generation: str = "V2"
    arch: str = "x64"
    trusted_launch: bool = False
    version: str = ""
    preinstalled: str = ""


@dataclass(frozen=True)
class Published:
    """One SKU of the marketplace with its versions, the oldest first."""

    publisher: str
    offer: str
    sku: str
    versions: tuple[str, ...]
    image: Image


def _ubuntu(offer: str, sku: str, release: str, generation: str = "V2", arch: str = "x64") -> Published:
    versions = tuple(f"{release}.2026{day}" for day in ("08110", "09220", "10150"))
    trusted = generation == "V2" and arch == "x64"
    return Published("Canonical", offer, sku, versions, Image(f"ubuntu-{release}", 30, generation, arch, trusted))


def _hpc(sku: str, release: str) -> Published:
    versions = tuple(f"{release}.2026{day}" for day in ("071001", "100901"))
    return Published("microsoft-dsvm", "ubuntu-hpc", sku, versions, Image(f"ubuntu-{release}", 64, preinstalled="hpc"))


MARKETPLACE = [
    _ubuntu("0001-com-ubuntu-server-jammy", "22_04-lts", "22.04", generation="V1"),
    _ubuntu("0001-com-ubuntu-server-jammy", "22_04-lts-gen2", "22.04"),
    _ubuntu("0001-com-ubuntu-server-jammy", "22_04-lts-arm64", "22.04", arch="Arm64"),
    _ubuntu("ubuntu-24_04-lts", "server", "24.04"),
    _ubuntu("ubuntu-24_04-lts", "server-gen1", "24.04", generation="V1"),
    _ubuntu("ubuntu-24_04-lts", "server-arm64", "24.04", arch="Arm64"),
    _hpc("2204", "22.04"),
    _hpc("2404", "24.04"),
    _hpc("2204-v100", "22.04"),
]


def resolve(world: AzureWorld, reference: dict[str, Any], location: str) -> Image:
    """The image that a VM's imageReference means. Raises what Azure says of a wrong one."""
    if wanted := str(reference.get("id") or ""):
        return _own(world, ResourceId.parse(wanted), location)
    for name in URN:
        if not reference.get(name):
            raise ArmError("InvalidParameter", f"Required parameter 'imageReference.{name}' is missing (null).")
    found = _published(*(str(reference[name]) for name in URN[:3]))
    version = str(reference["version"])
    if found is not None and version in ("latest", *found.versions):
        return replace(found.image, version=found.versions[-1] if version == "latest" else version)
    raise ArmError(
        "PlatformImageNotFound",
        f"The platform image '{':'.join(str(reference[name]) for name in URN)}' is not available. Verify that all "
        "fields in the storage profile are correct. For more details about storage profile information, please refer "
        "to https://aka.ms/storageprofile",
        404,
        target="imageReference",
    )


def _published(publisher: str, offer: str, sku: str) -> Published | None:
    wanted = [publisher.lower(), offer.lower(), sku.lower()]
    return next((each for each in MARKETPLACE if _path(each) == wanted), None)


def _own(world: AzureWorld, wanted: ResourceId, location: str) -> Image:
    """An image of the subscription: a managed image, a gallery's image (its newest version) or a version of it."""
    found = world.store.find(wanted)
    if found is not None and found.id.kind == DEFINITION.lower():
        # "latest" is the highest number, not the youngest: 1.10.0 comes after 1.9.0.
        versions = sorted(world.store.of_kind(VERSION, str(found.id)), key=_number)
        found = versions[-1] if versions else None
    if found is None or found.id.kind not in (IMAGE.lower(), VERSION.lower()) or not _is_in(found, location):
        raise ArmError("NotFound", f"The Image '{wanted}' cannot be found in '{location}' region.", 404)
    if found.state != "Succeeded":
        raise ArmError(
            "OperationNotAllowed",
            f"The resource cannot be created from Image '{wanted}' until Image has been successfully created.",
            409,
        )
    return _image_of(world, found)


def _is_in(image: Resource, location: str) -> bool:
    targets = image.properties.get("publishingProfile", {}).get("targetRegions") or [{"name": image.location}]
    return location in [places.normal(target["name"]) for target in targets]


def _number(version: Resource) -> list[int]:
    return [int(part) for part in version.id.name.split(".")]


def _image_of(world: AzureWorld, found: Resource) -> Image:
    """What an own image is: as its description says, and else as the VM that it was made of."""
    source = _source(world, found)
    known = source.private if source else {}
    os, preinstalled = known.get("os", "ubuntu-22.04"), known.get("preinstalled", "")
    if found.id.kind == IMAGE.lower():
        size = int(found.properties.get("storageProfile", {}).get("osDisk", {}).get("diskSizeGB", 30))
        return Image(os, size, found.properties["hyperVGeneration"], preinstalled=preinstalled)
    definition = world.store.get(found.id.parent).properties
    return Image(
        os,
        int(found.properties["storageProfile"]["osDiskImage"]["sizeInGB"]),
        definition["hyperVGeneration"],
        definition["architecture"],
        any("TrustedLaunch" in feature.get("value", "") for feature in definition.get("features", [])),
        found.id.name,
        preinstalled,
    )


def _source(world: AzureWorld, image: Resource) -> Resource | None:
    """The VM that an image was made from, directly or through a managed image; None when there is none (any more)."""
    properties = image.properties
    given = properties.get("sourceVirtualMachine") or properties.get("storageProfile", {}).get("source") or {}
    source = world.store.find(str(given.get("id") or given.get("virtualMachineId") or ""))
    return _source(world, source) if source is not None and source.id.kind == IMAGE.lower() else source


def _prepare_image(world: AzureWorld, call: Call, new: Resource, old: Resource | None) -> None:
    vm = world.store.find(str(new.properties.get("sourceVirtualMachine", {}).get("id", "")))
    if "sourceVirtualMachine" not in new.properties and not new.properties.get("storageProfile", {}).get("osDisk"):
        raise ArmError("InvalidParameter", "Required parameter 'storageProfile.osDisk' is missing (null).")
    new.properties.setdefault("hyperVGeneration", "V1")
    if vm is not None:
        size = vm.properties["storageProfile"]["osDisk"].get("diskSizeGB", 30)
        disk = {"osType": "Linux", "osState": "Generalized", "diskSizeGB": size, "storageAccountType": "Standard_LRS"}
        new.properties["storageProfile"] = {"osDisk": disk, "dataDisks": [], "zoneResilient": False}


def _prepare_gallery(world: AzureWorld, call: Call, new: Resource, old: Resource | None) -> None:
    new.properties.setdefault("identifier", {"uniqueName": f"{call.id.subscription}-{new.id.name.upper()}"})


def _prepare_definition(world: AzureWorld, call: Call, new: Resource, old: Resource | None) -> None:
    world.store.get(new.id.parent)
    for name in ("osType", "osState", "identifier"):
        if not new.properties.get(name):
            raise ArmError(
                "InvalidParameter", f"Required parameter 'galleryImage.properties.{name}' is missing (null)."
            )
    new.properties.setdefault("hyperVGeneration", "V1")
    new.properties.setdefault("architecture", "x64")


def _prepare_version(world: AzureWorld, call: Call, new: Resource, old: Resource | None) -> None:
    world.store.get(new.id.parent)
    parts = new.id.name.split(".")
    if len(parts) != 3 or not all(part.isdecimal() for part in parts):
        raise ArmError(
            "InvalidParameter",
            f"Gallery image version name '{new.id.name}' is not valid. Expected format: 'Major.Minor.Patch'.",
            target="galleryImageVersionName",
        )
    source = _source(world, new)
    size = source.properties["storageProfile"]["osDisk"].get("diskSizeGB", 30) if source else 30
    new.properties.setdefault("publishingProfile", {}).setdefault("targetRegions", [{"name": new.location}])
    new.properties.setdefault("storageProfile", {})["osDiskImage"] = {"sizeInGB": size, "hostCaching": "ReadWrite"}


def _below(call: Call) -> list[Published]:
    """The SKUs below what the path names. Raises NotFound when there is none."""
    location, *rest = call.id.names
    # Publisher, `vmimage`, offer, SKU; as many of them as there are.
    wanted = [name.lower() for name in (*rest[:1], *rest[2:4])]
    found = [each for each in MARKETPLACE if _path(each)[: len(wanted)] == wanted]
    if places.normal(location) not in places.LOCATIONS or not found:
        raise ArmError("NotFound", "Artifact: VMImage was not found.", 404)
    return found


def _path(each: Published) -> list[str]:
    return [each.publisher.lower(), each.offer.lower(), each.sku.lower()]


def _entries(call: Call, names: Iterable[str]) -> Reply:
    location, path = places.normal(call.id.names[0]), call.path.rstrip("/")
    return Reply(200, [{"location": location, "name": name, "id": f"{path}/{name}"} for name in names])


def publishers(world: AzureWorld, call: Call) -> Reply:
    """GET …/publishers."""
    return _entries(call, sorted({each.publisher for each in _below(call)}))


def offers(world: AzureWorld, call: Call) -> Reply:
    """GET …/offers of a publisher."""
    return _entries(call, sorted({each.offer for each in _below(call)}))


def image_skus(world: AzureWorld, call: Call) -> Reply:
    """GET …/skus of an offer."""
    return _entries(call, sorted(each.sku for each in _below(call)))


def versions(world: AzureWorld, call: Call) -> Reply:
    """GET …/versions of a SKU; `$top` and `$orderby=name desc` choose."""
    names = list(_below(call)[0].versions)
    if call.parameter("$orderby").lower() == "name desc":
        names.reverse()
    top = call.parameter("$top")
    return _entries(call, names[: int(top) if top.isdecimal() else None])


def version(world: AzureWorld, call: Call) -> Reply:
    """GET …/versions/V: what the image is. `latest` is no version here, as on Azure."""
    found = _below(call)[0]
    if call.id.name not in found.versions:
        raise ArmError("NotFound", "Artifact: VMImage was not found.", 404)
    document = {"location": places.normal(call.id.names[0]), "name": call.id.name, "id": call.path}
    return Reply(200, {**document, "properties": _described(found.image)})


def _described(image: Image) -> dict[str, Any]:
    features = [
        {"name": "IsAcceleratedNetworkSupported", "value": "True"},
        {"name": "DiskControllerTypes", "value": "SCSI, NVMe"},
    ]
    if image.trusted_launch:
        features.insert(0, {"name": "SecurityType", "value": "TrustedLaunchSupported"})
    return {
        "hyperVGeneration": image.generation,
        "architecture": image.arch,
        "replicaType": "Managed",
        "replicaCount": 10,
        "disallowed": {"vmDiskType": "Unmanaged"},
        "automaticOSUpgradeProperties": {"automaticOSUpgradeSupported": False},
        "imageDeprecationStatus": {"imageState": "Active"},
        "features": features,
        "osDiskImage": {"operatingSystem": "Linux", "sizeInGb": image.size + 1, "sizeInBytes": image.size * GIB + 512},
        "dataDiskImages": [],
    }


def _blocked(world: AzureWorld, resource: Resource) -> None:
    """What is below a gallery must be deleted first."""
    below = [other for other in world.store.in_group(resource.id) if other.id.key.startswith(f"{resource.id.key}/")]
    if below:
        raise ArmError(
            "CannotDeleteResource",
            f"Can not delete resource before nested resources are deleted: {below[0].id}.",
            409,
        )


TYPES = [
    ResourceType(IMAGE, _prepare_image),
    ResourceType(GALLERY, _prepare_gallery, blocked=_blocked),
    ResourceType(DEFINITION, _prepare_definition, blocked=_blocked),
    ResourceType(VERSION, _prepare_version),
]
ROUTES: Routes = {
    ("GET", BASE, "list"): publishers,
    ("GET", f"{BASE}/artifacttypes/offers", "list"): offers,
    ("GET", f"{BASE}/artifacttypes/offers/skus", "list"): image_skus,
    ("GET", f"{BASE}/artifacttypes/offers/skus/versions", "list"): versions,
    ("GET", f"{BASE}/artifacttypes/offers/skus/versions", ""): version,
}
