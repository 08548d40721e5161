"""nvidia-ctk, nvidia-container-cli and the container runtime's own programs."""

from __future__ import annotations

import argparse
import json
from typing import Any

from . import docker, state

VERSION = "1.18.0"


def main(argv: list[str]) -> int:
    """nvidia-ctk: `--version`, `runtime configure`, `cdi generate` and `cdi list`."""
    if "--version" in argv:
        state.say(f"NVIDIA Container Toolkit CLI version {VERSION}\ncommit: simulated")
        return 0
    words = [word for word in argv if not word.startswith("-")][:2]
    if words == ["runtime", "configure"]:
        return configure(argv[argv.index("configure") + 1 :])
    if words == ["cdi", "generate"]:
        return generate(argv[argv.index("generate") + 1 :])
    if words == ["cdi", "list"]:
        return list_devices()
    state.complain("Incorrect usage. [simulated]")
    return 1


def configure(argv: list[str]) -> int:
    """Add the nvidia runtime to docker's daemon.json and leave the rest of it as it is."""
    parser = argparse.ArgumentParser(prog="nvidia-ctk runtime configure")
    parser.add_argument("--runtime", default="docker")
    parser.add_argument("--config", default=docker.CONFIG)
    parser.add_argument("--set-as-default", "--nvidia-set-as-default", action="store_true", dest="default")
    parser.add_argument("--cdi.enabled", "--enable-cdi", action="store_true", dest="cdi")
    options = parser.parse_args(argv)
    file = state.path(options.config)
    config: dict[str, Any] = json.loads(file.read_text()) if file.exists() else {}
    config.setdefault("runtimes", {})["nvidia"] = {"args": [], "path": "nvidia-container-runtime"}
    if options.default:
        config["default-runtime"] = "nvidia"
    if options.cdi:
        config.setdefault("features", {})["cdi"] = True
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(config, indent=4))
    log(f"Wrote updated config to {options.config}")
    log(f"It is recommended that {options.runtime} daemon be restarted.")
    return 0


def generate(argv: list[str]) -> int:
    """Write the CDI spec to --output, else to stdout. It needs a working driver, as the real one does."""
    parser = argparse.ArgumentParser(prog="nvidia-ctk cdi generate")
    parser.add_argument("--output", default="")
    options, _ = parser.parse_known_args(argv)
    error = state.driver_error()
    if error:
        why = f"failed to initialize NVML: {nvml_name(error.code)}"
        log(f"failed to generate CDI spec: failed to create device CDI specs: {why}", "error")
        return 1
    text = json.dumps(spec(), indent=2) + "\n"
    if not options.output:
        state.say(text)
        return 0
    file = state.path(options.output)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    log("Generated CDI spec with version 0.8.0")
    return 0


def nvml_name(code: int) -> str:
    return {9: "ERROR_DRIVER_NOT_LOADED", 18: "ERROR_LIB_RM_VERSION_MISMATCH"}.get(code, "ERROR_NOT_FOUND")


def spec() -> dict[str, Any]:
    gpus = state.gpus()
    names = [(str(gpu["index"]), [gpu["index"]]) for gpu in gpus] + [(gpu["uuid"], [gpu["index"]]) for gpu in gpus]
    names.append(("all", [gpu["index"] for gpu in gpus]))
    devices = [
        {"name": name, "containerEdits": {"deviceNodes": [{"path": f"/dev/nvidia{index}"} for index in indexes]}}
        for name, indexes in names
    ]
    return {"cdiVersion": "0.8.0", "kind": "nvidia.com/gpu", "devices": devices, "annotations": {"simulated": "true"}}


def list_devices() -> int:
    names = docker.cdi_devices()
    log(f"Found {len(names)} CDI devices")
    for name in names:
        state.say(name)
    return 0


def log(text: str, level: str = "INFO") -> None:
    state.complain(f'time="[simulated]" level={level.lower()} msg="{text}"')


def container_cli(argv: list[str]) -> int:
    """nvidia-container-cli: `-V` and `info`."""
    if "-V" in argv or "--version" in argv:
        state.say(f"cli-version: {VERSION}\nlib-version: {VERSION}\nbuild: simulated")
        return 0
    error = state.driver_error()
    if error:
        state.complain(f"nvidia-container-cli: initialization error: nvml error: {nvml_name(error.code).lower()}")
        return 1
    state.say("NVRM version:   {}\nCUDA version:   {}\n".format(state.loaded()["nvidia"], state.driver_cuda()))
    for gpu in state.gpus():
        state.say(f"Device Index:   {gpu['index']}\nModel:          {gpu['name']}\nGPU UUID:       {gpu['uuid']}")
    return 0


def runtime(argv: list[str]) -> int:
    """The runtime and its hooks: only docker starts them, and the simulated docker needs them to be there."""
    state.say(f"NVIDIA Container Runtime version {VERSION} [simulated]")
    return 0
