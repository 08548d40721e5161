"""What Azure says about a machine, in our words, and the tags that let it say so."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from gpucloud.errors import UsageError
from gpucloud.machine import TAG_EXPIRES, TAG_NAME, TAG_RUN, Machine, Spec, State

TAG_DISK = "gpucloud-disk-gb"
"""Size of the OS disk in GB: a VM of a listing does not tell, and asking for its disk would be another call."""
TAG_SSH_USER = "gpucloud-ssh-user"
TAG_STARTED = "gpucloud-started"
"""When `start` last brought the machine back: Azure keeps only the time of its creation."""

MOST_TAGS, LONGEST_KEY, LONGEST_VALUE = 50, 512, 256
"""Azure's limits: tags of a resource, characters of a tag's key and of its value."""
FORBIDDEN_IN_KEYS = frozenset("<>%&\\?/")

POWER_STATES = {
    "creating": State.PENDING,
    "starting": State.PENDING,
    "running": State.RUNNING,
    "stopping": State.STOPPING,
    "deallocating": State.STOPPING,
    "stopped": State.HALTED,
    "deallocated": State.STOPPED,
}
"""Azure's power state → ours. "stopped" means that the guest is off and its hardware is kept, and billed."""

Described = dict[str, Any]


def group_name(run: str) -> str:
    """The resource group that holds everything of a run."""
    return f"gpucloud-{run}"


def part_of(id: str, kind: str) -> str:
    """What follows a word (`resourceGroups`, `virtualMachines`) in a resource's id; "" if the word is not in it.

    Azure keeps neither the case of these words nor that of the names.
    """
    words = id.split("/")
    following = dict(zip(map(str.lower, words), words[1:], strict=False))
    return following.get(kind.lower(), "")


def machine_id(id: str) -> str:
    """A VM's id in one spelling: Azure's answers differ in the case of the group, from one call to the next."""
    group, name = part_of(id, "resourceGroups").lower(), part_of(id, "virtualMachines").lower()
    around = f"/subscriptions/{part_of(id, 'subscriptions')}/resourceGroups/{group}"
    return f"{around}/providers/Microsoft.Compute/virtualMachines/{name}"


def tags_for(spec: Spec, run: str) -> dict[str, str]:
    """The tags of everything that one launch makes. Raises UsageError for tags that Azure does not take."""
    ours = {TAG_RUN: run, TAG_NAME: spec.name, TAG_DISK: str(spec.disk_gb), TAG_SSH_USER: spec.ssh_user}
    return acceptable({**spec.tags, **ours})


def acceptable(tags: Mapping[str, str]) -> dict[str, str]:
    """The tags, if Azure takes them. Raises UsageError that names the first one that it does not."""
    for key, value in tags.items():
        if len(key) > LONGEST_KEY or FORBIDDEN_IN_KEYS & set(key):
            rule = f"at most {LONGEST_KEY} characters, and none of {' '.join(sorted(FORBIDDEN_IN_KEYS))}"
            raise UsageError(f"Azure takes no tag called {key[:80]!r}", rule, "choose another name for the tag")
        if len(value) > LONGEST_VALUE:
            raise UsageError(f"the tag {key} is too long", f"Azure takes {LONGEST_VALUE} characters", "shorten it")
    if len(tags) > MOST_TAGS:
        raise UsageError("too many tags", f"{len(tags)}, and Azure takes {MOST_TAGS}", "leave some out")
    return dict(tags)


def machine_from(vm: Described, statuses: list[Described], address: str | None, ssh_port: int) -> Machine:
    """The Machine that a VM's description, the statuses of its instance view and its public address make."""
    properties, tags = vm["properties"], vm.get("tags") or {}
    return Machine(
        id=machine_id(vm["id"]),
        name=tags.get(TAG_NAME, ""),
        run=tags.get(TAG_RUN, ""),
        cloud="azure",
        region=vm["location"],
        zone=(vm.get("zones") or [""])[0],
        type=properties["hardwareProfile"]["vmSize"],
        state=state_of(properties.get("provisioningState", ""), statuses),
        address=address,
        ssh_user=tags.get(TAG_SSH_USER, "ubuntu"),
        ssh_port=ssh_port,
        launched_at=time_of(tags.get(TAG_STARTED, "")) or time_of(properties.get("timeCreated", "")),
        expires_at=time_of(tags.get(TAG_EXPIRES, "")),
        spot=properties.get("priority") == "Spot",
        disk_gb=int(tags[TAG_DISK]) if tags.get(TAG_DISK, "").isdigit() else None,
        reason=_reason(statuses),
        tags=tags,
    )


def statuses_of(vm: Described) -> list[Described]:
    """The statuses of a VM's instance view; none where it was not asked for."""
    return list((vm["properties"].get("instanceView") or {}).get("statuses") or [])


def power_of(statuses: list[Described]) -> str:
    """Azure's own power state, such as `deallocated`; "" where it knows none."""
    return _after("PowerState/", statuses)


def state_of(provisioning: str, statuses: list[Described]) -> State:
    """The state of a VM. A machine that failed before it had a power state counts as halted: it may cost."""
    if provisioning == "Deleting":
        return State.TERMINATING
    if provisioning == "Creating":
        return State.PENDING
    unknown = State.HALTED if provisioning == "Failed" else State.PENDING
    return POWER_STATES.get(power_of(statuses), unknown)


def _reason(statuses: list[Described]) -> str:
    failures = [one for one in statuses if one.get("level") == "Error"]
    return next((one.get("message") or one.get("displayStatus", "") for one in failures), "")


def _after(prefix: str, statuses: list[Described]) -> str:
    return next((str(one["code"])[len(prefix) :] for one in statuses if str(one["code"]).startswith(prefix)), "")


def time_of(text: str) -> datetime | None:
    """The time in an answer or a tag; None if there is none, or if somebody wrote something else into it.

    Azure writes seven digits of a second's fraction.
    """
    try:
        return datetime.fromisoformat(text).astimezone(UTC)
    except ValueError:
        return None
