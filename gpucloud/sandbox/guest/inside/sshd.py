"""The guest's SSH server, on asyncssh. The whole server runs as the user whose sessions it serves.

Commands get their identity from `become`, so that they have the groups of the moment (docker, added since), not those
that the server was started with. Gets the host key (PEM) on stdin, says `ready` on stdout.
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
import termios
from asyncio.subprocess import PIPE
from pathlib import Path
from typing import IO

import asyncssh

from . import accounts

BECOME = "/usr/lib/gpucloud-guest/bin/become"
LISTEN_FD = 10
CHUNK = 1 << 16
LOGIN_PATH = accounts.PATH + ":/usr/games:/usr/local/games:/snap/bin"
ACCEPTED_VARIABLES = ("LANG", "LC_")
USER = accounts.find(str(os.getuid()))
Process = asyncssh.SSHServerProcess[bytes]


class Server(asyncssh.SSHServer):
    """Public keys of one user; forwards from the client to the guest."""

    def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
        self.connection = conn

    def begin_auth(self, username: str) -> bool:
        keys = Path.home() / ".ssh/authorized_keys"
        if username == USER.name and keys.exists():
            self.connection.set_authorized_keys(str(keys))
        return True

    def public_key_auth_supported(self) -> bool:
        return True

    def connection_requested(self, dest_host: str, dest_port: int, orig_host: str, orig_port: int) -> bool:
        return True

    def unix_connection_requested(self, dest_path: str) -> bool:
        return True


class Files(asyncssh.SFTPServer):
    """SFTP that ends with an exit status, without which OpenSSH's scp calls a good copy a failure."""

    def exit(self) -> None:
        self.channel.exit(0)


async def serve(process: Process) -> None:
    """Run one session: a command or a login shell, on a terminal or on pipes."""
    argv = [BECOME, "--reuid", str(USER.uid), "--regid", str(USER.gid), "--init-groups", "--", USER.shell]
    argv += ["-c", process.command] if process.command else ["-l"]
    run = run_on_pipes if process.term_type is None else run_on_terminal
    code = await run(process, argv, environment(process))
    if code < 0:
        process.exit_with_signal(signal.Signals(-code).name.removeprefix("SIG"))
    else:
        process.exit(code)
    # asyncssh leaves the ends of its redirected streams to whoever waits here.
    await process.wait_closed()


def environment(process: Process) -> dict[str, str]:
    values = {key: value for key, value in process.env.items() if key.startswith(ACCEPTED_VARIABLES)}
    peer, own = (process.get_extra_info(name) for name in ("peername", "sockname"))
    login = {**USER.environment(), "PATH": LOGIN_PATH, "SSH_CLIENT": f"{peer[0]} {peer[1]} {own[1]}"}
    login["SSH_CONNECTION"] = f"{peer[0]} {peer[1]} {own[0]} {own[1]}"
    return {"LANG": "C.UTF-8", **values, **login}


async def run_on_pipes(process: Process, argv: list[str], env: dict[str, str]) -> int:
    """Our own pumps: asyncssh's `redirect` closes both output streams when one of them ends, and loses the rest."""
    child = await asyncio.create_subprocess_exec(
        *argv, env=env, cwd=USER.home, start_new_session=True, stdin=PIPE, stdout=PIPE, stderr=PIPE
    )
    assert child.stdout and child.stderr
    feeding = asyncio.create_task(feed(process, child))
    # As sshd does: the session lasts until the last process that holds the pipes is gone.
    await asyncio.gather(pump(child.stdout, process.stdout), pump(child.stderr, process.stderr))
    code = await child.wait()
    feeding.cancel()
    return code


async def pump(source: asyncio.StreamReader, target: asyncssh.SSHWriter[bytes]) -> None:
    """Pass on all output; once the client has gone, only read it, so that the command can end."""
    gone = False
    while data := await source.read(CHUNK):
        if not gone:
            try:
                target.write(data)
                await target.drain()
            except (OSError, asyncssh.Error):
                gone = True


async def feed(process: Process, child: asyncio.subprocess.Process) -> None:
    """Pass on input and signals until the input ends or the command no longer reads it."""
    assert child.stdin
    try:
        while data := await next_input(process, child):
            child.stdin.write(data)
            await child.stdin.drain()
    except (OSError, asyncssh.Error):
        return
    finally:
        child.stdin.close()


async def next_input(process: Process, child: asyncio.subprocess.Process) -> bytes:
    while True:
        try:
            return await process.stdin.read(CHUNK)
        except asyncssh.SignalReceived as received:
            os.killpg(child.pid, signal.Signals["SIG" + received.signal])
        except (asyncssh.BreakReceived, asyncssh.TerminalSizeChanged):
            continue


def raw(fd: int, mode: str) -> IO[bytes]:
    return os.fdopen(fd, mode, buffering=0)


async def run_on_terminal(process: Process, argv: list[str], env: dict[str, str]) -> int:
    ours, theirs = os.openpty()
    env.update(TERM=process.term_type or "dumb", SSH_TTY=os.ttyname(theirs))
    width, height, *_ = process.term_size
    termios.tcsetwinsize(theirs, (height, width))
    # setsid --ctty makes the terminal the controlling one of a session that is the shell's own.
    child = await asyncio.create_subprocess_exec(
        "setsid", "--ctty", *argv, env=env, cwd=USER.home, stdin=theirs, stdout=theirs, stderr=theirs
    )
    os.close(theirs)
    reader = os.dup(ours)
    await process.redirect(stdin=raw(ours, "wb"), stdout=raw(reader, "rb"))
    code = await child.wait()
    await process.stdout.drain()
    return code


async def listen() -> None:
    key = asyncssh.import_private_key(sys.stdin.read())
    await asyncssh.listen(
        sock=socket.socket(fileno=LISTEN_FD),
        server_factory=Server,
        server_host_keys=[key],
        process_factory=serve,
        sftp_factory=Files,
        allow_scp=True,
        encoding=None,
        server_version="gpucloud-sandbox-simulated",
        login_timeout=60,
    )
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    await asyncio.Event().wait()


def main() -> None:
    os.chdir(USER.home)
    os.environ.update(HOME=USER.home)
    asyncio.run(listen())
