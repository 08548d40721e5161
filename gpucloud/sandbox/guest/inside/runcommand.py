"""Scripts from outside the guest, which it runs as root, as Azure's agent does for `az vm run-command`."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from . import accounts

# Where Azure's extension keeps the scripts and what they printed (Azure/run-command-handler-linux).
FOLDER = Path("/var/lib/waagent/run-command/download")
MOST_OUTPUT = 4096  # bytes of each stream that are told, the last ones; as Azure's extension does
MOST_COMMAND = 1 << 20  # bytes; the supervisor's socket takes less
START = '"$0" "$@"'  # sh runs what has no `#!` line itself
Told = dict[str, Any]


async def serve(commands: socket.socket, tell: Callable[[Told], None]) -> None:
    """Run each command that arrives, side by side, and tell what came of it, until there is nobody to send more."""
    commands.setblocking(False)
    async with asyncio.TaskGroup() as running:
        while line := await asyncio.get_running_loop().sock_recv(commands, MOST_COMMAND):
            running.create_task(answer(json.loads(line), tell))


async def answer(command: Told, tell: Callable[[Told], None]) -> None:
    try:
        told = await execute(command["script"], command["parameters"], command["seconds"])
    except (OSError, ValueError) as error:
        told = {"why": str(error)}
    tell({"event": "ran", "id": command["id"], **told})


async def execute(script: str, parameters: Mapping[str, str], seconds: float) -> Told:
    """Exit code and the ends of both outputs; after `seconds` the script is killed.

    It gets the parameters twice, as arguments and as variables. There is no HOME, as in a service.
    """
    FOLDER.mkdir(mode=0o700, parents=True, exist_ok=True)
    place = FOLDER / str(len(list(FOLDER.iterdir())))
    place.mkdir(mode=0o700)
    file, out, err = (place / name for name in ("script.sh", "stdout", "stderr"))
    file.write_text(script)
    file.chmod(0o500)
    with out.open("wb") as out_file, err.open("wb") as err_file:
        process = await asyncio.create_subprocess_exec(
            *("/bin/sh", "-c", START, str(file), *parameters.values()),
            cwd=place,
            env={"PATH": accounts.PATH, "LANG": "C.UTF-8", **parameters},
            stdin=asyncio.subprocess.DEVNULL,
            stdout=out_file,
            stderr=err_file,
            start_new_session=True,
        )
    try:
        # Not until its output ends: what a script leaves in the background goes on.
        code = await asyncio.wait_for(process.wait(), seconds)
    except TimeoutError:
        os.killpg(process.pid, signal.SIGKILL)
        code = await process.wait()
    return {"code": code, "out": tail(out), "err": tail(err)}


def tail(file: Path) -> str:
    with file.open("rb") as text:
        text.seek(max(0, file.stat().st_size - MOST_OUTPUT))
        return text.read(MOST_OUTPUT).decode(errors="replace")
