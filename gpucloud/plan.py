"""plan.json: what the runner on the GPU machine shall do. Made here as a plain value."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gpucloud.catalog.stack import Stack
from gpucloud.profile import BUILT_IN, Profile, Stage

VERSION = 1


def make_plan(profile: Profile, stack: Stack, run: str) -> dict[str, Any]:
    """The plan of a run, ready for JSON. Times are in seconds.

    The stage torch is left out where the stack has none, because the image has to bring it; `image_brings` says so,
    for verify to look at it all the same. Of the stack, each of our stages gets only what it reads, so that another
    torch does not make the driver stage run again; a stage of the user's gets all of it. The stage's own variables win
    over the profile's, and both over ours.
    """
    left_out = set() if stack.torch else {"torch"}
    stages = [_entry(stage, profile.env, stack, left_out) for stage in profile.stages if stage.id not in left_out]
    brought = [stage.id for stage in profile.stages if stage.id in left_out]
    return {"version": VERSION, "run": run, "stages": stages, "image_brings": brought}


def _entry(stage: Stage, shared: Mapping[str, str], stack: Stack, left_out: set[str]) -> dict[str, Any]:
    return {
        "id": stage.id,
        "run": stage.run,
        "check": stage.check,
        "needs": [need for need in stage.needs if need not in left_out],
        "locks": stage.locks,
        "timeout": stage.timeout,
        "retries": stage.retries,
        "reboot": stage.reboot,
        "env": {**_stack_env(stage.id, stack), **shared, **stage.env},
    }


def _stack_env(stage: str, stack: Stack) -> dict[str, str]:
    driver = {
        "GPUCLOUD_DRIVER_BRANCH": stack.branch,
        "GPUCLOUD_DRIVER_FLAVOUR": stack.flavour,
        "GPUCLOUD_DRIVER_GSP": "on" if stack.gsp else "off",
        "GPUCLOUD_GPU_NAME": stack.gpu,
    }
    torch = {
        "GPUCLOUD_TORCH_VERSION": stack.torch,
        "GPUCLOUD_TORCH_INDEX": stack.torch_index,
        "GPUCLOUD_PYTHON": stack.python,
    }
    if stage not in BUILT_IN:
        return {**driver, **torch}
    return {"driver": driver, "torch": torch}.get(stage, {})
