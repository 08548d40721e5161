"""The guest's SSH server, with the clients that people use: OpenSSH's ssh, scp and sftp, and paramiko."""

from __future__ import annotations

import hashlib
import os
import pty
import subprocess
import threading
from pathlib import Path

import paramiko
import pytest

from tests.sandbox_guest.conftest import PORT, QUICK, Client, Keys

pytestmark = pytest.mark.slow


def test_exit_codes_and_both_streams_arrive(guest: Client) -> None:
    done = guest.run("echo out; echo err >&2; exit 7")

    assert (done.returncode, done.stdout, done.stderr) == (7, b"out\n", b"err\n")


def test_large_input_and_output_arrive_whole(guest: Client) -> None:
    data = os.urandom(5_000_000)

    done = guest.run("tee /dev/stderr", stdin=data)

    assert [hashlib.md5(stream).digest() for stream in (done.stdout, done.stderr)] == [hashlib.md5(data).digest()] * 2


def test_a_command_killed_by_a_signal_is_a_failure(guest: Client) -> None:
    assert guest.run("kill -TERM $$").returncode != 0


def test_sessions_run_as_the_user_and_sudo_is_root(guest: Client) -> None:
    assert guest.output(
        "id -un; pwd; sudo id -un; sudo -u ubuntu id -un; sudo FOO=bar sh -c 'echo $FOO $HOME'"
    ).split() == [
        "ubuntu",
        "/home/ubuntu",
        "root",
        "ubuntu",
        "bar",
        "/root",
    ]


def test_a_new_session_has_the_groups_of_the_moment(guest: Client) -> None:
    guest.output("sudo groupadd --force docker && sudo usermod -aG docker ubuntu")

    assert "docker" in guest.output("id -Gn").split()


def test_a_terminal_has_its_size_and_is_the_controlling_one(guest: Client) -> None:
    ours, theirs = pty.openpty()
    argv = [
        "ssh",
        *guest.options,
        "-tt",
        "-p",
        str(PORT),
        f"ubuntu@{guest.address}",
        "stty size; tty; ps -o tty= -p $$",
    ]
    done = subprocess.run(argv, stdin=theirs, capture_output=True, timeout=20)
    os.close(ours)
    os.close(theirs)

    size, name, own = done.stdout.decode().split("\r\n")[:3]
    assert (done.returncode, len(size.split()), name) == (0, 2, "/dev/" + own.strip())


@pytest.mark.parametrize("program", [["scp"], ["scp", "-O"]])
def test_scp_copies_both_ways(guest: Client, tmp_path: Path, program: list[str]) -> None:
    (tmp_path / "a").write_bytes(b"data")
    options = [*program, "-q", *guest.options, "-P", str(PORT)]

    subprocess.run(
        [*options, str(tmp_path / "a"), f"ubuntu@{guest.address}:copied"], check=True, timeout=20, capture_output=True
    )
    subprocess.run(
        [*options, f"ubuntu@{guest.address}:copied", str(tmp_path / "b")], check=True, timeout=20, capture_output=True
    )

    assert (tmp_path / "b").read_bytes() == b"data"
    assert guest.output("stat -c %U copied") == "ubuntu"


def test_paramiko_runs_commands_and_sftp_as_the_user(guest: Client, keys: Keys) -> None:
    transport = paramiko.Transport((guest.address, PORT))
    transport.connect(username="ubuntu", pkey=paramiko.Ed25519Key.from_private_key_file(str(keys.private)))
    with transport:
        sftp = paramiko.SFTPClient.from_transport(transport)
        assert sftp
        with sftp.open("from-paramiko", "w") as file:
            file.write("x")
        with pytest.raises(PermissionError):
            sftp.open("/etc/shadow")
        assert sftp.stat("from-paramiko").st_uid == 1000
        channel = transport.open_session()
        channel.exec_command("exit 3")
        assert channel.recv_exit_status() == 3


def test_forwards_to_a_port_in_the_guest(guest: Client) -> None:
    listen = 's=socket.create_server(("127.77.200.1", 18999)); c=s.accept()[0]; c.send(b"hello")'
    serve = f"python3 -c 'import socket; {listen}'"
    server = threading.Thread(target=guest.run, args=(serve,))
    server.start()

    assert QUICK.until(lambda: forwarded(guest), timeout=10) == b"hello"
    server.join()


def forwarded(guest: Client) -> bytes:
    """The first bytes from the forwarded port; empty while nobody listens on it."""
    argv = ["ssh", *guest.options, "-p", str(PORT), "-W", "127.77.200.1:18999", f"ubuntu@{guest.address}"]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as client:
        assert client.stdout
        received = client.stdout.read(5)
        client.kill()
    return received


def test_another_key_is_refused(guest: Client, tmp_path: Path) -> None:
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(tmp_path / "other")], check=True)
    stranger = ["-i", str(tmp_path / "other"), "-o", "IdentitiesOnly=yes"]
    options = [word for word in guest.options if "client" not in word and word != "-i"]
    argv = ["ssh", *options, *stranger, "-p", str(PORT), f"ubuntu@{guest.address}", "true"]

    assert subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, timeout=20).returncode == 255
