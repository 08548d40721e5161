"""This machine as a Remote: for `verify --local`, and as the second implementation of the contract."""

from __future__ import annotations

import os
import selectors
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from gpucloud.errors import NotFound
from gpucloud.remote.base import Result
from gpucloud.remote.command import GRACE, Lines, limited, out_of_time, result_of

CHUNK = 1 << 16


class LocalRemote:
    """Runs commands here, in the home folder, as a login over SSH would. Relative paths start there as well."""

    def run(
        self,
        argv: Sequence[str],
        *,
        timeout: float,
        stdin: bytes = b"",
        sudo: bool = False,
        on_line: Callable[[str], None] | None = None,
    ) -> Result:
        started = time.monotonic()
        command = limited(argv, timeout, as_root=sudo and os.geteuid() != 0)
        out, err = Lines(on_line), Lines()
        with subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=Path.home()
        ) as process:
            try:
                _pump(process, stdin, out, err, deadline=started + timeout + GRACE)
                rc = process.wait(max(0.0, started + timeout + GRACE - time.monotonic()))
            except (TimeoutError, subprocess.TimeoutExpired) as exc:
                raise out_of_time(argv, timeout) from exc
            finally:
                process.terminate()  # `timeout` passes it on to the whole group, and SIGKILL after KILL_AFTER
        return result_of(argv, rc, out.finish(), err.finish(), elapsed=time.monotonic() - started, timeout=timeout)

    def put(self, data: bytes, path: str, mode: int = 0o644) -> None:
        target = Path.home() / path
        target.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
        try:
            with os.fdopen(handle, "wb") as file:
                os.fchmod(file.fileno(), mode)
                file.write(data)
            os.replace(temporary, target)
        except BaseException:
            os.unlink(temporary)
            raise

    def get(self, path: str) -> bytes:
        try:
            return (Path.home() / path).read_bytes()
        except FileNotFoundError as exc:
            raise NotFound(f"no file {path} on this machine") from exc

    def close(self) -> None:
        """Nothing to close."""


def _pump(process: subprocess.Popen[bytes], stdin: bytes, out: Lines, err: Lines, deadline: float) -> None:
    """Feed stdin and read both streams until both end. Raises TimeoutError at `deadline` (monotonic seconds)."""
    assert process.stdin and process.stdout and process.stderr
    left = memoryview(stdin)
    with selectors.DefaultSelector() as ready:
        ready.register(process.stdout, selectors.EVENT_READ, out)
        ready.register(process.stderr, selectors.EVENT_READ, err)
        os.set_blocking(process.stdin.fileno(), False)
        ready.register(process.stdin, selectors.EVENT_WRITE)
        while any(key.data for key in ready.get_map().values()):
            events = ready.select(max(0.0, deadline - time.monotonic()))
            if not events:
                raise TimeoutError
            for key, _ in events:
                if key.data is None:
                    left = _feed(process, left, ready)
                elif chunk := os.read(key.fd, CHUNK):
                    key.data.feed(chunk)
                else:
                    ready.unregister(key.fileobj)


def _feed(process: subprocess.Popen[bytes], left: memoryview, ready: selectors.BaseSelector) -> memoryview:
    """Write what fits, and close the pipe when all is written or the command no longer reads."""
    assert process.stdin
    try:
        left = left[os.write(process.stdin.fileno(), left[:CHUNK]) :] if left else left
    except BrokenPipeError:
        left = left[:0]
    if not left:
        ready.unregister(process.stdin)
        process.stdin.close()
    return left
