"""docker, dockerd and containerd: a daemon that answers on its socket, a client with the real texts for GPU faults."""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import socket
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from . import state

VERSION = "28.5.1"
SOCKET, CONFIG, IMAGES = "/run/docker.sock", "/etc/docker/daemon.json", "/var/lib/docker/gpucloud-images.json"
CDI_FOLDERS = ("/etc/cdi", "/var/run/cdi", "/run/cdi")
NO_DAEMON = "Cannot connect to the Docker daemon at unix:///var/run/docker.sock. Is the docker daemon running?"
HELLO = "\nHello from Docker!\nThis message shows that your installation appears to be working correctly. [simulated]\n"


class Refused(Exception):
    """The daemon's answer to a container that it cannot start."""


def notify_ready() -> None:
    """Tell systemd that a Type=notify service is up."""
    place = os.environ.get("NOTIFY_SOCKET", "")
    if place:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
            channel.sendto(b"READY=1", "\0" + place[1:] if place[0] == "@" else place)


def stop_on_signals() -> None:
    """SIGTERM and SIGINT end the daemon as a normal exit."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: sys.exit(0))


def containerd(argv: list[str]) -> int:
    stop_on_signals()
    notify_ready()
    while True:
        signal.pause()


def daemon_settings() -> dict[str, Any]:
    """What dockerd reads once, when it starts: later changes need a restart, as with the real one."""
    file = state.path(CONFIG)
    config: dict[str, Any] = json.loads(file.read_text()) if file.exists() and file.read_text().strip() else {}
    return {
        "runtimes": config.get("runtimes", {}),
        "default_runtime": config.get("default-runtime", "runc"),
        "cdi": bool(config.get("features", {}).get("cdi", True)),
        "gpu_driver": shutil.which("nvidia-container-runtime-hook") is not None,
    }


def dockerd(argv: list[str]) -> int:
    """Answer every connection with the settings; ends on SIGTERM, 1 for a daemon.json that is not JSON."""
    stop_on_signals()
    try:
        settings = daemon_settings()
    except ValueError as error:
        state.complain(f"unable to configure the Docker daemon with file {CONFIG}: invalid character: {error}")
        return 1
    place = state.path(SOCKET)
    place.parent.mkdir(parents=True, exist_ok=True)
    if place.exists():
        place.unlink()
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(place))
        place.chmod(0o660)
        with_group(str(place))
        server.listen(16)
        notify_ready()
        while True:
            client, _ = server.accept()
            with client:
                client.sendall(json.dumps(settings).encode())


def with_group(place: str) -> None:
    """The socket belongs to the group docker where there is one."""
    import grp

    try:
        os.chown(place, 0, grp.getgrnam("docker").gr_gid)
    except KeyError:
        state.complain(f"could not change group {place} to docker: group docker not found")


def ask() -> dict[str, Any]:
    """The running daemon's settings. Raises OSError when there is none or when it is not for this user."""
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(state.path(SOCKET)))
        with client.makefile("rb") as answer:
            found: dict[str, Any] = json.loads(answer.read())
            return found


def images() -> list[str]:
    file = state.path(IMAGES)
    found: list[str] = json.loads(file.read_text()) if file.exists() else []
    return found


def tagged(image: str) -> str:
    return image if ":" in image.rsplit("/", 1)[-1] or "@" in image else image + ":latest"


def pull(image: str, quiet: bool = False) -> None:
    state.pause("pull")
    file = state.path(IMAGES)
    file.parent.mkdir(parents=True, exist_ok=True)
    new = not file.exists()
    file.write_text(json.dumps(sorted({*images(), tagged(image)})))
    if new and os.geteuid() == 0:
        share(file)
    name, _, tag = tagged(image).rpartition(":")
    if not quiet:
        state.complain(f"{tag}: Pulling from {name} [simulated]\nStatus: Downloaded newer image for {name}:{tag}")


def share(file: Path) -> None:
    """What the real daemon keeps for everyone in the group docker, our client has to keep itself."""
    file.parent.chmod(0o2775)
    file.chmod(0o664)
    with_group(str(file.parent))
    with_group(str(file))


def command_pull(argv: list[str], settings: dict[str, Any]) -> int:
    names = [word for word in argv if not word.startswith("-")]
    quiet = len(names) != len(argv)
    pull(names[0], quiet)
    state.say(tagged(names[0]))
    return 0


def command_images(argv: list[str], settings: dict[str, Any]) -> int:
    state.say("REPOSITORY   TAG   IMAGE ID   CREATED   SIZE")
    for image in images():
        state.say("{}   {}   simulated   now   0B".format(*tuple(image.rsplit(":", 1))))
    return 0


def command_image(argv: list[str], settings: dict[str, Any]) -> int:
    """docker image inspect NAME, and image ls."""
    if argv[:1] != ["inspect"]:
        return command_images(argv[1:], settings)
    name = tagged(argv[-1])
    if name not in images():
        state.say("[]")
        state.complain(f"Error response from daemon: No such image: {name}")
        return 1
    state.say(json.dumps([{"RepoTags": [name], "Comment": "[simulated]"}]))
    return 0


def command_info(argv: list[str], settings: dict[str, Any]) -> int:
    runtimes = dict({"runc": {"path": "runc"}, "io.containerd.runc.v2": {"path": "runc"}}, **settings["runtimes"])
    wanted = " ".join(argv)
    if "json .Runtimes" in wanted:
        state.say(json.dumps(runtimes))
    elif "json" in wanted or "{{" in wanted:
        state.say(
            json.dumps({"ServerVersion": VERSION, "Runtimes": runtimes, "DefaultRuntime": settings["default_runtime"]})
        )
    else:
        names = " ".join(sorted(runtimes))
        state.say(
            "Server: [simulated]\n Server Version: {}\n Runtimes: {}\n Default Runtime: {}".format(
                VERSION, names, settings["default_runtime"]
            )
        )
    return 0


def command_version(argv: list[str], settings: dict[str, Any]) -> int:
    state.say(
        VERSION
        if "--format" in argv or "-f" in argv
        else f"Client & Server: Docker Engine - Community {VERSION} [simulated]"
    )
    return 0


def command_ps(argv: list[str], settings: dict[str, Any]) -> int:
    if "-q" not in argv and "-aq" not in argv:
        state.say("CONTAINER ID   IMAGE   COMMAND   CREATED   STATUS   PORTS   NAMES")
    return 0


def parse_run(argv: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="docker run", description="[simulated]")
    parser.add_argument("--gpus", default="")
    parser.add_argument("--runtime", default="")
    parser.add_argument("--device", action="append", default=[])
    for flag in ("--rm", "-d", "-i", "-t", "-it", "--privileged", "--init", "-q", "--quiet"):
        parser.add_argument(flag, action="store_true", dest="ignored_flag")
    for option in (
        "-e",
        "--env",
        "-v",
        "--volume",
        "--name",
        "--ipc",
        "--network",
        "--pull",
        "--shm-size",
        "--entrypoint",
        "-w",
    ):
        parser.add_argument(option, action="append", dest="ignored_value")
    parser.add_argument("image")
    parser.add_argument("command", nargs=argparse.REMAINDER)
    return parser.parse_args(argv)


def command_run(argv: list[str], settings: dict[str, Any]) -> int:
    options = parse_run(argv)
    if tagged(options.image) not in images():
        state.complain(f"Unable to find image '{tagged(options.image)}' locally")
        pull(options.image)
    try:
        has_gpu = give_gpu(options, settings)
    except Refused as error:
        state.complain(f"docker: Error response from daemon: {error}\n\nRun 'docker run --help' for more information")
        return 125
    return workload(options, has_gpu)


def give_gpu(options: argparse.Namespace, settings: dict[str, Any]) -> bool:
    """Whether the container gets the GPUs, by any of the three ways. Raises Refused as the daemon does."""
    runtime = options.runtime or settings["default_runtime"]
    if runtime not in ("runc", *settings["runtimes"]):
        raise Refused(f"unknown or invalid runtime name: {runtime}")
    if options.gpus and not settings["gpu_driver"]:
        raise Refused('could not select device driver "" with capabilities: [[gpu]]')
    names = [name for name in options.device if "=" in name and name.startswith("nvidia.com/")]
    for name in names:
        check_cdi(name, settings)
    if runtime == "nvidia" and shutil.which("nvidia-container-runtime") is None:
        raise Refused(not_created(absent("nvidia-container-runtime")))
    if options.gpus or runtime == "nvidia":
        check_hook()
    return bool(options.gpus or names or runtime == "nvidia")


def not_created(why: str) -> str:
    return (
        "failed to create task for container: failed to create shim task: OCI runtime create failed: "
        f"runc create failed: unable to start container process: {why}: unknown"
    )


def absent(program: str) -> str:
    return f'exec: "{program}": executable file not found in $PATH'


def check_hook() -> None:
    error = state.driver_error()
    if error:
        nvml = (
            "driver not loaded"
            if error.code == 9
            else "driver/library version mismatch"
            if error.code == 18
            else "no devices"
        )
        raise Refused(
            not_created(
                "error during container init: error running prestart hook #0: exit status 1, stdout: , stderr: "
                f"Auto-detected mode as 'legacy'\nnvidia-container-cli: initialization error: nvml error: {nvml}"
            )
        )


def cdi_devices() -> list[str]:
    """Fully qualified names of the devices in all CDI specs."""
    names = []
    for folder in CDI_FOLDERS:
        for file in sorted(state.path(folder).glob("*")) if state.path(folder).is_dir() else []:
            names += ["nvidia.com/gpu=" + name for name in devices_of(file.read_text())]
    return sorted(set(names))


def devices_of(spec: str) -> list[str]:
    """The device names of a spec that nvidia-ctk wrote: JSON is YAML too, so both endings hold JSON here."""
    return [device["name"] for device in json.loads(spec)["devices"]]


def check_cdi(name: str, settings: dict[str, Any]) -> None:
    if not settings["cdi"]:
        raise Refused('could not select device driver "cdi" with capabilities: []')
    if name not in cdi_devices():
        raise Refused(f"CDI device injection failed: unresolvable CDI devices {name}")


def workload(options: argparse.Namespace, has_gpu: bool) -> int:
    """Run the command's simulated equivalent: nvidia-smi from the driver, otherwise a program of the guest itself."""
    command: list[str] = options.command
    if not command:
        state.say(
            HELLO if options.image.startswith("hello-world") else f"[simulated] {options.image} has nothing to do"
        )
        return 0
    program: str | None = shutil.which(command[0])
    if program is None or (command[0] == "nvidia-smi" and not has_gpu):
        state.complain(f"docker: Error response from daemon: {not_created(absent(command[0]))}")
        return 127
    sys.stdout.flush()
    os.execv(program, command)


COMMANDS: dict[str, Callable[[list[str], dict[str, Any]], int]] = {
    "info": command_info,
    "run": command_run,
    "pull": command_pull,
    "images": command_images,
    "image": command_image,
    "version": command_version,
    "ps": command_ps,
}


def split(argv: list[str]) -> tuple[str, list[str]]:
    return (argv[0], argv[1:]) if argv else ("", [])


def main(argv: list[str]) -> int:
    name, rest = split(argv)
    if name in ("--version", "-v"):
        state.say(f"Docker version {VERSION}, build simulated")
        return 0
    if name not in COMMANDS:
        state.complain(f"docker: '{name}' is not a docker command. [simulated]\nSee 'docker --help'")
        return 1
    try:
        settings = ask()
    except PermissionError:
        state.complain(
            "permission denied while trying to connect to the Docker daemon socket at unix:///var/run/docker.sock"
        )
        return 1
    except OSError:
        state.complain(NO_DAEMON)
        return 1
    return COMMANDS[name](rest, settings)
