"""The tenant, its one subscription, and the regions that it can use."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gpucloud.sandbox.azure import places
from gpucloud.sandbox.azure.ids import SUBSCRIPTION as KIND
from gpucloud.sandbox.azure.resources import Routes
from gpucloud.sandbox.azure.wire import Call, Reply
from gpucloud.sandbox.azure.world import SUBSCRIPTION, TENANT

if TYPE_CHECKING:
    from gpucloud.sandbox.azure.world import AzureWorld

NAME = "gpucloud sandbox [simulated]"


def _document() -> dict[str, Any]:
    return {
        "id": f"/subscriptions/{SUBSCRIPTION}",
        "authorizationSource": "RoleBased",
        "managedByTenants": [],
        "subscriptionId": SUBSCRIPTION,
        "tenantId": TENANT,
        "displayName": NAME,
        "state": "Enabled",
        "subscriptionPolicies": {
            "locationPlacementId": "Public_2014-09-01",
            "quotaId": "PayAsYouGo_2014-09-01",
            "spendingLimit": "Off",
        },
    }


def get(world: AzureWorld, call: Call) -> Reply:
    return Reply(200, _document())


def listed(world: AzureWorld, call: Call) -> Reply:
    return Reply(200, {"value": [_document()], "count": {"type": "Total", "value": 1}})


def tenants(world: AzureWorld, call: Call) -> Reply:
    document = {"id": f"/tenants/{TENANT}", "tenantId": TENANT, "displayName": NAME, "tenantCategory": "Home"}
    return Reply(200, {"value": [document]})


def locations(world: AzureWorld, call: Call) -> Reply:
    return Reply(200, {"value": [_location(name) for name in places.LOCATIONS]})


def _location(name: str) -> dict[str, Any]:
    display, geography, _ = places.LOCATIONS[name]
    document: dict[str, Any] = {
        "id": f"/subscriptions/{SUBSCRIPTION}/locations/{name}",
        "name": name,
        "type": "Region",
        "displayName": display,
        "regionalDisplayName": f"({geography}) {display}",
        "metadata": {"regionType": "Physical", "regionCategory": "Recommended", "geographyGroup": geography},
    }
    if zones := places.zones(name):
        document["availabilityZoneMappings"] = [
            {"logicalZone": zone, "physicalZone": f"{name}-az{zone}"} for zone in zones
        ]
    return document


ROUTES: Routes = {
    ("GET", KIND, ""): get,
    ("GET", KIND, "locations"): locations,
    ("GET", "", "subscriptions"): listed,
    ("GET", "", "tenants"): tenants,
}
