"""A real OpenSSH server on loopback, unpacked beside the system and never installed."""

from __future__ import annotations

import fcntl
import os
import pwd
import shutil
import signal
import socket
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from gpucloud.keys import KeyPair, Secret, new_keypair
from gpucloud.waiting import Waiter

CACHE = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "gpucloud-tests" / "openssh"
PACKAGES = ("openssh-server", "openssh-sftp-server", "libwrap0")

# The server wants a `sshd` user and /run/sshd: it gets both in a mount namespace of its own. With a process
# namespace as well, killing its first process ends every session.
START = """
mount -t tmpfs tmpfs /run && mkdir /run/sshd
mount --bind "$1/passwd" /etc/passwd
exec "$2/usr/sbin/sshd" -D -e -f "$1/sshd_config"
"""

CONFIG = """
ListenAddress 127.0.0.1
Port {port}
HostKey {folder}/host_key
AuthorizedKeysFile {folder}/authorized_keys
PermitRootLogin prohibit-password
PasswordAuthentication no
StrictModes no
UsePAM no
PidFile none
Subsystem sftp {root}/usr/lib/openssh/sftp-server
"""


@dataclass(frozen=True)
class Sshd:
    """A running server, and what a client needs for it."""

    port: int
    user: str
    host_key: str
    key_path: Path
    folder: Path


@pytest.fixture(scope="session")
def openssh() -> Path:
    """The unpacked packages, kept between runs."""
    if os.geteuid() != 0:
        pytest.skip("a private sshd needs root")
    tools = [tool for tool in ("apt-get", "dpkg", "unshare") if not shutil.which(tool)]
    if tools:
        pytest.skip(f"a private sshd needs {', '.join(tools)}")
    CACHE.mkdir(parents=True, exist_ok=True)
    root = CACHE / "root"
    with (CACHE / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (CACHE / "complete").exists():
            fetch(root)
            (CACHE / "complete").touch()
    return root


def fetch(root: Path) -> None:
    download = ["apt-get", "download", *PACKAGES]
    got = subprocess.run(download, cwd=CACHE, capture_output=True, text=True)
    if got.returncode:  # a fresh machine has no package lists
        subprocess.run(["apt-get", "update"], capture_output=True, check=False)
        got = subprocess.run(download, cwd=CACHE, capture_output=True, text=True)
    if got.returncode:
        pytest.skip(f"openssh-server cannot be downloaded: {got.stderr.strip()[-200:]}")
    for package in CACHE.glob("*.deb"):
        subprocess.run(["dpkg", "-x", package, root], check=True)


@pytest.fixture(scope="session")
def host_keys() -> KeyPair:
    return new_keypair()


@pytest.fixture(scope="session")
def sshd(openssh: Path, host_keys: KeyPair, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sshd]:
    folder = tmp_path_factory.mktemp("sshd")
    client = new_keypair()
    write_secret(folder / "host_key", host_keys.private)
    write_secret(folder / "client_key", client.private)
    (folder / "authorized_keys").write_text(client.public + "\n")
    passwd = Path("/etc/passwd").read_text()
    (folder / "passwd").write_text(passwd + "sshd:x:65533:65534::/run/sshd:/usr/sbin/nologin\n")
    port = free_port()
    (folder / "sshd_config").write_text(CONFIG.format(port=port, folder=folder, root=openssh))
    with (folder / "log").open("w") as log:
        server = subprocess.Popen(
            ["unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "sh", "-ec", START, "sh"]
            + [str(folder), str(openssh)],
            stderr=log,
            env={**os.environ, "LD_LIBRARY_PATH": f"{openssh}/usr/lib/x86_64-linux-gnu"},
        )
        try:
            if not Waiter(first=0.02).until(lambda: answers(port) or server.poll() is not None, timeout=10):
                pytest.fail("sshd does not answer")
            if server.poll() is not None:
                pytest.skip(f"sshd does not start here: {(folder / 'log').read_text()[-300:]}")
            user = pwd.getpwuid(os.geteuid()).pw_name
            yield Sshd(port, user, host_keys.public, folder / "client_key", folder)
        finally:
            stop(server)


def stop(server: subprocess.Popen[bytes]) -> None:
    """Kill the first process of the namespace, and with it every session; `unshare` sees it end, and ends."""
    for child in Path(f"/proc/{server.pid}/task/{server.pid}/children").read_text().split():
        os.kill(int(child), signal.SIGKILL)
    server.wait()


def write_secret(path: Path, secret: Secret) -> None:
    path.touch(0o600)
    path.write_text(secret.reveal())


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


def answers(port: int) -> bool:
    with socket.socket() as sock:
        sock.settimeout(1)
        return sock.connect_ex(("127.0.0.1", port)) == 0


class Door:
    """A TCP way to the server that can be shut."""

    def __init__(self, port: int, target: int) -> None:
        self._target = target
        self._listener = socket.create_server(("127.0.0.1", port))
        self._sockets: list[socket.socket] = []
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    def _accept(self) -> None:
        while True:
            try:
                near = self._listener.accept()[0]
            except OSError:
                return
            far = socket.create_connection(("127.0.0.1", self._target))
            self._sockets += [near, far]
            for pair in ((near, far), (far, near)):
                self._threads.append(threading.Thread(target=self._copy, args=pair))
                self._threads[-1].start()

    def _copy(self, source: socket.socket, target: socket.socket) -> None:
        try:
            while data := source.recv(1 << 16):
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)
        except OSError:
            return

    def close(self) -> None:
        """Shut it, and wait until everything has ended; may be called twice."""
        if self._listener.fileno() < 0:
            return
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for sock in self._sockets:
            try:
                sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue
        for thread in self._threads:
            thread.join()
        for sock in self._sockets:
            sock.close()
