"""What every body says of a resource beside its properties: where it is and its tags."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gpucloud.sandbox.azure.ids import ResourceId
from gpucloud.sandbox.azure.store import Resource
from gpucloud.sandbox.azure.wire import ArmError, Call

if TYPE_CHECKING:
    from gpucloud.sandbox.azure.world import AzureWorld

# Name → (display name, geography group, zones). The regions of the price table that GPU sizes are offered in.
LOCATIONS: dict[str, tuple[str, str, int]] = {
    "eastus": ("East US", "US", 3),
    "eastus2": ("East US 2", "US", 3),
    "centralus": ("Central US", "US", 3),
    "northcentralus": ("North Central US", "US", 0),
    "southcentralus": ("South Central US", "US", 3),
    "westcentralus": ("West Central US", "US", 0),
    "westus": ("West US", "US", 0),
    "westus2": ("West US 2", "US", 3),
    "westus3": ("West US 3", "US", 3),
    "canadacentral": ("Canada Central", "Canada", 3),
    "canadaeast": ("Canada East", "Canada", 0),
    "brazilsouth": ("Brazil South", "South America", 3),
    "mexicocentral": ("Mexico Central", "Mexico", 3),
    "northeurope": ("North Europe", "Europe", 3),
    "westeurope": ("West Europe", "Europe", 3),
    "uksouth": ("UK South", "Europe", 3),
    "ukwest": ("UK West", "Europe", 0),
    "francecentral": ("France Central", "Europe", 3),
    "germanywestcentral": ("Germany West Central", "Europe", 3),
    "italynorth": ("Italy North", "Europe", 3),
    "norwayeast": ("Norway East", "Europe", 3),
    "polandcentral": ("Poland Central", "Europe", 3),
    "spaincentral": ("Spain Central", "Europe", 3),
    "swedencentral": ("Sweden Central", "Europe", 3),
    "switzerlandnorth": ("Switzerland North", "Europe", 3),
    "eastasia": ("East Asia", "Asia Pacific", 3),
    "southeastasia": ("Southeast Asia", "Asia Pacific", 3),
    "japaneast": ("Japan East", "Asia Pacific", 3),
    "japanwest": ("Japan West", "Asia Pacific", 3),
    "koreacentral": ("Korea Central", "Asia Pacific", 3),
    "koreasouth": ("Korea South", "Asia Pacific", 0),
    "malaysiawest": ("Malaysia West", "Asia Pacific", 3),
    "australiaeast": ("Australia East", "Asia Pacific", 3),
    "australiasoutheast": ("Australia Southeast", "Asia Pacific", 0),
    "australiacentral": ("Australia Central", "Asia Pacific", 0),
    "australiacentral2": ("Australia Central 2", "Asia Pacific", 0),
    "centralindia": ("Central India", "Asia Pacific", 3),
    "southindia": ("South India", "Asia Pacific", 0),
    "westindia": ("West India", "Asia Pacific", 0),
    "israelcentral": ("Israel Central", "Middle East", 3),
    "qatarcentral": ("Qatar Central", "Middle East", 3),
    "uaenorth": ("UAE North", "Middle East", 3),
    "southafricanorth": ("South Africa North", "Africa", 3),
}
MOST_TAGS = 50  # a resource's most tags; a tag's name 512 characters, its value 256 (Azure: "Use tags")


def normal(location: str) -> str:
    """A region's name as ids have it, `eastus`, from either form (`East US`)."""
    return location.replace(" ", "").lower()


def zones(location: str) -> list[str]:
    """The availability zones of a region; empty where it has none."""
    count = LOCATIONS.get(normal(location), ("", "", 0))[2]
    return [str(number) for number in range(1, count + 1)]


def location(world: AzureWorld, call: Call, old: Resource | None) -> str:
    """The region in a PUT's body.

    Raises LocationRequired, LocationNotAvailableForResourceType, InvalidResourceLocation.
    """
    asked = str(call.document().get("location") or "")
    if not asked:
        raise ArmError("LocationRequired", "The location property is required for this definition.")
    known = normal(asked)
    if known not in LOCATIONS:
        raise ArmError(
            "LocationNotAvailableForResourceType",
            f"The provided location '{asked}' is not available for resource type '{call.id.type}'. List of available "
            f"regions for the resource type is '{','.join(LOCATIONS)}'.",
        )
    if old is not None and known != old.location:
        raise ArmError(
            "InvalidResourceLocation",
            f"The resource '{old.id.name}' already exists in location '{old.location}' in resource group "
            f"'{old.id.group}'. A resource with the same name cannot be created in location '{known}'. Please select a "
            "new resource name.",
            409,
        )
    return known


def tags(body: dict[str, Any]) -> dict[str, str]:
    """The tags in a body. Raises InvalidTagNameSize, InvalidTagValueSize, TooManyTags and InvalidRequestContent."""
    found = body.get("tags") or {}
    if not isinstance(found, dict) or not all(isinstance(value, str) for value in found.values()):
        raise ArmError(
            "InvalidRequestContent",
            "The request content was invalid and could not be deserialized: 'Error converting value to type "
            "'System.String'. Path 'tags'.'.",
        )
    if len(found) > MOST_TAGS:
        raise ArmError("TooManyTags", f"The number of tags '{len(found)}' exceeds the maximum of '{MOST_TAGS}'.")
    for name, value in found.items():
        if len(name) > 512:
            raise ArmError(
                "InvalidTagNameLength", f"Tag name too large. Following tag name '{name}' exceeded 512 characters."
            )
        if any(character in "<>%&\\?/" for character in name):
            raise ArmError(
                "InvalidTagNameCharacters",
                f"The tag names '{name}' have reserved characters '<,>,%,&,\\,?,/' or control characters.",
            )
        if len(value) > 256:
            raise ArmError(
                "InvalidTagValueLength",
                f"Tag value too large. Following tag value '{value}' exceeded the maximum length. Maximum allowed "
                f"length for tag value - '256' characters.",
            )
    return dict(found)


def check_group(world: AzureWorld, wanted: ResourceId) -> Resource:
    """The group that something is to be made in. Raises ResourceGroupNotFound, ResourceGroupBeingDeleted."""
    group = world.store.group(wanted)
    if group.state == "Deleting":
        raise ArmError(
            "ResourceGroupBeingDeleted",
            f"The resource group '{group.id.name}' is in deprovisioning state and cannot perform this operation.",
            409,
        )
    return group
