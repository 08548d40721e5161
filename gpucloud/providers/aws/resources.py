"""What a launch leaves in the account: how each kind is found by tag, removed, and known to be gone."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from gpucloud.errors import GpucloudError, MayStillCost, NotFound
from gpucloud.machine import TAG_OWNER, TAG_RUN, Resource
from gpucloud.providers.aws.clients import Clients
from gpucloud.providers.aws.describe import Filters, from_aws
from gpucloud.providers.aws.errors import code_of, translated
from gpucloud.waiting import Waiter

GONE_TIMEOUT = 600.0
"""Seconds for a resource to go. GPU instances take one to three minutes to terminate, the largest ten."""

IN_USE = (
    "DependencyViolation",
    "IncorrectSpotRequestState",
    "InvalidGroup.InUse",
    "InvalidNetworkInterface.InUse",
    "InvalidParameterValue",
    "VolumeInUse",
)
"""Codes that mean: not yet, something that is going still holds it. InvalidParameterValue is what EC2 says of deleting
an attached interface; the other calls here take nothing but an id, for which they have codes of their own."""

Described = Mapping[str, Any]


@dataclass(frozen=True)
class Kind:
    """A kind of resource. `exists` and `costs` judge what EC2 describes; `remove` is called until accepted."""

    describe: str
    key: str
    id_key: str
    exists: Callable[[Described], bool]
    costs: Callable[[Described], bool]
    remove: Callable[[Any, str], object]


KINDS = {
    "instance": Kind(
        "describe_instances",
        "Reservations",
        "InstanceId",
        exists=lambda it: it["State"]["Name"] != "terminated",
        costs=lambda it: it["State"]["Name"] in ("pending", "running"),
        remove=lambda ec2, id: ec2.terminate_instances(InstanceIds=[id]),
    ),
    "spot-request": Kind(
        "describe_spot_instance_requests",
        "SpotInstanceRequests",
        "SpotInstanceRequestId",
        exists=lambda it: it["State"] in ("open", "active", "disabled"),
        costs=lambda it: False,
        remove=lambda ec2, id: ec2.cancel_spot_instance_requests(SpotInstanceRequestIds=[id]),
    ),
    "volume": Kind(
        "describe_volumes",
        "Volumes",
        "VolumeId",
        exists=lambda it: it["State"] != "deleted",
        costs=lambda it: it["State"] != "deleting",
        remove=lambda ec2, id: ec2.delete_volume(VolumeId=id),
    ),
    "network-interface": Kind(
        "describe_network_interfaces",
        "NetworkInterfaces",
        "NetworkInterfaceId",
        exists=lambda it: True,
        costs=lambda it: False,
        remove=lambda ec2, id: ec2.delete_network_interface(NetworkInterfaceId=id),
    ),
    "security-group": Kind(
        "describe_security_groups",
        "SecurityGroups",
        "GroupId",
        exists=lambda it: True,
        costs=lambda it: False,
        remove=lambda ec2, id: ec2.delete_security_group(GroupId=id),
    ),
}
"""In the order of removal: an instance takes its volume and interface along, and holds its group while it lives."""


def described(clients: Clients, region: str, kind: str, filters: Filters) -> list[Described]:
    """Everything of a kind that EC2 describes under these filters, all pages, gone ones included."""
    how = KINDS[kind]
    with translated(f"list every {kind} in {region}"):
        pages = clients.ec2(region).get_paginator(how.describe).paginate(Filters=filters)
        found = [one for page in pages for one in page[how.key]]
    return [inner for one in found for inner in one["Instances"]] if kind == "instance" else found


def found(clients: Clients, region: str, kind: str, filters: Filters) -> list[Resource]:
    """The resources of a kind that still exist; an instance exists until it is terminated."""
    how = KINDS[kind]
    return [
        Resource(kind, one[how.id_key], region, tags.get(TAG_RUN, ""), how.costs(one), tags.get(TAG_OWNER, ""))
        for one in described(clients, region, kind, filters)
        if how.exists(one)
        for tags in (from_aws(one),)
    ]


def delete(clients: Clients, waiter: Waiter, resource: Resource) -> None:
    """Remove a resource and wait until it is gone; absence is success. Raises MayStillCost after GONE_TIMEOUT."""
    ec2, kind = clients.ec2(resource.region), KINDS[resource.kind]

    def accepted() -> bool:
        try:
            with translated(f"remove {resource.kind} {resource.id}"):
                kind.remove(ec2, resource.id)
        except NotFound:
            return True
        except GpucloudError as exc:
            if code_of(exc) not in IN_USE:
                raise
            return False
        return True

    def gone() -> bool:
        return not found(clients, resource.region, resource.kind, by_id(resource))

    if not (waiter.until(accepted, GONE_TIMEOUT) and waiter.until(gone, GONE_TIMEOUT)):
        what = f"{resource.kind} {resource.id} in {resource.region} does not go away"
        raise MayStillCost(what, f"after {GONE_TIMEOUT:g} s", "run `gpucloud down` again, or see the AWS console")


def by_id(resource: Resource) -> Filters:
    """The filter that finds one resource; unlike a list of ids it is no error when there is none."""
    names = {"security-group": "group-id", "spot-request": "spot-instance-request-id"}
    return [{"Name": names.get(resource.kind, f"{resource.kind}-id"), "Values": [resource.id]}]
