"""What EC2 says about an instance, in our words, and the tags that let it say so."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from gpucloud.machine import TAG_EXPIRES, TAG_NAME, TAG_RUN, Machine, Spec, State

TAG_DISK = "gpucloud-disk-gb"
"""Size of the root volume in GB: DescribeInstances does not tell, and asking for the volume would be a second call."""
TAG_SSH_USER = "gpucloud-ssh-user"

STATES = {
    "pending": State.PENDING,
    "running": State.RUNNING,
    "stopping": State.STOPPING,
    "stopped": State.STOPPED,
    "shutting-down": State.TERMINATING,
    "terminated": State.TERMINATED,
}
LIVING = [name for name, state in STATES.items() if state is not State.TERMINATED]

Filters = list[dict[str, Any]]


def where(**values: str | list[str]) -> Filters:
    """EC2 filters: `where(tag_key="a", instance_type=["b", "c"])`; underscores stand for hyphens."""
    return [
        {"Name": name.replace("_", "-"), "Values": [value] if isinstance(value, str) else value}
        for name, value in values.items()
    ]


def tagged(key: str, value: str) -> Filters:
    """The EC2 filter for resources with this tag."""
    return [{"Name": f"tag:{key}", "Values": [value]}]


def to_aws(tags: Mapping[str, str]) -> list[dict[str, str]]:
    """Tags as the API takes them."""
    return [{"Key": key, "Value": value} for key, value in tags.items()]


def from_aws(described: Mapping[str, Any]) -> dict[str, str]:
    """The tags of anything that EC2 describes."""
    return {tag["Key"]: tag["Value"] for tag in described.get("Tags") or described.get("TagSet") or []}


def tags_for(spec: Spec, run: str) -> dict[str, str]:
    """The tags of everything that one launch makes. `Name` is what the AWS console shows."""
    return {
        **spec.tags,
        TAG_RUN: run,
        TAG_NAME: spec.name,
        "Name": spec.name,
        TAG_DISK: str(spec.disk_gb),
        TAG_SSH_USER: spec.ssh_user,
    }


def machine_from(instance: Mapping[str, Any], region: str, ssh_port: int) -> Machine:
    """The Machine that an instance of DescribeInstances or RunInstances is."""
    tags = from_aws(instance)
    return Machine(
        id=instance["InstanceId"],
        name=tags.get(TAG_NAME, ""),
        run=tags.get(TAG_RUN, ""),
        cloud="aws",
        region=region,
        zone=instance["Placement"]["AvailabilityZone"],
        type=instance["InstanceType"],
        state=STATES[instance["State"]["Name"]],
        address=instance.get("PublicIpAddress"),
        ssh_user=tags.get(TAG_SSH_USER, "ubuntu"),
        ssh_port=ssh_port,
        launched_at=instance.get("LaunchTime"),
        expires_at=_time(tags.get(TAG_EXPIRES, "")),
        spot=instance.get("InstanceLifecycle") == "spot",
        disk_gb=int(tags[TAG_DISK]) if tags.get(TAG_DISK, "").isdigit() else None,
        reason=instance.get("StateReason", {}).get("Message", ""),
        tags=tags,
    )


def _time(text: str) -> datetime | None:
    """The time in a tag; None if there is none, or if somebody wrote something else into it."""
    try:
        return datetime.fromisoformat(text).astimezone(UTC)
    except ValueError:
        return None
