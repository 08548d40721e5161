"""Profiles: what is bundled, where the user's are, and how a fault is told."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from gpucloud import profile
from gpucloud.catalog import stack, types
from gpucloud.errors import ConfigError, ExitStatus
from gpucloud.resources import bootstrap_dir, profiles_dir


def write(folder: Path, text: str, name: str = "mine.yaml") -> str:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(text)
    return str(folder / name)


def refused(path: str) -> ConfigError:
    with pytest.raises(ConfigError) as caught:
        profile.load(path)
    assert caught.value.status is ExitStatus.PREFLIGHT
    return caught.value


def test_the_bundled_profiles() -> None:
    assert profile.bundled() == ["default", "minimal", "t4-cuda11"]


@pytest.mark.parametrize("name", profile.bundled())
def test_a_bundled_profile_is_valid_and_goes_onto_a_t4(name: str) -> None:
    loaded = profile.load(name)
    assert loaded.name == name
    assert loaded.description
    assert stack.choose(types.find("g4dn.xlarge"), driver=loaded.driver, torch=loaded.torch).torch


@pytest.mark.parametrize("name", profile.BUILT_IN)
def test_every_built_in_stage_has_its_script(name: str) -> None:
    assert (bootstrap_dir() / "stages" / f"{name}.sh").is_file()


def test_torch_runs_beside_the_driver() -> None:
    torch, driver = (next(s for s in profile.load("default").stages if s.id == name) for name in ("torch", "driver"))
    assert torch.needs == driver.needs == ["system"]
    assert not set(torch.locks) & set(driver.locks)
    assert (driver.reboot, driver.timeout, torch.timeout) == ("if-requested", 1800, 1800)


def test_the_default_profile_documents_every_key() -> None:
    text = (profiles_dir() / "default.yaml").read_text(encoding="utf-8")
    keys = {*profile.Profile.model_fields, *profile.Stage.model_fields}
    assert {key for key in keys if not re.search(rf"\b{key}:", text)} == set()


def test_what_the_default_profile_shows_in_comments_is_valid(tmp_path: Path) -> None:
    text = (profiles_dir() / "default.yaml").read_text(encoding="utf-8")
    settings = re.findall(r"^# (\w+: \S+)$", text, re.MULTILINE)
    stages = yaml.safe_load("\n".join(re.findall(r"^# (  (?:- id:|  \w+: ).*)$", text, re.MULTILINE)))
    shown = {**yaml.safe_load("\n".join(settings)), "stages": ["system", *stages]}
    loaded = profile.load(write(tmp_path, yaml.safe_dump(shown)))
    assert [stage.id for stage in loaded.stages] == ["system", "docker", "editor"]
    assert (loaded.ttl, loaded.driver, loaded.torch, loaded.image) == ("8h", "580", "2.7.1+cu118", "ubuntu-24.04")


def test_the_users_profile_is_found_by_name_and_comes_first(config_home: Path) -> None:
    write(config_home / "profiles", "{description: my own, stages: [system]}", "default.yaml")
    assert profile.own() == ["default"]
    assert profile.load("default").description == "my own"


def test_a_profile_is_found_by_path(tmp_path: Path) -> None:
    loaded = profile.load(write(tmp_path, "stages: [system]", "some.yaml"))
    assert (loaded.name, loaded.disk_gb, loaded.ttl) == ("some", 100, "")


def test_an_unknown_name_brings_near_matches() -> None:
    error = refused("defualt")
    assert (error.what, error.remedy) == ("no profile called defualt", "did you mean default?")
    assert refused("zzz").remedy == "there are default, minimal, t4-cuda11"


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    assert refused(str(tmp_path / "no.yaml")).what == f"no such file: {tmp_path}/no.yaml"


def test_a_built_in_stage_can_be_changed_key_by_key(tmp_path: Path) -> None:
    path = write(tmp_path, "stages: [system, {id: docker, timeout: 2400}]")
    docker = profile.load(path).stages[1]
    assert (docker.timeout, docker.run, docker.locks) == (2400, "stages/docker.sh", ["apt"])


def test_an_own_stage_needs_only_id_and_run(tmp_path: Path) -> None:
    stage = profile.load(write(tmp_path, "stages: [{id: mine, run: 'true'}]")).stages[0]
    assert (stage.run, stage.check, stage.timeout, stage.retries, stage.reboot) == ("true", "", 1200, 0, "never")


FAULTS = [
    ("{stages: [system, driver, {id: docker, tiemout: 3}]}", "stages[2].tiemout: unknown key (did you mean timeout?)"),
    ("{stages: [system], diskgb: 3}", "diskgb: unknown key (did you mean disk_gb?)"),
    ("{stages: [system], colour: red}", "colour: unknown key"),
    ("{description: x}", "stages: is missing"),
    ("{stages: [system, dokcer]}", "stages[1]: unknown stage dokcer (did you mean docker?)"),
    ("{stages: [7]}", "stages[0]: must be the id of a built-in stage, or a mapping"),
    ("{stages: system}", "stages: must be a list"),
    ("{stages: [{id: mine}]}", "stages[0].run: is missing"),
    ("{stages: [driver]}", "stages[0].needs: there is no stage system"),
    ("{stages: [system, system]}", "stages[1].id: system is there twice"),
    ("{stages: [{id: a, run: x, needs: [b]}, {id: b, run: x, needs: [a]}]}", "stages: a, b wait for each other"),
    ("{stages: [system], torch: 2.10}", "torch: must be a string: write it in quotes"),
    ("{stages: [system], env: {A: 1}}", "env.A: must be a string: write it in quotes"),
    ("{stages: [system], disk_gb: big}", "disk_gb: must be a whole number"),
    (
        "{stages: [system], ttl: 8}",
        "ttl: must be a string: write it in quotes",
    ),
    (
        "{stages: [system], ttl: soon}",
        "ttl: bad duration 'soon': use minutes, hours and days, such as 30m, 8h, 1h30m or 2d",
    ),
    ("{stages: [{id: a, run: x, reboot: always}]}", "stages[0].reboot: input should be 'never' or 'if-requested'"),
]


@pytest.mark.parametrize(("text", "fault"), FAULTS, ids=[fault for _, fault in FAULTS])
def test_a_fault_is_told_with_the_path_to_its_key(tmp_path: Path, text: str, fault: str) -> None:
    path = write(tmp_path, text)
    assert refused(path).what == f"{path}: {fault}"


def test_several_faults_are_all_told(tmp_path: Path) -> None:
    error = refused(write(tmp_path, "{stages: [system, {id: docker, tiemout: 3}], disk_gb: big}"))
    assert error.what.endswith("2 faults")
    assert "disk_gb" in error.why and "tiemout" in error.why


@pytest.mark.parametrize("text", ["[a, b]", "", "just words"])
def test_a_file_that_is_no_mapping_is_refused(tmp_path: Path, text: str) -> None:
    assert "must be a mapping" in refused(write(tmp_path, text)).what


def test_broken_yaml_is_told_with_its_line(tmp_path: Path) -> None:
    error = refused(write(tmp_path, "stages: [system\ndisk_gb: 3\n"))
    assert "is not valid YAML" in error.what and "line 2" in error.why
