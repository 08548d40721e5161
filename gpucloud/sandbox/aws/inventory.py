"""Everything that exists and was not there at first: the proof that nothing is left behind."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from gpucloud.sandbox.aws.world import World


def inventory(world: World) -> dict[str, list[str]]:
    """Ids by kind of resource, over all regions. Every kind is there, empty when nothing is left of it."""
    found: dict[str, list[str]] = {}
    regions = world.regions().values()
    for kind, ids in KINDS.items():
        found[kind] = sorted(name for backend in regions for name in ids(backend))
    return found


def _instances(backend: Any) -> list[str]:
    return [i.id for reservation in backend.reservations.values() for i in reservation.instances if not i.gone]


def _snapshots(backend: Any) -> list[str]:
    return [snapshot.id for snapshot in backend.snapshots.values() if not snapshot.from_ami]


KINDS: dict[str, Callable[[Any], list[str]]] = {
    "instance": _instances,
    "volume": lambda backend: list(backend.volumes),
    "snapshot": _snapshots,
    "image": lambda backend: [i.id for i in backend.amis.values() if i.owner_id == backend.account_id],
    "network-interface": lambda backend: list(backend.enis),
    "security-group": lambda backend: [
        group.id for groups in backend.groups.values() for group in groups.values() if group.name != "default"
    ],
    "key-pair": lambda backend: list(backend.key_pairs),
    "elastic-ip": lambda backend: [address.allocation_id or address.public_ip for address in backend.addresses],
    "launch-template": lambda backend: list(backend.launch_templates),
    "vpc": lambda backend: [vpc.id for vpc in backend.vpcs.values() if not vpc.is_default],
    "spot-request": lambda backend: [
        i.spot_instance_request_id
        for reservation in backend.reservations.values()
        for i in reservation.instances
        if i.spot_instance_request_id and i.spot_status == "fulfilled"
    ],
}
