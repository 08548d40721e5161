"""The resources of the subscription, by id, and what they have to do with one another."""

from __future__ import annotations

import copy
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

from gpucloud.sandbox.azure.ids import ResourceId
from gpucloud.sandbox.azure.wire import ArmError


@dataclass
class Resource:
    """One resource. `extra` holds its top-level members beside the usual ones: sku, zones, identity, plan.

    `private` is what the API does not show (power state, guest's id, custom data). `created` is a unix time.
    """

    id: ResourceId
    location: str = ""
    tags: dict[str, str] = field(default_factory=dict)
    properties: dict[str, Any] = field(default_factory=dict)
    extra: dict[str, Any] = field(default_factory=dict)
    private: dict[str, Any] = field(default_factory=dict)
    etag: str = field(default_factory=lambda: str(uuid4()))
    created: float = field(default_factory=time.time)

    @property
    def state(self) -> str:
        """The provisioning state: Creating, Updating, Deleting, Succeeded, Failed."""
        return str(self.properties.get("provisioningState", ""))

    @state.setter
    def state(self, state: str) -> None:
        self.properties["provisioningState"] = state

    def view(self) -> dict[str, Any]:
        """A copy as the API shows it, without what only the resource's type knows how to add."""
        document: dict[str, Any] = {"id": str(self.id), "name": self.id.name, "type": self.id.type}
        if self.location:
            document["location"] = self.location
        if self.tags:
            document["tags"] = dict(self.tags)
        return {**document, **copy.deepcopy(self.extra), "properties": copy.deepcopy(self.properties)}


class Store:
    """Everything that exists, resource groups included, by lower-cased id. The world's lock guards it."""

    def __init__(self) -> None:
        self._resources: dict[str, Resource] = {}

    def __iter__(self) -> Iterator[Resource]:
        return iter(list(self._resources.values()))

    def add(self, resource: Resource) -> None:
        """Put a resource in, or in the place of the one with its id."""
        self._resources[resource.id.key] = resource

    def remove(self, resource: Resource) -> None:
        """Take it out; a resource that is not there any more is no error."""
        self._resources.pop(resource.id.key, None)

    def find(self, wanted: ResourceId | str) -> Resource | None:
        """The resource of an id, in whatever case; None when there is none."""
        return self._resources.get(str(wanted).lower())

    def get(self, wanted: ResourceId) -> Resource:
        """The resource of an id. Raises ResourceGroupNotFound, ResourceNotFound (404)."""
        self.group(wanted)
        found = self.find(wanted)
        if found is None:
            raise not_found(wanted)
        return found

    def group(self, wanted: ResourceId) -> Resource:
        """The resource group of an id. Raises ResourceGroupNotFound (404)."""
        found = self.find(ResourceId(wanted.subscription, wanted.group))
        if found is None:
            raise ArmError("ResourceGroupNotFound", f"Resource group '{wanted.group}' could not be found.", 404)
        return found

    def of_kind(self, type_name: str, scope: str = "") -> list[Resource]:
        """Resources of a full type (any case), below a subscription, group or resource id where one is given."""
        kind, prefix = type_name.lower(), f"{scope.lower()}/"
        return [r for key, r in self._resources.items() if r.id.kind == kind and (not scope or key.startswith(prefix))]

    def in_group(self, group: ResourceId) -> list[Resource]:
        """Every resource of a group, in the order in which they were made, with ARM's own records."""
        prefix = f"{ResourceId(group.subscription, group.group).key}/"
        return [resource for key, resource in self._resources.items() if key.startswith(prefix)]

    def all(self) -> list[Resource]:
        """Every resource but the groups, and but ARM's own records such as deployments."""
        return [resource for resource in self if _is_service(resource)]

    def users_of(self, wanted: ResourceId | str) -> list[Resource]:
        """The other resources that refer to an id or to something embedded in it (a subnet of a network)."""
        key = str(wanted).lower()
        return [
            resource
            for resource in self
            if not resource.id.key.startswith(key) and any(_is_or_within(ref, key) for ref in references(resource))
        ]

    def exists(self, wanted: str) -> bool:
        """Whether an id is that of a resource, or of a child embedded in one (a subnet, a security rule)."""
        key = wanted.lower()
        if key in self._resources:
            return True
        owner = self.find(ResourceId.parse(wanted).parent)
        return owner is not None and key in embedded(owner.properties)


def _is_service(resource: Resource) -> bool:
    return resource.id.provider.lower() not in ("", "microsoft.resources")


def references(resource: Resource) -> set[str]:
    """The ids, in lower case, that a resource's properties refer to: every object with an id that has no name."""
    return {found.lower() for found in _ids(resource.properties, named=False)}


def embedded(properties: object) -> set[str]:
    """The ids, in lower case, of the children that live inside a resource: every object with an id and a name."""
    return {found.lower() for found in _ids(properties, named=True)}


def not_found(wanted: ResourceId) -> ArmError:
    """ResourceNotFound for an id whose group exists."""
    named = "/".join(
        (wanted.provider, *(f"{kind}/{name}" for kind, name in zip(wanted.types, wanted.names, strict=True)))
    )
    return ArmError(
        "ResourceNotFound",
        f"The Resource '{named}' under resource group '{wanted.group}' was not found. "
        "For more details please go to https://aka.ms/ARMResourceNotFoundFix",
        404,
    )


def _is_or_within(reference: str, key: str) -> bool:
    return reference == key or reference.startswith(f"{key}/")


def _ids(value: object, named: bool) -> Iterator[str]:
    if isinstance(value, list):
        for item in value:
            yield from _ids(item, named)
    elif isinstance(value, dict):
        own = value.get("id")
        if isinstance(own, str) and own.lower().startswith("/subscriptions/") and ("name" in value) is named:
            yield own
        for inner in value.values():
            yield from _ids(inner, named)
