"""Files over SFTP. Only errors of the files themselves are translated here: the transport is the caller's matter."""

from __future__ import annotations

import contextlib
import posixpath
import secrets
import stat
from collections.abc import Iterator

import paramiko

from gpucloud.errors import GpucloudError, NotFound


def write_file(sftp: paramiko.SFTPClient, data: bytes, path: str, mode: int) -> None:
    """Write under a temporary name beside `path`, then rename over it. Makes missing parents."""
    folder, name = posixpath.split(path)
    temporary = posixpath.join(folder, f".{name}.{secrets.token_hex(4)}")
    with _file_errors(sftp, "write", path):
        _make_folder(sftp, folder)
        try:
            with sftp.open(temporary, "wxb") as file:
                file.chmod(mode)
                file.set_pipelined(True)
                file.write(data)
            sftp.posix_rename(temporary, path)
        except BaseException:
            with contextlib.suppress(OSError, EOFError, paramiko.SSHException):  # the first error is the one to report
                sftp.remove(temporary)
            raise


def read_file(sftp: paramiko.SFTPClient, path: str) -> bytes:
    """The bytes of a file. Raises NotFound."""
    with _file_errors(sftp, "read", path), sftp.open(path, "rb") as file:
        file.prefetch()
        return file.read()


@contextlib.contextmanager
def _file_errors(sftp: paramiko.SFTPClient, verb: str, path: str) -> Iterator[None]:
    """Translate what the server says about a file; what the transport says goes on as it is."""
    try:
        yield
    except FileNotFoundError as exc:
        raise NotFound(f"no file {path} on the machine") from exc
    except OSError as exc:
        if isinstance(exc, TimeoutError) or _lost(sftp):
            raise
        raise GpucloudError(f"cannot {verb} {path} on the machine", exc.strerror or str(exc)) from exc


def _lost(sftp: paramiko.SFTPClient) -> bool:
    """Whether the channel below is gone, so that an error says nothing about a file."""
    channel = sftp.get_channel()
    return channel is None or channel.closed


def _make_folder(sftp: paramiko.SFTPClient, folder: str) -> None:
    """`mkdir -p`."""
    if folder in ("", "/") or _is_folder(sftp, folder):
        return
    _make_folder(sftp, posixpath.dirname(folder))
    sftp.mkdir(folder, 0o755)


def _is_folder(sftp: paramiko.SFTPClient, path: str) -> bool:
    try:
        return stat.S_ISDIR(sftp.stat(path).st_mode or 0)
    except FileNotFoundError:
        return False
