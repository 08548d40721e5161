"""Is this request body what the API takes? The wire types of Azure's own SDKs know, and this compares the two.

The SDKs ship a TypedDict for every body (`azure.mgmt.*.types`), generated from the API's description. They are checked
here to the letter: unknown keys, missing keys, wrong types and values outside an enumeration are all findings.
"""

import enum
import typing
from collections.abc import Mapping
from functools import cache
from importlib import import_module
from types import ModuleType
from typing import Any, Literal, Required, TypedDict, Union, get_args, get_origin

from typing_extensions import is_typeddict

OPEN_ENUMS = frozenset({"VirtualMachineSizeTypes"})
"""Enumerations that lag behind the cloud: any text may be right."""

Finding = tuple[str, str]
"""Where in the body, as `properties/osProfile`, and what is wrong there."""


class ResourceGroup(TypedDict, total=False):
    """Resources 2021-04-01. Its SDK ships no wire types yet."""

    location: Required[str]
    tags: dict[str, str]


class DailyRecurrence(TypedDict, total=False):
    """`time` is four digits, hours and minutes."""

    time: Required[str]


class NotificationSettings(TypedDict, total=False):
    """Whether anybody is told before a shutdown."""

    status: Required[Literal["Enabled", "Disabled"]]


class ScheduleProperties(TypedDict, total=False):
    """DevTestLab 2018-09-15, as far as the shutdown of a VM needs it."""

    status: Required[Literal["Enabled", "Disabled"]]
    taskType: Required[Literal["ComputeVmShutdownTask"]]
    dailyRecurrence: Required[DailyRecurrence]
    timeZoneId: Required[str]
    targetResourceId: Required[str]
    notificationSettings: Required[NotificationSettings]


class Schedule(TypedDict, total=False):
    """There is no SDK for DevTestLab among the ones in use."""

    location: Required[str]
    tags: dict[str, str]
    properties: Required[ScheduleProperties]


def findings(body: object, kind: str, package: str = "") -> list[Finding]:
    """What the API would not take of a body of this kind, e.g. `VirtualMachine` of `compute`; empty means all right.

    Without a package the kinds of this module are meant.
    """
    names = _names(package) if package else globals()
    return list(_compare(body, names[kind], names, ""))


@cache
def _names(package: str) -> Mapping[str, Any]:
    """The wire types of an SDK by name, and its enumerations as the literals that they stand for."""
    types = import_module(f"azure.mgmt.{package}.types")
    return {**_enums(import_module(f"azure.mgmt.{package}.models")), **vars(types)}


def _enums(models: ModuleType) -> dict[str, Any]:
    kinds = {
        name: kind for name, kind in vars(models).items() if isinstance(kind, type) and issubclass(kind, enum.Enum)
    }
    return {
        name: str if name in OPEN_ENUMS else Literal[tuple(member.value for member in kind)]
        for name, kind in kinds.items()
    }


def _compare(value: object, wanted: Any, names: Mapping[str, Any], path: str) -> typing.Iterator[Finding]:
    wanted = _resolve(wanted, names)
    origin, inner = get_origin(wanted), get_args(wanted)
    if is_typeddict(wanted):
        yield from _compare_fields(value, wanted, names, path)
    elif origin is Literal:
        if value not in inner:
            yield path, f"{value!r} is none of {', '.join(map(repr, inner))}"
    elif origin is Union:
        choices = [list(_compare(value, choice, names, path)) for choice in inner]
        if all(choices):
            yield from choices[0]
    elif origin in (list, dict):
        if isinstance(value, origin):
            for at, item in value.items() if isinstance(value, dict) else enumerate(value):
                yield from _compare(item, inner[-1], names, f"{path}/{at}")
        else:
            yield path, f"{value!r} is no {origin.__name__}"
    elif wanted is not Any and not _is(value, wanted):
        yield path, f"{value!r} is no {wanted.__name__}"


def _compare_fields(value: object, wanted: Any, names: Mapping[str, Any], path: str) -> typing.Iterator[Finding]:
    if not isinstance(value, dict):
        yield path, f"{value!r} is no {wanted.__name__}"
        return
    fields = wanted.__annotations__
    for key in fields:
        if key not in value and _is_required(wanted, key):
            yield f"{path}/{key}", "is missing"
    for key, item in value.items():
        if key in fields:
            yield from _compare(item, fields[key], names, f"{path}/{key}")
        else:
            yield f"{path}/{key}", f"is no field of {wanted.__name__}"


def _is_required(kind: Any, key: str) -> bool:
    """Generated subclasses forget `total=False`, so only the marker counts."""
    return get_origin(kind.__annotations__[key]) is Required


def _resolve(wanted: Any, names: Mapping[str, Any]) -> Any:
    """Follow names, take `Required` off, and make `str | SomeEnum`, as the SDKs write it, the enumeration alone."""
    if isinstance(wanted, typing.ForwardRef):
        return _resolve(wanted.__forward_arg__, names)
    if isinstance(wanted, str):
        return _resolve(names[wanted], names)
    if get_origin(wanted) is Required:
        return _resolve(get_args(wanted)[0], names)
    if get_origin(wanted) is Union and str in get_args(wanted):
        (enumeration,) = (choice for choice in get_args(wanted) if choice is not str)
        return _resolve(enumeration, names)
    return wanted


def _is(value: object, kind: type) -> bool:
    """Types to the letter, except that a whole number is a number too; in Python, not in JSON, True is an int."""
    return type(value) is kind or (kind is float and type(value) is int)
