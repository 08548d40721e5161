"""The `$filter` expressions of ARM's generic lists, as far as ARM itself supports them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from gpucloud.sandbox.azure.store import Resource
from gpucloud.sandbox.azure.wire import ArmError

TERM = re.compile(r"\s*(\w+)\s+eq\s+'((?:[^']|'')*)'\s*", re.IGNORECASE)


@dataclass(frozen=True)
class Filter:
    """`name eq 'value'` terms that must all hold; one without terms lets everything pass."""

    terms: dict[str, str] = field(default_factory=dict)

    def matches(self, resource: Resource) -> bool:
        return self._tagged(resource) and all(
            _value(resource, name).lower() == value.lower() for name, value in self.terms.items() if name[:3] != "tag"
        )

    def _tagged(self, resource: Resource) -> bool:
        """Tag names are compared without case, their values with it."""
        name, value = self.terms.get("tagname"), self.terms.get("tagvalue")
        return name is None or any(
            key.lower() == name.lower() and value in (None, found) for key, found in resource.tags.items()
        )


def parse(text: str, allowed: Sequence[str]) -> Filter:
    """The filter in a query. Raises InvalidFilterInQueryString for what ARM does not support."""
    terms: dict[str, str] = {}
    known = {name.lower() for name in allowed}
    for part in re.split(r"\s+and\s+", text, flags=re.IGNORECASE) if text else []:
        term = TERM.fullmatch(part)
        if term is None or term[1].lower() not in known:
            raise ArmError(
                "InvalidFilterInQueryString",
                f"Invalid $filter '{text}' specified in the query string. The supported properties are "
                f"'{','.join(allowed)}'.",
            )
        terms[term[1].lower()] = term[2].replace("''", "'")
    if "tagname" in terms and len(terms) > 1 + ("tagvalue" in terms):
        raise ArmError(
            "InvalidFilterInQueryString",
            f"Invalid $filter '{text}' specified in the query string. Tags cannot be combined with other properties.",
        )
    return Filter(terms)


def _value(resource: Resource, name: str) -> str:
    return {
        "resourcetype": resource.id.type,
        "name": resource.id.name,
        "resourcegroup": resource.id.group,
        "location": resource.location,
    }[name]
