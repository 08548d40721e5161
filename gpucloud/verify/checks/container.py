"""Containers: does `docker run --gpus all … nvidia-smi -L` list the same GPUs as the machine?"""

from __future__ import annotations

import json

from gpucloud.verify.expectation import Expectation
from gpucloud.verify.facts import Command, Facts
from gpucloud.verify.report import Check, Layer, failed, passed

CONFIGURE = "`sudo nvidia-ctk runtime configure --runtime=docker && sudo systemctl restart docker`"
# Docker's words for a missing CDI description: with `--device`, and from Docker 29 with `--gpus` too.
NO_CDI = ("unresolvable CDI devices", "failed to discover GPU vendor from CDI")
GENERATE = "`sudo nvidia-ctk cdi generate --output=/var/run/cdi/nvidia.yaml`"


def check_container(facts: Facts, expected: Expectation) -> list[Check]:
    foundation = docker(facts) or toolkit(facts) or image(facts)
    if foundation:
        return [foundation]
    runs = {way: facts.command(f"container.{way}") for way in ("run", "run_cdi")}
    for way, command in runs.items():
        if command.ok:
            return [listed(facts, command, "--gpus all" if way == "run" else "--device nvidia.com/gpu=all")]
    return [failed(Layer.CONTAINER, "a container cannot use the GPU", *no_gpu(facts, runs["run"]))]


def docker(facts: Facts) -> Check | None:
    info = facts.command("container.info")
    if not facts.text("container.docker"):
        remedy = "run `gpucloud up` again with the same name, or install docker-ce"
        return failed(Layer.CONTAINER, "docker is not installed", "no `docker` on PATH", remedy)
    if not info.ok:
        remedy = "`sudo systemctl restart docker`, then `journalctl -u docker -e`"
        return failed(Layer.CONTAINER, "the docker daemon does not answer", info.last_line, remedy)
    return None


def toolkit(facts: Facts) -> Check | None:
    if facts.text("container.nvidia_ctk"):
        return None
    said = daemon_said(facts.command("container.run"))
    return failed(
        Layer.CONTAINER,
        "a container cannot use the GPU",
        "the NVIDIA container toolkit is missing: no `nvidia-ctk` on PATH" + (f" ({said})" if said else ""),
        f"`sudo apt-get install --reinstall nvidia-container-toolkit`, then {CONFIGURE}",
    )


def image(facts: Facts) -> Check | None:
    pull = facts.command("container.pull")
    if pull.rc in (None, 0):
        return None
    name = facts.text("container.image")
    remedy = (
        f"`sudo docker pull {name}` until it works (`docker login` helps against rate limits), or choose another image"
    )
    return failed(
        Layer.CONTAINER, "GPU use in a container is not proven", f"{name} cannot be pulled: {daemon_said(pull)}", remedy
    )


def listed(facts: Facts, command: Command, way: str) -> Check:
    inside = sum(line.startswith("GPU ") for line in command.stdout.splitlines())
    if inside == len(facts.gpus):
        return passed(Layer.CONTAINER, f"a container with `{way}` sees {inside} GPU{'s' * (inside > 1)}")
    what = f"a container with `{way}` sees {inside} GPUs, the machine has {len(facts.gpus)}"
    return failed(
        Layer.CONTAINER, what, "the container's device list is out of date", f"{GENERATE}, then restart docker"
    )


def no_gpu(facts: Facts, run: Command) -> tuple[str, str]:
    text = run.text
    runtime_known = "nvidia" in runtimes(facts)
    runtime_written = "nvidia" in facts.text("container.daemon_json")
    if any(words in text for words in NO_CDI):
        return f"there is no CDI description of the GPUs: {daemon_said(run)}", GENERATE
    if "could not select device driver" in text and runtime_written and not runtime_known:
        return "docker was not restarted after its nvidia runtime was configured", "`sudo systemctl restart docker`"
    if "could not select device driver" in text:
        return f"docker's nvidia runtime is not configured: {daemon_said(run)}", CONFIGURE
    if "Failed to initialize NVML: Unknown Error" in text:
        return (
            "the container lost its devices: `systemctl daemon-reload` under systemd cgroups takes them away",
            f"use CDI: {GENERATE}, and run containers with `--device nvidia.com/gpu=all`",
        )
    return daemon_said(run) or f"it ended with code {run.rc}", f"{CONFIGURE}, then verify again"


def daemon_said(command: Command) -> str:
    """The daemon's reason: docker prints an advice to read its help after it."""
    lines = [line.strip() for line in command.text.splitlines()]
    return next((line for line in lines if "Error response from daemon" in line), command.last_line)


def runtimes(facts: Facts) -> list[str]:
    """The runtimes that the running daemon knows. `docker info` prints them as JSON; anything else means none known."""
    text = facts.command("container.info").stdout
    return list(json.loads(text)) if text.startswith("{") else []
