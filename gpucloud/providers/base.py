"""The contract that every cloud keeps. Each sentence here is a test that runs on every provider."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Protocol

from gpucloud.errors import Problem
from gpucloud.machine import Headroom, Machine, Resource, Spec
from gpucloud.saga import Step


class Provider(Protocol):
    """One cloud. Only GpucloudError leaves a provider; SDK errors are translated by code, with their cause kept.

    Made by the provider module's `connect(settings, region, regions)`, where `settings` are plain values that say how
    to reach the cloud (none: the real one); making one calls no API.

    Where the module's MAKES_MACHINES is false, machines that exist already are listed as their settings name them,
    without a run. Nothing belongs to them that could be listed or removed, and what would make, start, stop, mark or
    remove one raises UsageError. An id that is none of theirs is treated as in every cloud.
    """

    name: str
    guest_ends_billing: bool
    """Does a machine that powers itself off stop costing compute? If so, its kill switch is on the machine itself."""

    def preflight(self, spec: Spec) -> list[Problem]:
        """Everything that would make the launch fail, found without changing anything; empty means go.

        Never empty where no machine can be made.

        Independent questions are asked in parallel, and what was learnt (image id, zones, subnet, the caller's
        address) is kept for `launch_steps` of the same provider object, so that nothing is asked twice.
        """
        ...

    def headroom(self, spec: Spec) -> Headroom | None:
        """What the quota that a machine of this spec counts against still allows, as its preflight found it.

        None if that did not get to know. Calls no API.
        """
        ...

    def launch_steps(self, spec: Spec, run: str) -> list[Step]:
        """The steps that make the machine, in order; the one that makes it is called `instance` and records `id`.

        Where a poweroff of the guest does not end billing they also arm the cloud's own clock for `spec.ttl_minutes`.

        Planning calls no API, so another process can plan again from the journal's spec in order to undo.
        """
        ...

    def get(self, machine_id: str) -> Machine:
        """The machine as it is now. Raises NotFound, also for one that is terminated."""
        ...

    def start(self, machine_id: str) -> None:
        """Start a stopped machine. No-op if it runs. Raises NotFound or CapacityError.

        Returns when accepted; or later, in a cloud that accepts first and looks for hardware afterwards.
        """
        ...

    def stop(self, machine_id: str) -> None:
        """Stop compute billing; return when accepted. No-op if stopped already. Raises NotFound."""
        ...

    def terminate(self, machine_id: str) -> None:
        """Remove the machine for good; return when accepted. An absent machine is a success."""
        ...

    def resources(self, run: str) -> list[Resource]:
        """Everything in the cloud that carries the run's tag and still exists; a machine that is shutting down does.

        Empty after a full `down`.
        """
        ...

    def orphans(self, live_runs: Collection[str]) -> list[Resource]:
        """What carries our tag and belongs to none of `live_runs`."""
        ...

    def delete(self, resource: Resource) -> None:
        """Remove one resource and wait until it is gone. An absent one is a success."""
        ...

    def set_tags(self, machine_id: str, tags: dict[str, str]) -> None:
        """Add or replace tags of a machine. Raises NotFound."""
        ...

    def expire_at(self, machine_id: str, end: datetime) -> None:
        """Move the end of the machine's lifetime: in its tag, and in the cloud's own clock if that is what ends it.

        Raises NotFound, and UsageError for an end that the cloud's clock cannot keep.
        """
        ...

    def console(self, machine_id: str) -> str:
        """The boot log, for remedies; may be empty. Raises NotFound."""
        ...

    def regions(self) -> list[str]:
        """Every region that the account may use, sorted; none where there are no regions."""
        ...

    def everywhere(self) -> Provider:
        """The same provider, looking for what is ours in every region that the account may use.

        Shares its connections. Calls no API where `list` shows every region anyway.
        """
        ...

    def list(self) -> list[Machine]:
        """Our machines only (by tag, or in the settings), all pages, without the terminated ones.

        In every region given to `connect`; a cloud that lists all its regions in one call shows those of all.
        """
        ...
