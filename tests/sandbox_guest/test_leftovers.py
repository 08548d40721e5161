"""A daemon that is killed leaves no guest behind."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from gpucloud.sandbox.guest.manager import possible, reap_leftovers
from tests.sandbox_guest.conftest import HARDWARE, QUICK, leftovers

pytestmark = pytest.mark.slow

DAEMON = """
import sys
from pathlib import Path
from gpucloud.sandbox.guest.manager import GuestManager
manager = GuestManager(Path(sys.argv[1]), "")
manager.create("i-0k", "127.77.200.8", 2222, b"", {hardware!r}, print)
print("made", flush=True)
sys.stdin.read()
"""


def test_guests_end_with_a_killed_daemon(tmp_path: Path) -> None:
    if reason := possible():
        pytest.skip(reason)
    argv = [sys.executable, "-c", DAEMON.format(hardware=HARDWARE), str(tmp_path / "guests")]
    root, log = tmp_path / "guests", tmp_path / "log"
    with (
        log.open("wb") as errors,
        subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors) as daemon,
    ):
        assert daemon.stdout and daemon.stdout.readline() == b"made\n"
        assert leftovers(root) != ""
        daemon.kill()

    assert QUICK.until(lambda: leftovers(root) == "", timeout=5)
    assert log.read_bytes() == b""
    reap_leftovers(root)
    assert (root / "i-0k/disk/tree").is_dir()
