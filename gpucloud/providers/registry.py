"""Where each cloud lives. A cloud's module is imported when it is first asked for, because SDKs are slow to import."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from importlib import import_module
from types import ModuleType
from typing import Any, cast

from gpucloud.errors import UsageError
from gpucloud.providers.base import Provider

CLOUDS = {
    "aws": "gpucloud.providers.aws",
    "azure": "gpucloud.providers.azure",
    "hosts": "gpucloud.providers.hosts",
}
"""Cloud → dotted path of its module, which has the functions of this one, without `cloud`, and what two of them tell as
LISTS_EVERY_REGION and MAKES_MACHINES."""

# Said to whoever imports requests without PySocks, and silenced by requests: in vain if another thread imports botocore
# just then, for Python's list of filters is one for all threads, and botocore puts back an older one.
warnings.filterwarnings("ignore", message="SOCKS support in urllib3 requires")


def connect(cloud: str, settings: Mapping[str, Any], region: str, regions: Sequence[str] = ()) -> Provider:
    """The Provider of a cloud; calls no API.

    `settings` says how to reach that cloud; empty means the real one. `region` is where machines are made;
    `regions` are those that listings look at, besides it. Raises UsageError for a cloud that this version does
    not know, ConfigError if there is no region.
    """
    return cast(Provider, _module(cloud).connect(settings, region, regions))


def home_region(cloud: str, settings: Mapping[str, Any]) -> str:
    """The region that the cloud's own configuration names. Raises NotConfigured if it names none.

    Raises NoCredentials instead where it is plain that there are none either: that is what has to be mended first.
    """
    return cast(str, _module(cloud).home_region(settings))


def lists_every_region(cloud: str) -> bool:
    """Does the cloud list the machines of all its regions whichever it is asked in? Then nobody has to name one."""
    return cast(bool, _module(cloud).LISTS_EVERY_REGION)


def makes_machines(cloud: str) -> bool:
    """Can machines be made there? Else it knows those of its settings only, and without settings it is not asked."""
    return cast(bool, _module(cloud).MAKES_MACHINES)


def policy(cloud: str) -> dict[str, Any]:
    """The least that the credentials of a cloud must allow, in that cloud's own form. Raises UsageError."""
    return cast("dict[str, Any]", _module(cloud).policy())


def _module(cloud: str) -> ModuleType:
    if cloud not in CLOUDS:
        raise UsageError(f"the cloud {cloud} is not supported", "", "this version knows " + ", ".join(sorted(CLOUDS)))
    return import_module(CLOUDS[cloud])
