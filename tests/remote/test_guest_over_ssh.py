"""A whole bootstrap over a real SSH connection that is cut while a stage runs."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from gpucloud import guest
from gpucloud.remote.ssh import SshRemote, connect
from gpucloud.waiting import Waiter

from .conftest import Door, Sshd, free_port

pytestmark = pytest.mark.slow  # each test starts processes of its own


def test_the_work_goes_on_while_the_connection_is_cut(sshd: Sshd, tmp_path: Path) -> None:
    doors: list[Door] = []
    events: list[Mapping[str, Any]] = []

    def through_a_new_door() -> SshRemote:
        port = free_port()
        doors.append(Door(port, sshd.port))
        return connect("127.0.0.1", sshd.user, port, sshd.key_path, sshd.host_key)

    def on_event(event: Mapping[str, Any]) -> None:
        events.append(event)
        if event.get("text") == "cut me":
            doors[0].close()
            (tmp_path / "cut").touch()

    script = f"echo cut me; until [ -e {tmp_path}/cut ]; do sleep 0.05; done; echo went on"
    stage = {"id": "long", "run": f"bash -c '{script}'", "timeout": 30}
    plan = {"version": 1, "run": "r", "stages": [stage]}
    try:
        guest.bootstrap(through_a_new_door, plan, on_event, Waiter(first=0.05), state=str(tmp_path / "state"))
    finally:
        for door in doors:
            door.close()
    assert [event["n"] for event in events] == list(range(1, 7))
    assert [event["text"] for event in events if event["event"] == "line"] == ["cut me", "went on"]
    assert len(doors) == 2
