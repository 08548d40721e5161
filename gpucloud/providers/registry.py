"""Where each cloud lives. A cloud's module is imported when it is first asked for, because SDKs are slow to import."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import import_module
from types import ModuleType
from typing import Any, cast

from gpucloud.errors import UsageError
from gpucloud.providers.base import Provider

CLOUDS = {"aws": "gpucloud.providers.aws", "azure": "gpucloud.providers.azure"}
"""Cloud → dotted path of its module, which has `connect(settings, region, regions)` and `policy()`."""


def connect(cloud: str, settings: Mapping[str, Any], region: str, regions: Sequence[str] = ()) -> Provider:
    """The Provider of a cloud; calls no API.

    `settings` says how to reach that cloud; empty means the real one. `region` is where machines are made;
    `regions` are those that listings look at, besides it. Raises UsageError for a cloud that this version does
    not know, ConfigError if there is no region.
    """
    return cast(Provider, _module(cloud).connect(settings, region, regions))


def home_region(cloud: str, settings: Mapping[str, Any]) -> str:
    """The region that the cloud's own configuration names. Raises ConfigError if it names none."""
    return cast(str, _module(cloud).home_region(settings))


def policy(cloud: str) -> dict[str, Any]:
    """The least that the credentials of a cloud must allow, in that cloud's own form. Raises UsageError."""
    return cast("dict[str, Any]", _module(cloud).policy())


def _module(cloud: str) -> ModuleType:
    if cloud not in CLOUDS:
        raise UsageError(f"the cloud {cloud} is not supported", "", "this version knows " + ", ".join(sorted(CLOUDS)))
    return import_module(CLOUDS[cloud])
