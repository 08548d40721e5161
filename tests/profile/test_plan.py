"""plan.json is a pure value of profile and stack."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from gpucloud import profile
from gpucloud.catalog import stack, types
from gpucloud.plan import make_plan
from gpucloud.resources import bootstrap_dir

GOLDEN = Path(__file__).parent / "plan.g4dn.json"
T4 = types.find("g4dn.xlarge")


def written(tmp_path: Path, text: str) -> profile.Profile:
    path = tmp_path / "p.yaml"
    path.write_text(text)
    return profile.load(str(path))


def test_the_plan_of_the_default_profile_on_a_g4dn() -> None:
    plan = make_plan(profile.load("default"), stack.choose(T4), "r261122-031500-k3x9")
    assert plan == json.loads(GOLDEN.read_text())
    assert json.loads(json.dumps(plan)) == plan


def test_the_runner_reads_the_plan() -> None:
    program = "import pathlib, sys, plan; print(*(s.id for s in plan.load(pathlib.Path(sys.argv[1])).stages))"
    argv = [sys.executable, "-c", program, str(GOLDEN)]
    done = subprocess.run(argv, capture_output=True, text=True, check=True, cwd=str(bootstrap_dir()))
    assert done.stdout.split() == ["system", "driver", "docker", "torch"]


def test_another_torch_leaves_the_other_stages_as_they_are() -> None:
    before, after = (
        {stage["id"]: stage for stage in make_plan(profile.load("default"), chosen, "r")["stages"]}
        for chosen in (stack.choose(T4), stack.choose(T4, torch="2.14.1"))
    )
    assert {name for name in before if before[name] != after[name]} == {"torch"}


def test_where_the_image_brings_torch_its_stage_is_left_out(tmp_path: Path) -> None:
    wanted = written(tmp_path, "stages: [system, torch, {id: mine, run: x, needs: [system, torch]}]")
    plan = make_plan(wanted, stack.choose(types.find("g5g.xlarge"), image="dlami"), "r")
    assert [(stage["id"], stage["needs"]) for stage in plan["stages"]] == [("system", []), ("mine", ["system"])]
    assert plan["image_brings"] == ["torch"]


def test_an_own_stage_sees_the_whole_stack(tmp_path: Path) -> None:
    (stage,) = make_plan(written(tmp_path, "stages: [{id: mine, run: x}]"), stack.choose(T4), "r")["stages"]
    assert stage["env"]["GPUCLOUD_DRIVER_BRANCH"] == "580"
    assert stage["env"]["GPUCLOUD_TORCH_VERSION"] == "2.15.0"
    assert stage["env"]["GPUCLOUD_GPU_NAME"] == "T4"


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        ("{env: {A: all}, stages: [system]}", "all"),
        ("{env: {A: all}, stages: [{id: system, env: {A: one}}]}", "one"),
    ],
)
def test_the_stages_own_environment_wins(tmp_path: Path, text: str, seen: str) -> None:
    (stage,) = make_plan(written(tmp_path, text), stack.choose(T4), "r")["stages"]
    assert stage["env"]["A"] == seen


def test_firmware_off_and_an_old_driver_reach_the_driver_stage() -> None:
    old = profile.load("t4-cuda11")
    stages = make_plan(old, stack.choose(T4, driver=old.driver, torch=old.torch), "r")["stages"]
    env = {key: value for stage in stages for key, value in stage["env"].items()}
    assert (env["GPUCLOUD_DRIVER_BRANCH"], env["GPUCLOUD_DRIVER_GSP"]) == ("470", "off")
    assert (env["GPUCLOUD_TORCH_VERSION"], env["GPUCLOUD_TORCH_INDEX"]) == ("2.7.1", "cu118")
