from __future__ import annotations

from pathlib import Path

import pytest

from gpucloud.errors import NotFound, UsageError
from gpucloud.state import State


def test_keys_are_for_their_owner_only_and_come_back(tmp_path: Path) -> None:
    state = State(tmp_path)
    state.save_identity("r1", "PRIVATE", "ssh-ed25519 AAAA")
    identity = state.identity("r1")
    assert identity.private_key.read_text() == "PRIVATE"
    assert identity.host_key == "ssh-ed25519 AAAA"
    assert identity.known_hosts.read_text() == "gpucloud-r1 ssh-ed25519 AAAA\n"
    assert {path.stat().st_mode & 0o777 for path in (tmp_path / "keys/r1").iterdir()} == {0o600}


def test_a_machine_made_elsewhere_has_no_keys_here(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="no SSH key for run r1"):
        State(tmp_path).identity("r1")


@pytest.mark.parametrize("run", ["../canary", "", ".", "a/b", "/etc", "r1\n", "R1"])
def test_a_tag_cannot_decide_which_folder_is_touched(tmp_path: Path, run: str) -> None:
    canary = tmp_path / "canary"
    canary.mkdir()
    state = State(tmp_path)
    state.save_identity("r1", "PRIVATE", "ssh-ed25519 AAAA")
    for touch in (state.forget_identity, state.journal_path, state.identity):
        with pytest.raises(UsageError, match="no run id"):
            touch(run)
    assert canary.exists()
    assert state.identity("r1").host_key
