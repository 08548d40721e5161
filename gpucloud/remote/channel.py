"""One command on one SSH channel: stdin is fed while both streams are read, in one thread."""

from __future__ import annotations

import selectors
import time

import paramiko

from gpucloud.remote.base import RemoteUnreachable
from gpucloud.remote.command import Lines

CHUNK = 1 << 16

WINDOW_PAUSE = 0.02
"""Seconds between looks at a full send window: paramiko has no file descriptor that says when it opens."""


def execute(channel: paramiko.Channel, command: str, stdin: bytes, out: Lines, err: Lines, deadline: float) -> int:
    """Run `command` and return its exit code.

    Raises TimeoutError at `deadline` (monotonic seconds), and RemoteUnreachable if the channel ends without a code.
    """
    channel.exec_command(command)
    channel.settimeout(0.0)
    left = memoryview(stdin)
    with selectors.DefaultSelector() as readable:
        readable.register(channel.fileno(), selectors.EVENT_READ)
        while not _ended(channel):
            left = _feed(channel, left)
            pause = max(0.0, deadline - time.monotonic())
            if not readable.select(min(pause, WINDOW_PAUSE) if left else pause) and pause == 0.0:
                raise TimeoutError
            _drain(channel, out, err)
    return _exit_code(channel, deadline)


def _ended(channel: paramiko.Channel) -> bool:
    """Whether the other side closed both streams and everything was read."""
    closed = bool(channel.eof_received or channel.closed)
    return closed and not channel.recv_ready() and not channel.recv_stderr_ready()


def _feed(channel: paramiko.Channel, left: memoryview) -> memoryview:
    """Send what the window allows. The end of stdin is announced once, after the last byte."""
    if channel.eof_sent or channel.closed:
        return left[:0]
    while left and channel.send_ready():
        left = left[channel.send(bytes(left[:CHUNK])) :]
    if not left:
        channel.shutdown_write()
    return left


def _drain(channel: paramiko.Channel, out: Lines, err: Lines) -> None:
    """Read until both streams are empty.

    Looking at both again after every read matters: paramiko 5.1's pipe for `fileno` is cleared when one stream is
    emptied, and that can swallow the signal of data that arrives on the other one at this moment.
    """
    while channel.recv_ready() or channel.recv_stderr_ready():
        if channel.recv_ready():
            out.feed(channel.recv(CHUNK))
        if channel.recv_stderr_ready():
            err.feed(channel.recv_stderr(CHUNK))


def _exit_code(channel: paramiko.Channel, deadline: float) -> int:
    """The code that the other side reports after both streams have ended."""
    if not channel.status_event.wait(max(0.0, deadline - time.monotonic())):
        raise TimeoutError
    if channel.exit_status < 0:
        raise RemoteUnreachable("the connection was lost while a command ran", "it ended without an exit code")
    return channel.exit_status
