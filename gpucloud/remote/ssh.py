"""A machine over SSH. The host key is pinned: nobody else is ever talked to.

paramiko's Transport is used directly, because its SSHClient decides about unknown host keys by policy objects,
and there is no such decision here: the key is one of `Login.host_keys`, or there is no connection.
"""

from __future__ import annotations

import base64
import contextlib
import io
import logging
import shlex
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import paramiko

from gpucloud.keys import Secret, fingerprint
from gpucloud.remote.base import RemoteUnreachable, Result
from gpucloud.remote.channel import execute
from gpucloud.remote.command import GRACE, Lines, limited, out_of_time, result_of
from gpucloud.remote.failures import HostKeyChanged, LoginRefused
from gpucloud.remote.sftp import read_file, write_file
from gpucloud.waiting import Waiter

KEEP_ALIVE = 10
"""Seconds between keep-alive messages: below every NAT's idle limit (AWS NAT gateway: 350 s, Azure: 240 s)."""

DEAD_AFTER = 30_000
"""Milliseconds for which sent data (such as a keep-alive) may stay unacknowledged before TCP gives up.
Linux alone would go on for about 15 minutes (tcp_retries2)."""

LONGEST_PAUSE = 1.0
"""Seconds between two looks for SSH: an attempt costs nobody anything, a late look costs the user's time."""

SFTP_TIMEOUT = 60.0
"""Seconds without any answer after which a file transfer counts as lost."""

TRANSPORT_ERRORS = (paramiko.SSHException, EOFError, OSError)

# A lost connection is reported by our own errors; paramiko would print a traceback of its thread as well.
logging.getLogger("paramiko.transport").addHandler(logging.NullHandler())


@dataclass(frozen=True)
class Login:
    """Where to connect, as whom, and who is expected to answer."""

    address: str
    user: str
    port: int
    keys: tuple[paramiko.PKey, ...] = field(repr=False)
    host_keys: tuple[paramiko.PKey, ...] = field(repr=False)

    def __str__(self) -> str:
        return f"{self.user}@{self.address}" + (f":{self.port}" if self.port != 22 else "")


class SshRemote:
    """Remote over one SSH connection, which is made anew if it died before a command starts.

    A command is never run a second time by itself: if the connection is lost while it runs, that is
    RemoteUnreachable, and the command still ends within its time limit.
    """

    def __init__(self, login: Login, timeout: float) -> None:
        self._login, self._timeout = login, timeout
        self._transport: paramiko.Transport | None = _dial(login, timeout)

    def run(
        self,
        argv: Sequence[str],
        *,
        timeout: float,
        stdin: bytes = b"",
        sudo: bool = False,
        on_line: Callable[[str], None] | None = None,
    ) -> Result:
        out, err = Lines(on_line), Lines()
        command = _shell_line(limited(argv, timeout, as_root=sudo and self._login.user != "root"))
        with self._channel() as channel:
            started = time.monotonic()
            try:
                rc = execute(channel, command, stdin, out, err, deadline=started + timeout + GRACE)
            except TimeoutError as exc:
                raise out_of_time(argv, timeout) from exc
        return result_of(argv, rc, out.finish(), err.finish(), elapsed=time.monotonic() - started, timeout=timeout)

    def put(self, data: bytes, path: str, mode: int = 0o644) -> None:
        with self._sftp() as sftp:
            write_file(sftp, data, path, mode)

    def get(self, path: str) -> bytes:
        with self._sftp() as sftp:
            return read_file(sftp, path)

    def close(self) -> None:
        if self._transport:
            self._transport.close()
        self._transport = None

    @contextlib.contextmanager
    def _channel(self) -> Iterator[paramiko.Channel]:
        """A fresh session, closed at the end; transport errors inside become RemoteUnreachable."""
        with _translated(self._login):
            channel = self._open_session()
            try:
                yield channel
            finally:
                channel.close()

    @contextlib.contextmanager
    def _sftp(self) -> Iterator[paramiko.SFTPClient]:
        with self._channel() as channel:
            channel.settimeout(SFTP_TIMEOUT)
            channel.invoke_subsystem("sftp")
            yield paramiko.SFTPClient(channel)

    def _open_session(self) -> paramiko.Channel:
        if self._transport is None:
            raise RemoteUnreachable(f"{self._login}: the connection is closed")
        try:
            return self._transport.open_session(timeout=self._timeout)
        except paramiko.ChannelException:
            raise
        except TRANSPORT_ERRORS:  # it died while nobody used it, and nothing was started yet
            self._transport.close()
            self._transport = _dial(self._login, self._timeout)
            return self._transport.open_session(timeout=self._timeout)


def _shell_line(argv: Sequence[str]) -> str:
    """The line for the login shell. An inner `sh` stays as the parent, because it reports a death by signal N as
    128+N: SSH's own report of it (`exit-signal`) is dropped by paramiko."""
    return shlex.join(["sh", "-c", '"$@"; exit $?', "sh", *argv])


@contextlib.contextmanager
def _translated(login: Login) -> Iterator[None]:
    """Errors of paramiko and of sockets become RemoteUnreachable."""
    try:
        yield
    except TRANSPORT_ERRORS as exc:
        raise RemoteUnreachable(f"lost the connection to {login}", str(exc) or type(exc).__name__) from exc


def _dial(login: Login, timeout: float) -> paramiko.Transport:
    """A logged-in transport to the machine with the pinned host key."""
    try:
        sock = socket.create_connection((login.address, login.port), timeout)
    except OSError as exc:
        raise RemoteUnreachable(f"cannot reach {login} by SSH", str(exc)) from exc
    transport = _transport_over(sock, login, timeout)
    try:
        _shake_hands(transport, login, timeout)
        _log_in(transport, login)
    except BaseException:
        transport.close()
        raise
    transport.set_keepalive(KEEP_ALIVE)
    return transport


def _transport_over(sock: socket.socket, login: Login, timeout: float) -> paramiko.Transport:
    """A transport that asks for the pinned kind of host key before all others.

    The others stay in the offer: with a foreign server the key is then compared, and the error says what is wrong.
    """
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # opening a channel is several small messages
    if hasattr(socket, "TCP_USER_TIMEOUT"):  # Linux only; elsewhere each command's own time limit has to do
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, DEAD_AFTER)
    transport = paramiko.Transport(sock)
    transport.banner_timeout = transport.handshake_timeout = transport.auth_timeout = timeout
    offer = transport.get_security_options()
    pinned = [name for key in login.host_keys for name in _algorithms(key) if name in offer.key_types]
    offer.key_types = tuple(dict.fromkeys([*pinned, *offer.key_types]))
    return transport


def _algorithms(key: paramiko.PKey) -> tuple[str, ...]:
    """The signature algorithms of a key: RSA keys have two that are still safe (RFC 8332), the others one."""
    return ("rsa-sha2-512", "rsa-sha2-256") if key.get_name() == "ssh-rsa" else (key.get_name(),)


def _shake_hands(transport: paramiko.Transport, login: Login, timeout: float) -> None:
    try:
        transport.start_client(timeout=timeout)
        offered = transport.get_remote_server_key()
    except TRANSPORT_ERRORS as exc:
        raise RemoteUnreachable(f"{login} does not answer as an SSH server", str(exc) or type(exc).__name__) from exc
    if offered.asbytes() not in [key.asbytes() for key in login.host_keys]:
        raise HostKeyChanged(
            "host key changed",
            f"{login} answers with {_fingerprint(offered)}, expected {_fingerprint(login.host_keys[0])}: "
            "another machine has this address now, or someone is in between",
            "do not connect; ask the cloud for the machine's current address (`gpucloud ls`) and try again",
        )


def _fingerprint(key: paramiko.PKey) -> str:
    return fingerprint(f"{key.get_name()} {key.get_base64()}")


def _log_in(transport: paramiko.Transport, login: Login) -> None:
    """Try each key. The server counts attempts, so the likeliest key comes first."""
    refused: Exception | None = None
    for key in login.keys:
        try:
            transport.auth_publickey(login.user, key)
            return
        except paramiko.AuthenticationException as exc:
            refused = exc
        except TRANSPORT_ERRORS as exc:
            raise RemoteUnreachable(f"{login} hung up during login", str(exc) or type(exc).__name__) from exc
    raise LoginRefused(
        f"{login} refused the login",
        "permission denied (publickey): the machine does not have our key, or not yet",
        "look at its boot log: cloud-init puts the key there",
    ) from refused


def connect(
    address: str, user: str, port: int, private_key: Path | Secret, host_key: str, *, timeout: float = 10.0
) -> SshRemote:
    """Connect with our key to the machine whose public host key is `host_key` (`ssh-ed25519 AAAA…`).

    `private_key` is a path, or the key itself. `timeout` (seconds) holds for each of TCP, handshake and login.
    Raises HostKeyChanged, LoginRefused, or RemoteUnreachable for every other reason.
    """
    pem = private_key.reveal() if isinstance(private_key, Secret) else Path(private_key).read_text()
    key = paramiko.Ed25519Key.from_private_key(io.StringIO(pem))
    login = Login(address, user, port, (key,), (public_key(host_key),))
    return SshRemote(login, timeout)


def wait_for_ssh(
    address: str,
    user: str,
    port: int,
    private_key: Path | Secret,
    host_key: str,
    *,
    waiter: Waiter,
    timeout: float,
) -> SshRemote:
    """`connect`, again and again for `timeout` seconds, while a machine boots.

    Refused, silent and not-yet-authorized are what a first boot looks like; a wrong host key is raised at once.
    At the end raises what the last attempt met.
    """
    last: list[RemoteUnreachable] = []

    def attempt() -> SshRemote | None:
        try:
            return connect(address, user, port, private_key, host_key, timeout=5.0)
        except HostKeyChanged:
            raise
        except RemoteUnreachable as exc:
            last[:] = [exc]
            return None

    remote = replace(waiter, longest=min(waiter.longest, LONGEST_PAUSE)).until(attempt, timeout)
    if remote is None:
        raise _gave_up(last[0], timeout) from last[0]
    return remote


def _gave_up(last: RemoteUnreachable, timeout: float) -> RemoteUnreachable:
    return type(last)(f"{last.what}, for {timeout:g} s", last.why, last.remedy)


def public_key(line: str) -> paramiko.PKey:
    """The key of a line such as `ssh-ed25519 AAAA… comment`."""
    kind, blob = line.split()[:2]
    return paramiko.PKey.from_type_string(kind, base64.b64decode(blob))
