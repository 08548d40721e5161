"""The state of the embedded Azure: one tenant with one subscription, its resources and operations, kept on disk."""

from __future__ import annotations

import secrets
from collections import Counter
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from gpucloud.sandbox.azure.ids import ResourceId
from gpucloud.sandbox.azure.operations import Operation, end
from gpucloud.sandbox.azure.store import Resource, Store, references
from gpucloud.sandbox.azure.wire import ArmError, Call, Reply
from gpucloud.sandbox.scenario import AzureFault
from gpucloud.sandbox.shared import Shared
from gpucloud.sandbox.statefile import StateFile

if TYPE_CHECKING:
    from gpucloud.sandbox.azure.resources import ResourceType
    from gpucloud.sandbox.azure.routes import Router

# Ids that open nothing but the sandbox; the readable part says so in every log.
TENANT = "6c006c00-0000-4000-8000-73616e64626f"
SUBSCRIPTION = "5b005b00-0000-4000-8000-73616e64626f"
CLIENT_ID = "c11ec11e-0000-4000-8000-73616e64626f"
OBJECT_ID = "0b1ec700-0000-4000-8000-73616e64626f"
GUEST_PREFIX = "az-"  # of the ids of guests behind VMs: the clouds of one sandbox share the guests
STATE_VERSION = 2


class AzureWorld:
    """Everything that calls, timers and guests share. Whoever reads or changes it holds `shared.lock`.

    `router` knows every handler and resource type; `fired` counts how often each of the scenario's
    faults was used; `registered` and `features` are changes of the account by API (namespace or feature → state).
    """

    home = "eastus"  # the region of what has none
    router: Router

    def __init__(self, shared: Shared, state_file: Path) -> None:
        self.shared, self.state_file = shared, StateFile(state_file, STATE_VERSION)
        self.fired: Counter[AzureFault] = Counter()
        self.signing_key = secrets.token_bytes(32)
        self._forget()
        shared.addresses.append(self._addresses)

    def _forget(self) -> None:
        self.store = Store()
        self.operations: dict[str, Operation] = {}
        self.registered: dict[str, str] = {}
        self.features: dict[str, str] = {}

    def _addresses(self) -> set[str]:
        return {str(address) for resource in self.store if (address := resource.properties.get("ipAddress"))}

    def type_of(self, resource: Resource) -> ResourceType | None:
        """The description of a resource's type; None for a type that is not modelled."""
        return self.router.types.get(resource.id.kind)

    def view(self, resource: Resource) -> dict[str, Any]:
        """A resource as the API shows it."""
        document, kind = resource.view(), self.type_of(resource)
        if kind is not None:
            if kind.etag:
                document["etag"] = f'W/"{resource.etag}"'
            kind.view(self, resource, document)
        return document

    def page(self, call: Call, items: list[Any]) -> Reply:
        """One page of a list, with nextLink when there are more. `$top` asks for smaller pages."""
        try:
            begin, asked = int(call.parameter("$skiptoken") or 0), int(call.parameter("$top") or 0)
        except ValueError as error:
            raise ArmError("InvalidQueryParameter", f"The paging parameters are invalid: {error}.") from error
        size = min(asked or 1_000_000, self.shared.scenario.azure.page_size)
        document: dict[str, Any] = {"value": items[begin : begin + size]}
        if len(items) > begin + size:
            query = urlencode({**call.query, "$skiptoken": begin + size})
            document["nextLink"] = f"{call.origin}{call.raw_path}?{query}"
        return Reply(200, document)

    def seconds(self, action: str, default: float) -> float:
        """How long an operation takes: what the scenario says of its action, else `default`."""
        answer = default
        for pattern, seconds in self.shared.scenario.azure.operation_seconds.items():
            if fnmatchcase(action, pattern):
                answer = seconds
        return answer

    def check_references(self, resource: Resource) -> None:
        """Raise InvalidResourceReference when a resource refers to what does not exist."""
        for reference in sorted(references(resource)):
            if not self.store.exists(reference):
                raise ArmError(
                    "InvalidResourceReference",
                    f"Resource {_as_written(resource.properties, reference)} referenced by resource {resource.id} was "
                    "not found. Please make sure that the referenced resource exists, and that both resources are in "
                    "the same region.",
                )

    def remove(self, resource: Resource) -> None:
        """Take a resource out of the world, with what its type does when it goes (a guest, an attached disk)."""
        self.store.remove(resource)
        kind = self.type_of(resource)
        if kind is not None:
            kind.removed(self, resource)

    def guests_of(self, wanted: ResourceId) -> list[str]:
        """The ids of the guests behind a resource, or behind those in a group."""
        return [
            str(resource.private["guest"])
            for resource in self.store
            if "guest" in resource.private and f"{resource.id.key}/".startswith(f"{wanted.key}/")
        ]

    def on_power(self, guest: str, what: str) -> None:
        """A guest switched itself off (`poweroff`) or boots again (`reboot`): the type of its resource knows more."""
        with self.shared.lock:
            for resource in self.store:
                kind = self.type_of(resource)
                if resource.private.get("guest") == guest and kind is not None:
                    kind.powered(self, resource, what)
            self.save()

    def restore(self) -> None:
        """After a restart of the daemon: what was under way ends now, and each type looks after its guests."""
        for operation in list(self.operations.values()):
            end(self, operation)
        kept = {guest for guest in self.shared.guests.list() if guest.startswith(GUEST_PREFIX)}
        for resource in self.store:
            kind = self.type_of(resource)
            if kind is not None:
                kind.restored(self, resource, resource.private.get("guest") in kept)
        for stray in kept - {str(resource.private.get("guest")) for resource in self.store}:
            self.shared.guests.destroy(stray)

    def save(self) -> None:
        """Write the whole state, atomically."""
        state = {
            "signing_key": self.signing_key,
            "store": self.store,
            "operations": self.operations,
            "registered": self.registered,
            "features": self.features,
        }
        self.state_file.write(state)

    def load(self) -> bool:
        """Take over the state of an earlier daemon; False when there is none of this version."""
        state = self.state_file.read()
        if state is None:
            return False
        self.signing_key, self.store, self.operations = state["signing_key"], state["store"], state["operations"]
        self.registered, self.features = state["registered"], state["features"]
        return True

    def clear(self) -> None:
        """Back to an empty subscription. Tokens that were given out stay good."""
        self._forget()
        self.fired.clear()
        self.save()


def _as_written(value: object, reference: str) -> str:
    """A reference as the client wrote it, from its lower-case form."""
    if isinstance(value, dict):
        if str(value.get("id", "")).lower() == reference:
            return str(value["id"])
        value = list(value.values())
    if isinstance(value, list):
        return next((found for item in value if (found := _as_written(item, reference))), "")
    return ""
