"""The contract of every remote: what a command's result is, and what counts as an error."""

from __future__ import annotations

import shlex
import textwrap
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from gpucloud.errors import GpucloudError, Unreachable


@dataclass(frozen=True)
class Result:
    """How a command ended. A non-zero `rc` is a value, not an error: see `check`. A death by signal N is rc 128+N."""

    argv: tuple[str, ...]
    rc: int
    stdout: bytes
    stderr: bytes


class RemoteUnreachable(Unreachable):
    """The transport was lost or never came up. What the command did, or whether it goes on, is not known."""


class RemoteTimeout(RemoteUnreachable):
    """The command did not end within its time limit. It was told to stop."""


class RemoteCommandFailed(GpucloudError):
    """`check` met a non-zero exit code."""

    def __init__(self, result: Result) -> None:
        tail = result.stderr.decode(errors="replace").strip().splitlines()[-3:]
        super().__init__(f"`{_shown(result.argv)}` ended with code {result.rc}", " / ".join(tail))
        self.result = result


def _shown(argv: Sequence[str]) -> str:
    """A command for people: one line, and no whole scripts."""
    return textwrap.shorten(shlex.join(argv), 60, placeholder=" …")


class Remote(Protocol):
    """A machine that runs commands.

    `run` waits for the command and returns its Result; `argv` is quoted, never interpreted by a shell;
    `timeout` is in seconds (RemoteTimeout); `on_line` receives each line of stdout as it arrives, without its
    newline; both streams are read concurrently. With `sudo` the command runs as root.
    `put` writes atomically (temporary name, then rename), makes missing parents, and sets `mode` before content.
    `get` returns a file's bytes, and raises NotFound if there is none.
    A lost transport raises RemoteUnreachable from any of them. `close` may be called twice.
    """

    def run(
        self,
        argv: Sequence[str],
        *,
        timeout: float,
        stdin: bytes = b"",
        sudo: bool = False,
        on_line: Callable[[str], None] | None = None,
    ) -> Result: ...

    def put(self, data: bytes, path: str, mode: int = 0o644) -> None: ...
    def get(self, path: str) -> bytes: ...
    def close(self) -> None: ...


def check(result: Result) -> Result:
    """The result itself, if the command succeeded. Raises RemoteCommandFailed otherwise."""
    if result.rc != 0:
        raise RemoteCommandFailed(result)
    return result
