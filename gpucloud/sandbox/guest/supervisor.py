"""One running guest: `python -m gpucloud.sandbox.guest.supervisor`, with the rights to mount (root's).

Reads one line of JSON (`Boot`) from stdin, then stays until the guest ends. A line `stop` asks the guest to shut down;
the end of stdin kills it, so that no guest outlives the daemon. Any other line is a command for the guest to run, in
JSON: {"id": …, "script": …, "parameters": {…}, "seconds": …}. Writes one JSON object a line to stdout:
    {"event": "mounted"}                          the file system is there, init has started
    {"event": "up"}                               SSH is answered
    {"event": "failed", "why": …}                 the guest could not be built
    {"event": "ran", "id": …, "code": …, "out": …, "err": …}  a command has ended; or "why" it could not be run
    {"event": "end", "how": "poweroff"|"reboot"}  the guest is gone
"""

from __future__ import annotations

import base64
import fcntl
import json
import os
import resource
import select
import signal
import socket
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NoReturn

from gpucloud.sandbox.guest import rootfs
from gpucloud.sandbox.guest import syscalls as sys_

REBOOT_CODE = 32  # exit status of the guest's init when it wants to boot again
GRACE = 5.0  # seconds that a guest has to stop its services
LISTEN_FD, STATUS_FD, COMMAND_FD = 10, 11, 12
MOST_PROCESSES = 8192  # of each user, those of a host user with the same number included
START_INIT = f"import sys; sys.path.insert(0, '/{rootfs.PRIVATE}/site'); from inside import init; init.main()"


@dataclass(frozen=True)
class Boot:
    """All that one boot needs. `files` are written into the guest: path -> [base64 content, mode]."""

    hostname: str
    address: str
    port: int
    base: str
    disk: str
    holder: str
    console: str
    python: str
    python_parts: list[str]
    python_program: str
    fuse: bool
    shown: dict[str, str]
    files: dict[str, tuple[str, int]]
    settings: dict[str, Any]

    def line(self) -> bytes:
        return json.dumps(asdict(self)).encode() + b"\n"

    @property
    def layout(self) -> rootfs.Layout:
        return rootfs.Layout(
            Path(self.base), Path(self.disk), Path(self.holder), Path(self.python), self.python_parts, self.fuse
        )


def main() -> int:
    # Once the daemon has gone nobody hears a word; the guest ends with us, see die_with_parent.
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    boot = Boot(**json.loads(sys.stdin.buffer.readline()))
    # Only this process's copy of the console is opened by path: the guest inherits the open file.
    console = os.open(boot.console, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    status, report = os.pipe()
    # A whole command is one message, which the guest takes or has not been given.
    commands, heard = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    try:
        listener = reserve(boot.address, boot.port)
        sys_.unshare(sys_.CLONE_NEWNS | sys_.CLONE_NEWUTS | sys_.CLONE_NEWIPC)
        rootfs.mount_disk(boot.layout)
        sys_.unshare(sys_.CLONE_NEWPID)
    except OSError as error:
        say({"event": "failed", "why": str(error)})
        return 1
    child = os.fork()
    if child == 0:
        become_init(boot, console, listener.detach(), report, heard.detach())
    os.close(report)
    for given in (listener, heard):
        given.close()
    watch(child, status, commands)
    return 0


def reserve(address: str, port: int) -> socket.socket:
    """The guest's SSH socket, which may need our rights. It refuses connections until the SSH server listens on it."""
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((address, port))
    return listener


def say(event: dict[str, str]) -> None:
    sys.stdout.write(json.dumps(event) + "\n")
    sys.stdout.flush()


def watch(child: int, status: int, commands: socket.socket) -> None:
    """Pass on what the guest reports and what it is asked to run, until it has ended."""
    reported, asked = Lines(status), Lines(0)
    guest = os.pidfd_open(child)
    poller = select.poll()
    for fd in (guest, status, 0):
        poller.register(fd, select.POLLIN)
    while True:
        ready = [fd for fd, _ in poller.poll()]
        if status in ready:
            for line in reported.read():
                os.write(1, line + b"\n")
            if reported.ended:
                poller.unregister(status)
        if guest in ready:
            break
        if 0 in ready:
            lines = asked.read()
            if asked.ended or b"stop" in lines:
                shut_down(child, guest, asked=not asked.ended)
                break
            for line in lines:
                pass_on(commands, line)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    say({"event": "end", "how": "reboot" if code == REBOOT_CODE else "poweroff"})


class Lines:
    """The lines that arrive at a file descriptor; `ended` when there will be no more."""

    def __init__(self, fd: int) -> None:
        self.fd, self.rest, self.ended = fd, b"", False

    def read(self) -> list[bytes]:
        """The lines that are complete with what is there now. Blocks when nothing is."""
        data = os.read(self.fd, 65536)
        self.ended = not data
        *lines, self.rest = (self.rest + data).split(b"\n")
        return lines


def pass_on(commands: socket.socket, line: bytes) -> None:
    """Give a command to the guest; one that listens to nobody must not keep us from shutting it down."""
    try:
        commands.send(line, socket.MSG_DONTWAIT)
    except OSError as error:
        say({"event": "ran", "id": json.loads(line)["id"], "why": str(error)})


def shut_down(child: int, guest: int, *, asked: bool) -> None:
    """End the guest: politely, with GRACE, when asked to; at once when the daemon has gone."""
    if asked:
        os.kill(child, signal.SIGTERM)
    if not (asked and select.select([guest], [], [], GRACE)[0]):
        os.kill(child, signal.SIGKILL)


def become_init(boot: Boot, console: int, listener: int, report: int, commands: int) -> NoReturn:
    """In the first process of the new PID namespace: finish the file system, enter it, give up all rights, run init."""
    try:
        os.setsid()
        last = sys_.last_capability()
        socket.sethostname(boot.hostname)
        # fuse-overlayfs stays behind with the host's root, by whose paths it finds its folders.
        sys_.unshare(sys_.CLONE_NEWNS)
        rootfs.mount_system(boot.layout.root, boot.shown)
        rootfs.enter(boot.layout)
        for name, (content, mode) in boot.files.items():
            write_file(Path(name), base64.b64decode(content), mode)
        os.umask(0o022)
        wanted = {0: os.open("/dev/null", os.O_RDONLY), 1: console, 2: console, LISTEN_FD: listener, STATUS_FD: report}
        wanted[COMMAND_FD] = commands
        safe = {target: fcntl.fcntl(source, fcntl.F_DUPFD, 64) for target, source in wanted.items()}
        for target, source in safe.items():
            os.dup2(source, target)
        os.write(STATUS_FD, b'{"event": "mounted"}\n')
        sys_.keep_to_own_processes()
        resource.setrlimit(resource.RLIMIT_NPROC, (MOST_PROCESSES, MOST_PROCESSES))
        sys_.drop_capabilities(last)
        sys_.die_with_parent()
        program = f"/{rootfs.PRIVATE}/python/{boot.python_program}"
        os.closerange(COMMAND_FD + 1, 4096)
        os.execve(program, [program, "-ISc", START_INIT], environment(boot))
    except OSError as error:
        os.write(report, json.dumps({"event": "failed", "why": str(error)}).encode() + b"\n")
    os._exit(1)


def environment(boot: Boot) -> dict[str, str]:
    """Init's own environment; no other process of the guest inherits it."""
    libraries = {"LD_LIBRARY_PATH": f"/{rootfs.PRIVATE}/python/lib"}
    return {"GPUCLOUD_GUEST": json.dumps(boot.settings), "PATH": "/usr/sbin:/usr/bin", **libraries}


def write_file(place: Path, content: bytes, mode: int) -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    if os.path.lexists(place):
        place.unlink()
    place.write_bytes(content)
    place.chmod(mode)


if __name__ == "__main__":
    sys.exit(main())
