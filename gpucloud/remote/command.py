"""What is really executed for `Remote.run`, and what its end means. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from gpucloud.remote.base import RemoteTimeout, Result

KILL_AFTER = 5
"""Seconds between SIGTERM and SIGKILL for a command that is past its time limit."""

GRACE = KILL_AFTER + 10
"""Seconds past the time limit for which the other side's own report is awaited before the client gives up."""

TIMED_OUT = (124, 137)
"""Exit codes of `timeout` when it ended the command: 124 by SIGTERM, 137 by SIGKILL (coreutils manual)."""


def limited(argv: Sequence[str], timeout: float, *, as_root: bool) -> list[str]:
    """The command under coreutils' `timeout`, which ends its whole process group.

    The limit is kept on the machine itself, so that a command ends in time even if the connection is lost.
    """
    sudo = ["sudo", "-n", "--"] if as_root else []
    return [*sudo, "timeout", f"--kill-after={KILL_AFTER}", "--", f"{timeout:.3f}", *argv]


def result_of(argv: Sequence[str], rc: int, out: bytes, err: bytes, *, elapsed: float, timeout: float) -> Result:
    """The Result; a death by signal N, which Python calls -N, is 128+N. RemoteTimeout if `timeout` ended it."""
    if rc in TIMED_OUT and elapsed >= timeout:
        raise out_of_time(argv, timeout)
    return Result(tuple(argv), rc if rc >= 0 else 128 - rc, out, err)


def out_of_time(argv: Sequence[str], timeout: float) -> RemoteTimeout:
    """The error for a command that took longer than `timeout` seconds."""
    return RemoteTimeout(f"`{' '.join(argv)[:200]}` did not end within {timeout:g} s", "it was told to stop")


class Lines:
    """Collects a stream, and hands on each line (without its newline) as soon as it is complete."""

    def __init__(self, on_line: Callable[[str], None] | None = None) -> None:
        self._on_line = on_line
        self._chunks: list[bytes] = []
        self._partial = b""

    def feed(self, chunk: bytes) -> None:
        """Take the next bytes."""
        self._chunks.append(chunk)
        if self._on_line:
            *complete, self._partial = (self._partial + chunk).split(b"\n")
            for line in complete:
                self._on_line(line.decode(errors="replace"))

    def finish(self) -> bytes:
        """Everything that was fed; a last line without a newline is handed on first."""
        if self._on_line and self._partial:
            self._on_line(self._partial.decode(errors="replace"))
        return b"".join(self._chunks)
