"""Settings that hold for every command: config.yaml, overridden by GPUCLOUD_* variables, overridden by flags."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from gpucloud.errors import ConfigError
from gpucloud.state import config_home


@dataclass(frozen=True)
class Config:
    """Every key of config.yaml, with its default. `regions` are the ones that listings look into besides `region`.

    `ttl` is a duration such as `8h`; `allow_ssh_from` a CIDR, empty for the caller's own address;
    `scenario` names the sandbox's scenario or a scenario file.
    """

    cloud: str = ""
    region: str = ""
    regions: tuple[str, ...] = ()
    profile: str = "default"
    ttl: str = ""
    allow_ssh_from: str = ""
    scenario: str = ""


def load(overrides: Mapping[str, str | None], environ: Mapping[str, str] = os.environ) -> Config:
    """The settings in force. `overrides` are flags; None or empty means not given. Raises ConfigError."""
    path = config_home() / "config.yaml"
    values = {**_from_file(path), **_from_environment(environ)}
    values.update({key: value for key, value in overrides.items() if value})
    if isinstance(regions := values.get("regions"), str):
        values["regions"] = [region.strip() for region in regions.split(",") if region.strip()]
    values["regions"] = tuple(values.get("regions") or ())
    return Config(**values)


def _from_environment(environ: Mapping[str, str]) -> dict[str, Any]:
    given = {field.name: environ.get(f"GPUCLOUD_{field.name.upper()}") for field in fields(Config)}
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
    known = [field.name for field in fields(Config)]
    if key not in known:
        raise ConfigError(f"{path}: {key}: unknown key", "", f"known keys: {', '.join(known)}")
    if key == "regions" and isinstance(value, list) and all(isinstance(item, str) for item in value):
        return value
    if key == "regions" or not isinstance(value, str):
        wanted = "a list of region names" if key == "regions" else "a string"
        raise ConfigError(f"{path}: {key}: must be {wanted}", f"it is {value!r}")
    return value
