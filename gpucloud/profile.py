"""Profiles: what is installed on a machine, as a YAML file. profiles/default.yaml documents every key."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, ValidationError, field_validator, model_validator

from gpucloud.durations import parse_duration
from gpucloud.errors import ConfigError, UsageError
from gpucloud.profile_errors import describe, did_you_mean
from gpucloud.resources import profiles_dir
from gpucloud.state import config_home

BUILT_IN: Mapping[str, Mapping[str, Any]] = {
    "system": {"locks": ["apt"], "timeout": 900, "retries": 1},
    "driver": {"needs": ["system"], "locks": ["apt"], "timeout": 1800, "retries": 1, "reboot": "if-requested"},
    "docker": {"needs": ["system"], "locks": ["apt"], "timeout": 1200, "retries": 1},
    "torch": {"needs": ["system"], "timeout": 1800, "retries": 1},
}
"""The stages that gpucloud brings. torch holds no lock, so it runs beside driver and docker.
One retry each: a mirror that hiccups once must not cost the machine; explained failures are not tried again."""


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Stage(_Strict):
    """One stage. `run` and `check` are commands, relative to bootstrap/; `timeout` is in seconds."""

    id: str = Field(pattern=r"^[a-z][a-z0-9-]{0,30}$")
    run: str = Field(min_length=1)
    check: str = ""
    needs: list[str] = []
    locks: list[str] = []
    timeout: int = Field(default=1200, gt=0)
    retries: int = Field(default=0, ge=0, le=10)
    reboot: Literal["never", "if-requested"] = "never"
    env: dict[str, str] = {}

    @model_validator(mode="before")
    @classmethod
    def _fill_in(cls, value: object) -> object:
        """A built-in stage may be written as its id alone; its own keys override ours."""
        given: object = {"id": value} if isinstance(value, str) else value
        if not isinstance(given, dict):
            raise ValueError("must be the id of a built-in stage, or a mapping")
        name = given.get("id")
        if isinstance(name, str) and name in BUILT_IN:
            script = f"stages/{name}.sh"
            return {"run": script, "check": f"{script} --check", **BUILT_IN[name], **given}
        if isinstance(value, str):
            raise ValueError(f"unknown stage {value}{did_you_mean(value, BUILT_IN)}")
        return given


class Profile(_Strict):
    """What is installed on a machine. Empty means: as gpucloud would choose.

    `disk_gb` is in GB, `ttl` a duration, `driver` a branch, `torch` a version; `env` goes to every stage.
    """

    description: str = ""
    image: str = ""
    disk_gb: int = Field(default=100, gt=0)
    ttl: str = ""
    driver: str = ""
    torch: str = ""
    stages: list[Stage]
    env: dict[str, str] = {}
    _name: str = PrivateAttr(default="")

    @property
    def name(self) -> str:
        """The name of the file, without `.yaml`."""
        return self._name

    @field_validator("driver", mode="before")
    @classmethod
    def _branch(cls, value: object) -> object:
        """A branch looks like a number: `driver: 470` need not be quoted. `torch: 2.10` must be: it is 2.1 in YAML."""
        return str(value) if type(value) is int else value

    @field_validator("ttl")
    @classmethod
    def _ttl(cls, value: str) -> str:
        try:
            _ = value and parse_duration(value)
        except UsageError as exc:
            raise ValueError(f"{exc}: {exc.remedy}") from exc
        return value


def bundled() -> list[str]:
    """The names of the profiles that come with gpucloud."""
    return sorted(
        entry.name.removesuffix(".yaml") for entry in profiles_dir().iterdir() if entry.name.endswith(".yaml")
    )


def own() -> list[str]:
    """The names of the user's profiles. One that is called like a bundled profile takes its place."""
    return sorted(path.stem for path in _own_folder().glob("*.yaml"))


def load(name_or_path: str) -> Profile:
    """The profile of that name (the user's own first) or in that file. Raises ConfigError with the path to a fault."""
    place, shown = _locate(name_or_path)
    document = _read(place, shown)
    try:
        profile = Profile.model_validate(document)
    except ValidationError as exc:
        raise _refused(shown, describe(exc, {"": Profile.model_fields, "stages": Stage.model_fields})) from exc
    if faults := _faults_between_stages(profile.stages):
        raise _refused(shown, faults)
    profile._name = place.name.removesuffix(".yaml").removesuffix(".yml")
    return profile


def _own_folder() -> Path:
    return config_home() / "profiles"


def _locate(name_or_path: str) -> tuple[Traversable, str]:
    """The file, and how to call it in messages."""
    if "/" in name_or_path or name_or_path.endswith((".yaml", ".yml")):
        return Path(name_or_path).expanduser(), name_or_path
    if name_or_path in own():
        path = _own_folder() / f"{name_or_path}.yaml"
        return path, str(path)
    if name_or_path in bundled():
        return profiles_dir() / f"{name_or_path}.yaml", f"profiles/{name_or_path}.yaml"
    known = [*own(), *bundled()]
    near = get_close_matches(name_or_path, known, 3)
    hint = f"did you mean {' or '.join(near)}?" if near else f"there are {', '.join(known)}"
    raise ConfigError(f"no profile called {name_or_path}", "", hint)


def _read(place: Traversable, shown: str) -> dict[str, Any]:
    try:
        document = yaml.safe_load(place.read_text(encoding="utf-8"))
    except FileNotFoundError as exc:
        raise ConfigError(f"no such file: {shown}", "", "`gpucloud profile ls` lists the profiles") from exc
    except (OSError, UnicodeDecodeError) as exc:
        raise ConfigError(f"cannot read {shown}", str(exc)) from exc
    except yaml.YAMLError as exc:
        raise ConfigError(f"{shown} is not valid YAML", " ".join(str(exc).split())) from exc
    if not isinstance(document, dict):
        raise ConfigError(
            f"{shown} must be a mapping", f"it is a {type(document).__name__}", "write lines `key: value`"
        )
    return document


def _refused(shown: str, faults: list[str]) -> ConfigError:
    """One fault is the message; several are counted in it and all told."""
    if len(faults) == 1:
        return ConfigError(f"{shown}: {faults[0]}")
    return ConfigError(f"{shown}: {len(faults)} faults", "; ".join(faults))


def _faults_between_stages(stages: list[Stage]) -> list[str]:
    """What is wrong with the stages together: ids given twice, needs that are not there, circles."""
    ids = [stage.id for stage in stages]
    faults = [f"stages[{n}].id: {each} is there twice" for n, each in enumerate(ids) if each in ids[:n]]
    for n, stage in enumerate(stages):
        absent = [need for need in stage.needs if need not in ids]
        faults += [f"stages[{n}].needs: there is no stage {need}{did_you_mean(need, ids)}" for need in absent]
    return faults or _circles(stages)


def _circles(stages: list[Stage]) -> list[str]:
    waiting = {stage.id: set(stage.needs) for stage in stages}
    while free := [each for each, needs in waiting.items() if not needs & waiting.keys()]:
        for each in free:
            del waiting[each]
    return [f"stages: {', '.join(waiting)} wait for each other"] if waiting else []
