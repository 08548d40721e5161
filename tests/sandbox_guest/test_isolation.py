"""Root in a guest cannot get at the host: no devices, mounts, modules, processes or files of it."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from gpucloud.sandbox.guest.supervisor import MOST_PROCESSES
from gpucloud.sandbox.guest.syscalls import LANDLOCK_SCOPES_SINCE, landlock_version
from tests.sandbox_guest.conftest import Client

pytestmark = pytest.mark.slow

FINIT_MODULE = "import ctypes, sys; sys.exit(ctypes.CDLL(None).syscall(313, 0, None, 0) != 0)"
ATTEMPTS = {
    "make a block device": "mknod /root/disk b 254 0",
    "make a character device": "mknod /root/mem c 1 1",
    "mount a tmpfs": "mount -t tmpfs tmpfs /mnt",
    "mount the host's proc": "mount -t proc proc /mnt",
    "unmount the mask of proc": "umount /proc/kallsyms",
    "remount proc/sys for writing": "mount -o remount,rw,bind /proc/sys",
    "write a kernel setting": "sh -c 'echo 1 > /proc/sys/kernel/panic'",
    "reach sysrq": "sh -c 'test -e /proc/sysrq-trigger && ! test -c /proc/sysrq-trigger'",
    "a new mount namespace": "unshare --mount true",
    "a new user namespace": "unshare --user --map-root-user true",
    "a user namespace as an ordinary user": "-u ubuntu unshare --user --map-root-user --mount true",
    "chroot": "chroot / true",
    "enter namespaces": "nsenter --target 1 --mount true",
    "change the host name of the kernel": "hostname changed",
    "set the clock": "date -s 2001-01-01",
    "load a module by system call": f"python3 -c '{FINIT_MODULE}'",
    "see a host process": f"test -e /proc/{os.getpid()}",
    "kill a host process": f"kill -0 {os.getpid()}",
    "see the host's files through init's root": "test -e /proc/1/root/work",
}


@pytest.mark.parametrize("attempt", ATTEMPTS)
def test_root_in_a_guest_cannot(guest: Client, attempt: str) -> None:
    done = guest.run(f"sudo {ATTEMPTS[attempt]}")

    assert done.returncode not in (0, 127), (done.stdout, done.stderr)


def test_host_files_are_not_there(guest: Client, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("s")
    tried = [tmp_path / "secret", Path("/etc/ssh/ssh_host_rsa_key"), Path("/var/lib/postgresql")]

    done = guest.run("sudo ls -d " + " ".join(f"{path} /proc/1/root{path} /..{path}" for path in tried))

    assert done.stdout == b""


def test_no_block_device_and_no_password_is_there(guest: Client) -> None:
    assert guest.output("sudo find /dev -type b") == ""
    assert guest.output("sudo cut -d: -f2 /etc/shadow | sort -u") == "*"


def test_what_a_guest_writes_stays_in_it(guest: Client) -> None:
    guest.output("sudo sh -c 'echo x > /usr/bin/gpucloud-guest-was-here; echo x > /etc/gpucloud-guest-was-here'")

    assert not Path("/usr/bin/gpucloud-guest-was-here").exists()
    assert not Path("/etc/gpucloud-guest-was-here").exists()


def test_capabilities_are_those_that_apt_needs(guest: Client) -> None:
    assert guest.output("sudo grep CapBnd /proc/self/status").split()[1] == "00000000000000fb"


@pytest.mark.skipif(landlock_version() < LANDLOCK_SCOPES_SINCE, reason="this kernel cannot scope abstract sockets")
def test_abstract_sockets_of_the_host_are_out_of_reach(guest: Client) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(f"\0gpucloud-test-{os.getpid()}")
        listener.listen()
        connect = f"import socket; socket.socket(socket.AF_UNIX).connect(chr(0) + 'gpucloud-test-{os.getpid()}')"
        done = guest.run(f'sudo python3 -c "{connect}"')

    assert b"PermissionError" in done.stderr


def test_a_user_of_a_guest_has_a_limit_of_processes(guest: Client) -> None:
    assert guest.output("ulimit -Hu") == str(MOST_PROCESSES)
