"""How an ordinary user gets guests: through sudo, through a user namespace, or one error that says what to do."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from gpucloud.sandbox.guest import base, rights, userns
from gpucloud.sandbox.guest.manager import GuestManager, possible
from gpucloud.sandbox.guest.rights import Rights
from tests.sandbox_guest.conftest import HARDWARE, PORT, Client, Keys, leftovers, wait_up

ADDRESS = "127.77.200.7"
# sudo's way but for sudo itself: every job and every supervisor is a process with a prefix.
APART = Rights("sudo", ("env", f"PYTHONPATH={Path(__file__).parents[2]}"))
# The user namespace's way but for the namespace: its overlays.
FUSE = Rights("fuse", fuse=True)
has_fuse = pytest.mark.skipif(
    not (shutil.which("fuse-overlayfs") and os.access("/dev/fuse", os.W_OK)), reason="needs fuse-overlayfs"
)


@pytest.fixture
def ordinary_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Not root as far as the product can see, with a PATH of programs that the test makes."""
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setenv("PATH", str(tmp_path))
    rights.available.cache_clear()
    yield tmp_path
    rights.available.cache_clear()


def program(folder: Path, name: str, script: str) -> None:
    (folder / name).write_text(f"#!/bin/sh\n{script}\n")
    (folder / name).chmod(0o755)


def test_without_sudo_or_newuidmap_one_reason_says_what_to_do(ordinary_user: Path) -> None:
    reason = possible()

    assert reason and "neither sudo nor newuidmap" in reason
    assert "as root" in reason and "fuse-overlayfs" in reason and "/etc/subuid" in reason


def test_a_sudo_that_asks_for_a_password_is_told(ordinary_user: Path) -> None:
    program(ordinary_user, "sudo", "echo sudo: a password is required >&2; exit 1")

    reason = possible()

    assert reason and "sudo: a password is required" in reason


def test_sudo_is_used_where_it_asks_for_no_password_even_later(ordinary_user: Path) -> None:
    program(ordinary_user, "sudo", 'test "$1 $2" = "-n -k" && shift 2 && export PATH=/usr/bin:/bin && exec "$@"')
    if os.getuid() != 0:
        pytest.skip("the stand-in for sudo gives no rights")

    assert rights.available().prefix[:3] == ("sudo", "-n", "-k")
    assert rights.available().command("supervisor")[-4:] == [sys.executable, "-B", "-m", f"{rights.PACKAGE}.supervisor"]


@pytest.mark.parametrize(
    ("ranges", "first"),
    [
        ("other:100000:65536\nme:165536:65536\n", 165536),
        ("1234:200000:65536\n", 200000),
        ("me:1000:10\nme:300000:131072\n", 300000),
    ],
)
def test_the_range_of_a_user_is_found_by_name_or_number(ranges: str, first: int) -> None:
    assert userns.first_of_range(ranges, "me", 1234) == first


def test_a_user_without_a_large_enough_range_is_refused() -> None:
    with pytest.raises(LookupError, match="me has no range"):
        userns.first_of_range("me:1000:10\nother:100000:65536\n", "me", 1234)


@pytest.mark.slow
@pytest.mark.parametrize("way", [APART, pytest.param(FUSE, marks=has_fuse)], ids=lambda way: way.name)
def test_guests_of_the_other_ways_work_and_go(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, keys: Keys, way: Rights
) -> None:
    if reason := possible():
        pytest.skip(reason)
    monkeypatch.setattr(rights, "available", lambda: way)
    manager = GuestManager(tmp_path / "guests", "")
    manager.create("i-0w", ADDRESS, PORT, keys.user_data(), HARDWARE, lambda _id, _how: None)
    wait_up(manager, "i-0w")
    ssh = Client(keys, ADDRESS)

    assert (
        ssh.output("sudo touch /usr/bin/made && stat -c %U:%G /usr/bin/made /usr/bin/env").split() == ["root:root"] * 2
    )
    assert ssh.run("sudo sh -c 'rm /usr/bin/env && test ! -e /usr/bin/env && dpkg --audit'").returncode == 0
    assert ssh.run("sudo unshare --mount true").returncode != 0
    manager.destroy("i-0w")
    manager.close()
    assert leftovers(manager.root) == ""
    assert list(manager.root.iterdir()) == []


def test_a_host_without_a_python_for_pytorch_is_told_which(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(base, "TORCH_MINORS", (99,))

    reason = possible()

    assert reason and f"this host has only 3.{sys.version_info.minor}" in reason
