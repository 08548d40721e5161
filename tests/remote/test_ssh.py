"""What only SSH has: who answers, who may log in, lost connections. The server is a real one."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from gpucloud.keys import Secret, new_keypair
from gpucloud.remote.base import RemoteUnreachable
from gpucloud.remote.failures import HostKeyChanged, LoginRefused
from gpucloud.remote.ssh import SshRemote, connect, wait_for_ssh
from gpucloud.waiting import Waiter

from .conftest import Door, Sshd, free_port

CUT = "kill -9 $(ps -o ppid= -p $(ps -o ppid= -p $PPID))"
"""Kills the server's process of this session: the parent of `sh`, which is the parent of `timeout`."""


@pytest.fixture
def remote(sshd: Sshd) -> Iterator[SshRemote]:
    made = connect("127.0.0.1", sshd.user, sshd.port, sshd.key_path, sshd.host_key)
    yield made
    made.close()


def test_another_host_key_is_refused(sshd: Sshd) -> None:
    with pytest.raises(HostKeyChanged) as caught:
        connect("127.0.0.1", sshd.user, sshd.port, sshd.key_path, new_keypair().public)
    assert caught.value.what == "host key changed"
    assert caught.value.why.count("SHA256:") == 2
    assert caught.value.remedy


def test_waiting_ends_at_once_when_the_host_key_is_another(sshd: Sshd, waiter: Waiter) -> None:
    with pytest.raises(HostKeyChanged):
        wait(sshd, waiter, host_key=new_keypair().public)
    assert waiter.clock() == 0


def test_a_login_key_may_come_late_so_waiting_goes_on(sshd: Sshd, waiter: Waiter) -> None:
    with pytest.raises(LoginRefused, match="for 20 s"):
        connect_late(sshd, waiter, new_keypair().private)
    assert waiter.clock() >= 20


def connect_late(sshd: Sshd, waiter: Waiter, key: Secret) -> None:
    wait_for_ssh(
        "127.0.0.1",
        sshd.user,
        sshd.port,
        key,
        sshd.host_key,
        waiter=waiter,
        timeout=20,
    )


def wait(sshd: Sshd, waiter: Waiter, *, host_key: str = "", port: int = 0) -> SshRemote:
    return wait_for_ssh(
        "127.0.0.1",
        sshd.user,
        port or sshd.port,
        sshd.key_path,
        host_key or sshd.host_key,
        waiter=waiter,
        timeout=20,
    )


def test_a_closed_port_is_waited_for_and_then_reported(sshd: Sshd, waiter: Waiter) -> None:
    with pytest.raises(RemoteUnreachable, match=r"cannot reach root@127.0.0.1:\d+ by SSH, for 20 s.*refused"):
        wait(sshd, waiter, port=free_port())
    assert waiter.clock() >= 20


def test_a_machine_that_comes_up_while_waiting_is_reached(sshd: Sshd) -> None:
    port = free_port()
    opened: list[Door] = []

    def sleep(seconds: float) -> None:
        if not opened:
            opened.append(Door(port, sshd.port))

    remote = wait(sshd, Waiter(sleep=sleep), port=port)
    assert remote.run(["echo", "up"], timeout=10).stdout == b"up\n"
    remote.close()
    opened[0].close()


def test_a_connection_cut_in_the_middle_is_unreachable_soon(remote: SshRemote) -> None:
    started = time.monotonic()
    with pytest.raises(RemoteUnreachable):
        remote.run(["sh", "-c", f"echo before; {CUT}; sleep 60"], timeout=30)
    assert time.monotonic() - started < 5


def test_the_next_command_connects_again_and_nothing_is_run_twice(remote: SshRemote, tmp_path: Path) -> None:
    script = f'echo x >>"$1/ran"; {CUT}; sleep 5'
    with pytest.raises(RemoteUnreachable):
        remote.run(["sh", "-c", script, "sh", str(tmp_path)], timeout=30)
    assert remote.run(["cat", str(tmp_path / "ran")], timeout=10).stdout == b"x\n"


def test_a_server_that_never_answers_is_unreachable_in_bounded_time(sshd: Sshd) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        started = time.monotonic()
        with pytest.raises(RemoteUnreachable, match="does not answer as an SSH server"):
            connect("127.0.0.1", "root", silent.getsockname()[1], sshd.key_path, sshd.host_key, timeout=0.5)
        assert time.monotonic() - started < 5


def test_a_closed_remote_stays_closed(remote: SshRemote) -> None:
    remote.close()
    with pytest.raises(RemoteUnreachable, match="closed"):
        remote.run(["true"], timeout=5)


@pytest.mark.slow
def test_no_thread_is_left_behind(sshd: Sshd) -> None:
    before = threading.active_count()
    remote = connect("127.0.0.1", sshd.user, sshd.port, sshd.key_path, sshd.host_key)
    for _ in range(5):
        remote.run(["true"], timeout=10)
        remote.put(b"x", "/dev/shm/gpucloud-thread-test")
    remote.run(["rm", "/dev/shm/gpucloud-thread-test"], timeout=10)
    remote.close()
    assert Waiter(first=0.02).until(lambda: threading.active_count() <= before, timeout=5)
