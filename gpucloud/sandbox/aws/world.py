"""The state of the embedded AWS: moto's regions, what moto does not know, and how both are kept on disk."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from moto.ec2.models import ec2_backends

from gpucloud.sandbox.aws import images
from gpucloud.sandbox.aws.instance import TimedInstance
from gpucloud.sandbox.aws.wire import ApiError
from gpucloud.sandbox.shared import Shared
from gpucloud.sandbox.statefile import StateFile

ACCOUNT = "123456789012"  # moto's default account, which AWS's own documentation uses in its examples
STATE_VERSION = 1


@dataclass
class Book:
    """What the cloud knows beyond moto: client tokens, and since when things exist."""

    tokens: dict[tuple[str, str], tuple[str, str]] = field(default_factory=dict)
    births: dict[str, dict[str, float]] = field(default_factory=dict)  # region -> id -> unix time


class World:
    """Everything that calls, timers and guests share. Whoever reads or changes it holds `shared.lock`."""

    def __init__(self, shared: Shared, state_file: Path) -> None:
        self.shared, self.state_file = shared, StateFile(state_file, STATE_VERSION)
        self.book = Book()
        shared.addresses.append(self._addresses)

    def region(self, name: str) -> Any:
        """moto's EC2 backend of a region, with our images in it."""
        known = ec2_backends[ACCOUNT]
        if name not in known:
            raise ApiError("InvalidRegion", f"there is no region {name}", 400)
        fresh = name not in known.keys()  # noqa: SIM118  # `in` on this class means: could be made
        backend = known[name]
        if fresh:
            images.register(backend)
            # moto would load its KMS to make this key; the name is all that a volume shows of it.
            backend.default_kms_key_id = f"arn:aws:kms:{name}:{ACCOUNT}:alias/aws/ebs"
        return backend

    def regions(self) -> dict[str, Any]:
        """The regions that were used so far."""
        return dict(ec2_backends[ACCOUNT].items())

    def instances(self) -> Iterator[TimedInstance]:
        for backend in self.regions().values():
            for reservation in backend.reservations.values():
                yield from reservation.instances

    def find(self, instance_id: str) -> TimedInstance | None:
        return next((instance for instance in self.instances() if instance.id == instance_id), None)

    def _addresses(self) -> set[str]:
        return {str(instance.public_ip) for instance in self.instances() if not instance.gone}

    def save(self) -> None:
        """Write the whole state, atomically."""
        self.state_file.write({"book": self.book, "regions": self.regions()})

    def load(self) -> bool:
        """Take over the state of an earlier daemon; False when there is none of this version."""
        state = self.state_file.read()
        if state is None:
            return False
        self.book = state["book"]
        ec2_backends[ACCOUNT].update(state["regions"])
        return True

    def clear(self) -> None:
        """Back to an empty account."""
        ec2_backends[ACCOUNT].clear()
        self.book = Book()
        self.save()
