"""Which members the body of each resource type may have: the SDKs' own description of the API, in schemas.json."""

from __future__ import annotations

import json
from functools import cache
from importlib import resources
from typing import Any

from gpucloud.sandbox.azure.wire import ArmError

JSON_TYPES: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
}


class _Wrong(Exception):
    """A value that does not fit: what is said of it, and its path (`properties.storageProfile`)."""

    def __init__(self, text: str, path: str) -> None:
        super().__init__(text)
        self.text, self.path = text, path


def check(type_name: str, body: dict[str, Any], method: str = "PUT") -> dict[str, Any]:
    """A copy of a body with members and enumerated values as the API writes them, which it takes in any case.

    Raises ArmError with the code of the type's service for a member that it does not have and for a wrong value. A
    type that is not described passes as it is.
    """
    schemas = _schemas()
    name = schemas["bodies"].get(f"{type_name}:{method}") or schemas["bodies"].get(type_name)
    if name is None:
        return body
    try:
        checked: dict[str, Any] = _value(name, body, "")
    except _Wrong as wrong:
        raise _refusal(type_name, wrong) from wrong
    return checked


@cache
def _schemas() -> dict[str, Any]:
    text = (resources.files("gpucloud.sandbox.azure") / "schemas.json").read_text()
    document: dict[str, Any] = json.loads(text)
    return document


def _value(kind: str, value: Any, path: str) -> Any:
    """A value of a kind as schemas.json names it: `[]` of, `{}` of, a class, an enum or a plain one."""
    if kind.startswith("[]"):
        _must_be(list, "a JSON array", value, path)
        return [_value(kind[2:], item, f"{path}[{index}]") for index, item in enumerate(value)]
    if kind.startswith("{}"):
        _must_be(dict, "a JSON object", value, path)
        return {name: _value(kind[2:], item, f"{path}.{name}".lstrip(".")) for name, item in value.items()}
    if kind in _schemas()["objects"]:
        return _object(kind, value, path)
    if kind in _schemas()["enums"]:
        return _enumerated(kind, value, path)
    wanted = JSON_TYPES.get(kind)
    # To JSON a boolean is no number, to Python it is.
    if wanted and (not isinstance(value, wanted) or (isinstance(value, bool) and kind != "boolean")):
        raise _Wrong(f"Error converting value {json.dumps(value)} to type '{kind}'.", path)
    return value


def _object(kind: str, value: Any, path: str) -> dict[str, Any]:
    _must_be(dict, "a JSON object", value, path)
    members = {name.lower(): (name, inner) for name, inner in _schemas()["objects"][kind].items()}
    found = {}
    for name, item in value.items():
        inside = f"{path}.{name}".lstrip(".")
        if name.lower() not in members:
            short = kind.rpartition(".")[2] if path else "ResourceDefinition"
            raise _Wrong(f"Could not find member '{name}' on object of type '{short}'.", inside)
        known, inner = members[name.lower()]
        found[known] = _value(inner, item, inside)
    return found


def _enumerated(kind: str, value: Any, path: str) -> str:
    known = {name.lower(): str(name) for name in _schemas()["enums"][kind]}
    if not isinstance(value, str) or value.lower() not in known:
        raise _Wrong(f"Error converting value {json.dumps(value)} to type '{kind.rpartition('.')[2]}'.", path)
    return known[value.lower()]


def _must_be(wanted: type, words: str, value: Any, path: str) -> None:
    if not isinstance(value, wanted):
        raise _Wrong(f"Cannot deserialize the current value {json.dumps(value)}: {words} is required.", path)


def _refusal(type_name: str, wrong: _Wrong) -> ArmError:
    """The error as the service words it: ARM itself for all but the properties, then compute and network each."""
    text = f"{wrong.text} Path '{wrong.path}', line 1, position 1."
    if not wrong.path.startswith("properties.") or type_name.lower().startswith("microsoft.resources/"):
        return ArmError(
            "InvalidRequestContent", f"The request content was invalid and could not be deserialized: '{text}'."
        )
    if type_name.lower().startswith("microsoft.network/"):
        details = [{"code": "InvalidJson", "message": text}]
        return ArmError("InvalidRequestFormat", "Cannot parse the request.", details=details)
    return ArmError("BadRequest", text, target=wrong.path)
