"""Resource ids of Azure Resource Manager: what a path names. Compared without case, kept as they were written."""

from __future__ import annotations

from dataclasses import dataclass, replace

SUBSCRIPTION = "Microsoft.Resources/subscriptions"
GROUP = "Microsoft.Resources/resourceGroups"


@dataclass(frozen=True)
class ResourceId:
    """An id: `/subscriptions/…[/resourceGroups/…][/providers/NS/type/name[/type/name…]]`, or a part of one.

    `base` is the id of the resource that this one extends (`{base}/providers/Microsoft.Resources/tags/default`).
    """

    subscription: str = ""
    group: str = ""
    provider: str = ""
    types: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    base: str = ""

    @classmethod
    def parse(cls, path: str) -> ResourceId:
        """The id in a path; of a path that names no single resource, the id before its last word (see `split`)."""
        return split(path)[0]

    def __str__(self) -> str:
        pairs = "".join(f"/{kind}/{name}" for kind, name in zip(self.types, self.names, strict=True))
        above = self.base or self.scope
        return f"{above}/providers/{self.provider}{pairs}" if self.provider else above

    @property
    def key(self) -> str:
        """The id as resources are looked up by it: lower case."""
        return str(self).lower()

    @property
    def scope(self) -> str:
        """The subscription or the resource group that this belongs to."""
        group = f"/resourceGroups/{self.group}" if self.group else ""
        return f"/subscriptions/{self.subscription}{group}" if self.subscription else ""

    @property
    def name(self) -> str:
        return self.names[-1] if self.names else self.group or self.subscription

    @property
    def type(self) -> str:
        """The full resource type, `Microsoft.Compute/virtualMachines`."""
        if not self.provider:
            return GROUP if self.group else SUBSCRIPTION if self.subscription else ""
        return "/".join((self.provider, *self.types))

    @property
    def kind(self) -> str:
        """The type in lower case, for comparison."""
        return self.type.lower()

    @property
    def parent(self) -> ResourceId:
        """The resource above; of a top-level resource, its resource group."""
        if len(self.types) > 1:
            return replace(self, types=self.types[:-1], names=self.names[:-1])
        return ResourceId(self.subscription, self.group)

    def child(self, kind: str, name: str) -> ResourceId:
        """The resource `kind`/`name` below this one."""
        return replace(self, types=(*self.types, kind), names=(*self.names, name))

    def beside(self, type_name: str, name: str) -> ResourceId:
        """A top-level resource of a full type (`Microsoft.Compute/disks`) in the same resource group."""
        provider, _, kind = type_name.partition("/")
        return ResourceId(self.subscription, self.group, provider, (kind,), (name,))


def split(path: str) -> tuple[ResourceId, str]:
    """The id in a path, and the last word when that is no name: a list's type, or an action ("" when there is none)."""
    words = [word for word in path.split("/") if word]
    found = ResourceId()
    if words and words[0].lower() == "subscriptions" and len(words) > 1:
        found, words = replace(found, subscription=words[1]), words[2:]
    if len(words) > 1 and words[0].lower() == "resourcegroups":
        found, words = replace(found, group=words[1]), words[2:]
    while len(words) > 1 and words[0].lower() == "providers":
        found, words = _below_provider(found, words)
    return found, "/".join(words)


def _below_provider(before: ResourceId, words: list[str]) -> tuple[ResourceId, list[str]]:
    """`providers/NS/type/name…` up to the next `providers` that extends the resource; and the words left over."""
    base = str(before) if before.provider else ""
    pairs: list[list[str]] = []
    rest = words[2:]
    # `Microsoft.Features/providers/Microsoft.Compute/…` has a type of that name: an extension follows a whole pair.
    while len(rest) > 1 and not (pairs and rest[0].lower() == "providers"):
        pairs.append(rest[:2])
        rest = rest[2:]
    types, names = tuple(kind for kind, _ in pairs), tuple(name for _, name in pairs)
    return replace(before, provider=words[1], types=types, names=names, base=base), rest
