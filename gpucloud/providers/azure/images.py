"""From the name of an image to what a VM's body says of it, and what a VM must know about it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, cast

from gpucloud.catalog.types import InstanceType
from gpucloud.errors import ConfigError, NotFound, Problem
from gpucloud.providers.azure.clients import Clients
from gpucloud.providers.azure.errors import NO_IMAGE, translated
from gpucloud.providers.azure.skus import Sku, words

API, GALLERY_API = "2024-07-01", "2023-07-03"

JAMMY, NOBLE = "Canonical:0001-com-ubuntu-server-jammy", "Canonical:ubuntu-24_04-lts"
HPC = "microsoft-dsvm:ubuntu-hpc"
URNS = {
    ("ubuntu-22.04", "x86_64"): f"{JAMMY}:22_04-lts-gen2:latest",
    ("ubuntu-22.04", "arm64"): f"{JAMMY}:22_04-lts-arm64:latest",
    ("ubuntu-24.04", "x86_64"): f"{NOBLE}:server:latest",
    ("ubuntu-24.04", "arm64"): f"{NOBLE}:server-arm64:latest",
    ("hpc", "x86_64"): f"{HPC}:2204:latest",
}
"""(alias, CPU architecture) → URN. Sources: Canonical's page on finding images on Azure; the HPC images' own."""
HPC_V100 = f"{HPC}:2204-v100:latest"
"""The image with the last driver that drives a V100."""
ALIASES = tuple(dict.fromkeys(alias for alias, _ in URNS))

TRUSTED = "trustedlaunch"
"""How all values of an image's feature SecurityType begin that allow Trusted Launch, in lower case."""
SIGNED_DRIVERS = ("ubuntu-22.04", "ubuntu-24.04")
"""Images onto which the bootstrap installs Ubuntu's signed modules. Others may bring a driver that Secure Boot would
not load, and nothing tells whether they do."""


@dataclass(frozen=True)
class Image:
    """An image. `reference` goes into the VM's body; `least_gb` is its size in GB, 0 if unknown.

    `generation` is `V1` or `V2`, `architecture` `x64` or `Arm64`. `features` are Azure's own, by name in lower case.
    """

    reference: Mapping[str, str]
    least_gb: int
    generation: str
    architecture: str
    features: Mapping[str, str] = field(default_factory=dict)
    signed: bool = False

    @property
    def trusted_launch(self) -> bool:
        """Can a machine with this image be launched with a virtual TPM and a verified boot chain?"""
        return self.generation == "V2" and self.features.get("securitytype", "").lower().startswith(TRUSTED)

    @property
    def fast_network(self) -> bool:
        """Does its kernel have the drivers of accelerated networking? Where nothing says so, it goes without."""
        return self.features.get("isacceleratednetworksupported", "").lower() == "true"

    @property
    def controllers(self) -> frozenset[str]:
        """The disk controllers (`scsi`, `nvme`) with which it boots."""
        return words(self.features.get("diskcontrollertypes", ""))


def image(clients: Clients, region: str, name: str, kind: InstanceType) -> Image:
    """What an alias, a URN `publisher:offer:sku:version` or an ARM id stands for in a region; two calls at most.

    Raises ConfigError for what is none of these, or is not there.
    """
    if name.startswith("/subscriptions/"):
        return _own(clients, name)
    urn = HPC_V100 if name == "hpc" and kind.gpu.name == "V100" else URNS.get((name, kind.cpu_arch), name)
    if urn.count(":") != 3:
        known = f"use one of {', '.join(ALIASES)}, publisher:offer:sku:version, or an image's id /subscriptions/…"
        raise ConfigError(f"no image called {name!r} for {kind.cpu_arch}", "", known)
    try:
        return _published(clients, region, urn, name in SIGNED_DRIVERS)
    except NotFound as exc:
        raise ConfigError(f"no image {urn} in {region}", exc.why, NO_IMAGE.remedy) from exc


def problems(found: Image, size: Sku) -> list[Problem]:
    """Why a machine of that size cannot be made from the image."""
    if found.architecture != size.architecture:
        why = f"the image is for {found.architecture}, and {size.name} is {size.architecture}"
        return [Problem("the image does not fit the machine", why, "choose another `--image`")]
    if found.generation not in size.generations:
        why = f"the image is of generation {found.generation}, and {size.name} boots {' and '.join(size.generations)}"
        return [Problem("the image does not fit the machine", why, "choose another `--image`")]
    if not found.controllers & size.controllers:
        has, boots = " and ".join(sorted(size.controllers)), " and ".join(sorted(found.controllers))
        why = f"the image boots from {boots}, and {size.name} has disks of {has} only"
        return [Problem("the image does not fit the machine", why, "choose another `--image`")]
    return []


def _published(clients: Clients, region: str, urn: str, signed: bool) -> Image:
    publisher, offer, sku, version = urn.split(":")
    where = (
        f"providers/Microsoft.Compute/locations/{region}/publishers/{publisher}"
        f"/artifacttypes/vmimage/offers/{offer}/skus/{sku}/versions"
    )
    with translated(f"find the image {urn} in {region}"):
        if version == "latest":
            version = _newest(clients, where, urn)
        properties = clients.get(f"{where}/{version}", API)["properties"]
    if properties.get("plan"):
        raise ConfigError(f"the image {urn} is sold with a plan", "gpucloud buys nothing", "choose another `--image`")
    reference = {"publisher": publisher, "offer": offer, "sku": sku, "version": version}
    return _described(reference, properties, properties.get("osDiskImage", {}).get("sizeInGb", 0), signed)


def _newest(clients: Clients, where: str, urn: str) -> str:
    # The one answer of the API that is a bare list.
    versions = cast("list[dict[str, str]]", clients.get(where, API, **{"$top": "1", "$orderby": "name desc"}))
    if not versions:
        raise NotFound(f"no image {urn}", "it has no versions there")
    return versions[0]["name"]


def _own(clients: Clients, resource_id: str) -> Image:
    """A managed image, a gallery's image definition (its newest version) or one version of it."""
    words = resource_id.split("/")
    with translated(f"find the image {resource_id}"):
        if words[-2].lower() == "versions":
            definition = "/".join(words[:-2])
            version = clients.get(resource_id, GALLERY_API)["properties"]
            size = version.get("storageProfile", {}).get("osDiskImage", {}).get("sizeInGB", 0)
            return _described({"id": resource_id}, clients.get(definition, GALLERY_API)["properties"], size)
        if "galleries" in map(str.lower, words):
            return _described({"id": resource_id}, clients.get(resource_id, GALLERY_API)["properties"], 0)
        properties = clients.get(resource_id, API)["properties"]
    return _described({"id": resource_id}, properties, properties["storageProfile"]["osDisk"].get("diskSizeGB", 0))


def _described(reference: Mapping[str, str], properties: Mapping[str, Any], size: int, signed: bool = False) -> Image:
    return Image(
        reference=reference,
        least_gb=size,
        generation=properties.get("hyperVGeneration") or "V1",
        architecture=properties.get("architecture") or "x64",
        # Whoever makes a gallery writes these names, and their values, with capitals of his own.
        features={one["name"].lower(): str(one["value"]) for one in properties.get("features") or []},
        signed=signed,
    )
