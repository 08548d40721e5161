"""The user-data document, and the kill switch in it: its script runs here in a folder, with a systemctl that notes."""

from __future__ import annotations

import os
import subprocess
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
import yaml

from gpucloud.keys import new_keypair
from gpucloud.userdata import LIMIT, cloud_config, extend_commands

LATER = datetime(2099, 1, 2, 3, 4, 5, tzinfo=UTC)
HOST = new_keypair()


class Box:
    """A folder in the place of the machine's `/`."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.calls = root / "calls"
        (root / "bin").mkdir()
        systemctl = root / "bin" / "systemctl"
        systemctl.write_text(f'#!/bin/sh\necho "$@" >>{self.calls}\n')
        systemctl.chmod(0o755)

    def run(self, argv: list[str], script: str = "") -> None:
        env = {"GPUCLOUD_ROOT": str(self.root), "PATH": f"{self.root}/bin:{os.environ['PATH']}"}
        subprocess.run(argv, env=env, input=script, text=True, check=True)

    def boot(self, document: str) -> None:
        for argv in yaml.safe_load(document)["bootcmd"]:
            self.run(argv)

    def systemctl_calls(self) -> list[str]:
        return self.calls.read_text().splitlines()

    @property
    def expires(self) -> str:
        return (self.root / "etc/gpucloud/expires").read_text()

    @property
    def on_calendar(self) -> str:
        timer = (self.root / "etc/systemd/system/timers.target.wants/gpucloud-expire.timer").read_text()
        return next(line.partition("=")[2] for line in timer.splitlines() if line.startswith("OnCalendar="))


@pytest.fixture
def box(tmp_path: Path) -> Box:
    return Box(tmp_path)


def test_the_machine_gets_our_host_key_and_only_our_login_key() -> None:
    text = cloud_config(HOST, "ssh-ed25519 AAAA me", LATER)
    document = yaml.safe_load(text)
    assert text.startswith("#cloud-config\n")
    assert document["ssh_deletekeys"] is True
    assert document["ssh_keys"] == {"ed25519_private": HOST.private.reveal(), "ed25519_public": HOST.public}
    assert document["ssh_authorized_keys"] == ["ssh-ed25519 AAAA me"]
    assert len(text.encode()) < LIMIT / 2


def test_without_an_expiry_there_is_no_kill_switch() -> None:
    assert "bootcmd" not in yaml.safe_load(cloud_config(HOST, "ssh-ed25519 AAAA", None))


def test_the_first_boot_arms_a_timer_for_that_very_moment(box: Box) -> None:
    box.boot(cloud_config(HOST, "key", LATER.astimezone(timezone(timedelta(hours=5)))))
    assert box.expires == "2099-01-02T03:04:05Z\n"
    assert box.on_calendar == "2099-01-02 03:04:05 UTC"
    assert (
        "ExecStart=/usr/bin/systemctl poweroff" in (box.root / "etc/systemd/system/gpucloud-expire.service").read_text()
    )
    assert box.systemctl_calls() == ["daemon-reload", "start --no-block gpucloud-expire.timer"]


def test_extend_moves_the_end_and_the_next_boot_keeps_it(box: Box) -> None:
    document = cloud_config(HOST, "key", LATER)
    box.boot(document)
    box.run(["sh", "-s"], extend_commands(LATER + timedelta(days=1)))
    assert box.on_calendar == "2099-01-03 03:04:05 UTC"
    assert box.systemctl_calls()[-2:] == ["daemon-reload", "restart gpucloud-expire.timer"]
    box.boot(document)
    assert (box.expires, box.on_calendar) == ("2099-01-03T03:04:05Z\n", "2099-01-03 03:04:05 UTC")


def test_extend_can_also_shorten_and_arm_a_machine_that_had_no_end(box: Box) -> None:
    box.run(["sh", "-s"], extend_commands(LATER))
    box.run(["sh", "-s"], extend_commands(LATER - timedelta(days=1)))
    assert box.on_calendar == "2099-01-01 03:04:05 UTC"


def test_a_machine_started_after_its_end_gets_ten_minutes(box: Box) -> None:
    before = datetime.now(UTC).replace(microsecond=0)
    box.boot(cloud_config(HOST, "key", datetime(2020, 1, 1, tzinfo=UTC)))
    due = datetime.strptime(box.on_calendar, "%Y-%m-%d %H:%M:%S UTC").replace(tzinfo=UTC)
    assert timedelta(minutes=10) <= due - before <= timedelta(minutes=10, seconds=10)
    assert box.expires == "2020-01-01T00:00:00Z\n"
