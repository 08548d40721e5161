"""PID 2 of a guest: boots it, answers its commands, shuts it down."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import struct
import subprocess
import sys
import time
from pathlib import Path

from . import accounts, cloudinit, runcommand, services, units, verbs
from .cloudinit import CloudInit
from .control import SOCKET
from .manager import Manager
from .request import Request

REBOOT_CODE, LISTEN_FD, STATUS_FD, COMMAND_FD = 32, 10, 11, 12
START_SSHD = "import sys; sys.path.insert(0, '/usr/lib/gpucloud-guest/site'); from inside import sshd; sshd.main()"
SCHEDULED = Path("/run/systemd/shutdown/scheduled")
SERVICE_GRACE = 3.0  # seconds that sessions and stray processes get at shutdown
LONGEST_NAP = 10.0  # seconds; the wall clock may be set while a shutdown is scheduled


def main() -> int:
    for fd in (LISTEN_FD, STATUS_FD, COMMAND_FD):
        os.set_inheritable(fd, False)
    settings = json.loads(os.environ.pop("GPUCLOUD_GUEST"))
    return asyncio.run(Machine(settings).run())


def tell(event: dict[str, object]) -> None:
    """Say it to the supervisor."""
    os.write(STATUS_FD, json.dumps(event).encode() + b"\n")


class Machine:
    """The running guest. `settings` come from the supervisor: user, cloud-config, whether this is the first boot."""

    def __init__(self, settings: dict[str, object]) -> None:
        self.settings, self.manager = settings, Manager()
        self.user = accounts.find(str(settings["user"]))
        accounts.make_home(self.user)
        cloud = settings["cloud"]
        assert isinstance(cloud, dict)
        self.cloud = CloudInit(cloud, self.user, self.say, first_boot=bool(settings["first_boot"]))
        self.finished, self.ending = asyncio.Event(), asyncio.Event()
        self.how, self.planned = "poweroff", None
        self.agent = None
        self.sshd: asyncio.subprocess.Process | None = None

    planned: asyncio.Task[None] | None
    agent: asyncio.Task[None] | None

    def say(self, text: str) -> None:
        """A line of the console log."""
        sys.stdout.write(f"[{time.monotonic() - services.BOOTED:8.3f}] {text}\n")
        sys.stdout.flush()

    async def run(self) -> int:
        """From boot to shutdown; the exit code says whether to boot again."""
        self.say(f"{os.uname().nodename}: sandbox guest boots [simulated]")
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGTERM, self.schedule_shutdown, "poweroff", 0.0)
        server = await self.listen()
        boot = asyncio.create_task(self.boot())
        boot.add_done_callback(self.booted)
        await self.ending.wait()
        boot.cancel()
        if self.agent:
            self.agent.cancel()
        await self.shut_down()
        server.close()
        return REBOOT_CODE if self.how == "reboot" else 0

    def booted(self, boot: asyncio.Task[None]) -> None:
        """A boot that breaks says so on the console and leaves the guest as it is, for a look at it."""
        if not boot.cancelled() and (error := boot.exception()):
            self.say(f"boot failed: {error!r}")

    async def boot(self) -> None:
        sshd = asyncio.create_task(self.start_sshd())
        await self.hook()
        await asyncio.to_thread(self.cloud.early)
        self.say("cloud-init: user-data applied")
        self.agent = asyncio.create_task(runcommand.serve(socket.socket(fileno=COMMAND_FD), tell))
        await self.open_ssh(await sshd)
        for name in units.enabled_at_boot():
            self.manager.background(name)
        await asyncio.to_thread(self.cloud.late)
        self.say(f"cloud-init: {self.cloud_status_when_done()}")
        self.finished.set()

    async def hook(self) -> None:
        """What the simulated kernel and udev do at boot, after the time that the scenario gives to it."""
        await asyncio.sleep(float(str(self.settings["boot_seconds"])))
        argv = self.settings["boot_hook"]
        if isinstance(argv, list) and argv:
            code = await (await asyncio.create_subprocess_exec(*argv, env={"PATH": accounts.PATH})).wait()
            self.say(f"kernel: [simulated] devices set up{f', exit status {code}' if code else ''}")

    async def start_sshd(self) -> asyncio.subprocess.Process:
        """Start the SSH server early: its imports take longer than all the rest of a boot."""
        argv = [sys.executable, "-ISc", START_SSHD]
        environment = {key: value for key, value in os.environ.items() if key == "LD_LIBRARY_PATH"}
        return await asyncio.create_subprocess_exec(
            *argv,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**environment, **self.user.environment()},
            pass_fds=[LISTEN_FD],
            start_new_session=True,
            **self.user.identity(),
        )

    async def open_ssh(self, sshd: asyncio.subprocess.Process) -> None:
        assert sshd.stdin and sshd.stdout
        sshd.stdin.write(cloudinit.ensure_host_key().encode())
        sshd.stdin.close()
        self.sshd = sshd
        if await sshd.stdout.readline() != b"ready\n":
            raise RuntimeError("the SSH server did not start")
        self.say("ssh: listening")
        tell({"event": "up"})

    async def listen(self) -> asyncio.Server:
        Path(SOCKET).parent.mkdir(mode=0o755, exist_ok=True)
        server = await asyncio.start_unix_server(self.answer, SOCKET, limit=4 << 20)
        os.chmod(SOCKET, 0o666)
        return server

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One command of the guest: a JSON line in, a JSON line out."""
        peer: socket.socket = writer.get_extra_info("socket")
        _, uid, _ = struct.unpack("3i", peer.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
        asked = json.loads(await reader.readline() or b"null")
        if asked:
            request = Request(asked["program"], asked["arguments"], asked["environment"], uid)
            reply = await verbs.answer(self, request)
            writer.write(json.dumps(reply._asdict()).encode() + b"\n")
        writer.close()

    def schedule_shutdown(self, how: str, at: float) -> None:
        """End the guest at the unix time `at`; 0 means now. Replaces an earlier plan."""
        self.cancel_shutdown()
        if at:
            SCHEDULED.parent.mkdir(parents=True, exist_ok=True)
            SCHEDULED.write_text(f"USEC={int(at * 1e6)}\nWARN_WALL=1\nMODE={how}\n")
        self.planned = asyncio.get_running_loop().create_task(self.end_at(how, at))

    def cancel_shutdown(self) -> None:
        SCHEDULED.unlink(missing_ok=True)
        if self.planned:
            self.planned.cancel()
            self.planned = None

    async def end_at(self, how: str, at: float) -> None:
        while (left := at - time.time()) > 0:
            await asyncio.sleep(min(left, LONGEST_NAP))
        self.how = how
        self.ending.set()

    async def shut_down(self) -> None:
        self.say(f"systemd: {self.how}: stopping services [simulated]")
        await self.manager.stop_all()
        await services.end_processes(self.strays, SERVICE_GRACE)
        self.say(f"{self.how}")

    def strays(self) -> list[int]:
        """Everything that still runs, sessions and the SSH server included."""
        return [pid for pid in services.processes() if pid != os.getpid() and not is_zombie(pid)]

    async def cloud_done(self) -> None:
        await self.finished.wait()

    def cloud_status(self) -> str:
        return self.cloud_status_when_done() if self.finished.is_set() else "running"

    def cloud_status_when_done(self) -> str:
        return "error" if self.cloud.errors else "done"


def is_zombie(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "Z"
    except (FileNotFoundError, ProcessLookupError):
        return True
