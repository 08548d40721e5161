"""Settings that hold for every command: config.yaml, overridden by GPUCLOUD_* variables, overridden by flags."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from gpucloud.errors import ConfigError
from gpucloud.state import config_home


@dataclass(frozen=True)
class Host:
    """A machine that exists already. What is empty, and port 22, is as OpenSSH's own configuration says.

    `address` may be an alias of it. `key` is the path of a private key; `type` the instance type whose GPUs it has.
    """

    address: str
    user: str = ""
    port: int = 22
    key: str = ""
    type: str = ""


@dataclass(frozen=True)
class Config:
    """Every key of config.yaml, with its default.

    A cloud's machines are made in the first of `region` and `regions` that is a region of that cloud; listings look
    into all of them. `cloud` leaves only that one to be asked; empty means every one that can be.
    `ttl` is a duration such as `8h`; `allow_ssh_from` a CIDR, empty for the caller's own address;
    `scenario` names the sandbox's scenario or a scenario file; `ssh_config` is "on" or "off": may `ssh NAME` work?
    `hosts` are machines that exist already, by name; only the file can tell them.
    """

    cloud: str = ""
    region: str = ""
    regions: tuple[str, ...] = ()
    profile: str = "default"
    ttl: str = ""
    allow_ssh_from: str = ""
    scenario: str = ""
    ssh_config: str = "on"
    hosts: Mapping[str, Host] = field(default_factory=dict)
    flags: frozenset[str] = frozenset()
    """The keys that the command line set: what they say must hold, while the rest is what is preferred."""


KEYS = tuple(each.name for each in fields(Config) if each.name != "flags")
IN_ENVIRONMENT = tuple(key for key in KEYS if key != "hosts")
"""The keys that have a variable."""

_HOST_NAME = re.compile(r"[A-Za-z0-9][\w.-]*")
_WORD = re.compile(r"[^\s@-][^\s@]*")
"""What an address and a user may be: OpenSSH takes what begins with a dash for an option."""


def load(overrides: Mapping[str, str | None], environ: Mapping[str, str] = os.environ) -> Config:
    """The settings in force. `overrides` are flags; None or empty means not given. Raises ConfigError."""
    path = config_home() / "config.yaml"
    flags = {key: value for key, value in overrides.items() if value}
    sources: list[dict[str, Any]] = [flags, _from_environment(environ), _from_file(path)]
    values = {key: value for source in reversed(sources) for key, value in source.items()}
    if isinstance(regions := values.get("regions"), str):
        values["regions"] = [region.strip() for region in regions.split(",") if region.strip()]
    # A region that another one overrides may be the one of another cloud, which still holds there.
    overridden = [
        str(source["region"]) for source in sources if source.get("region") not in (None, values.get("region"))
    ]
    values["regions"] = tuple(dict.fromkeys([*overridden, *(values.get("regions") or ())]))
    if values.get("ssh_config", "on") not in ("on", "off"):
        raise ConfigError("ssh_config must be on or off", f"it is {values['ssh_config']!r}")
    return Config(**values, flags=frozenset(flags))


def _from_environment(environ: Mapping[str, str]) -> dict[str, Any]:
    given = {key: environ.get(f"GPUCLOUD_{key.upper()}") for key in IN_ENVIRONMENT}
    return {name: value for name, value in given.items() if value}


def _from_file(path: Path) -> dict[str, Any]:
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError) as exc:
        raise ConfigError(f"cannot read {path}", str(exc)) from exc
    import yaml

    try:
        content = yaml.safe_load(text) or {}
    except yaml.YAMLError as exc:
        raise ConfigError(f"{path} is not valid YAML", str(exc).replace("\n", " ")) from exc
    if not isinstance(content, dict):
        raise ConfigError(f"{path} must be a mapping", f"it is a {type(content).__name__}", "write lines `key: value`")
    return {key: _checked(path, key, value) for key, value in content.items()}


def _checked(path: Path, key: object, value: object) -> object:
    if key not in KEYS:
        raise ConfigError(f"{path}: {key}: unknown key", "", f"known keys: {', '.join(KEYS)}")
    if key == "regions" and isinstance(value, list) and all(isinstance(item, str) for item in value):
        return value
    if key == "hosts":
        return _hosts(f"{path}: hosts", value)
    if key == "ssh_config" and isinstance(value, bool):  # YAML reads a bare on or off as a truth value
        return "on" if value else "off"
    if key == "regions" or not isinstance(value, str):
        wanted = "a list of region names" if key == "regions" else "a string"
        raise ConfigError(f"{path}: {key}: must be {wanted}", f"it is {value!r}")
    return value


def _hosts(where: str, value: object) -> dict[str, Host]:
    if not isinstance(value, dict):
        raise ConfigError(f"{where}: must be a mapping of names", f"it is {value!r}", "write `NAME: {address: …}`")
    for name in value:
        if not isinstance(name, str) or not _HOST_NAME.fullmatch(name):
            raise ConfigError(f"{where}: {name!r} cannot be a name", "", "use letters, digits, dots, dashes and _")
    return {name: _host(f"{where}.{name}", content) for name, content in value.items()}


def _host(where: str, content: object) -> Host:
    if not isinstance(content, dict) or "address" not in content:
        raise ConfigError(f"{where}: must be a mapping with an address", f"it is {content!r}")
    return Host(**{str(key): _host_value(f"{where}.{key}", key, value) for key, value in content.items()})


def _host_value(where: str, key: object, value: object) -> Any:
    known = [each.name for each in fields(Host)]
    if key not in known:
        raise ConfigError(f"{where}: unknown key", "", f"known keys: {', '.join(known)}")
    if key == "port" and type(value) is int and 0 < value < 2**16:  # a YAML truth value is an int, too
        return value
    if key in ("address", "user") and isinstance(value, str) and _WORD.fullmatch(value):
        return value
    if key in ("key", "type") and isinstance(value, str):
        return os.path.expanduser(value) if key == "key" else value
    wanted = {"port": "a number from 1 to 65535", "address": "a host name, an address or an alias of OpenSSH's"}
    raise ConfigError(f"{where}: must be {wanted.get(str(key), 'a string')}", f"it is {value!r}")
