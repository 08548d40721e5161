"""Aliases for OpenSSH: one marked block in the user's file, one entry for each machine in ours."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from gpucloud import config
from gpucloud.config import Config
from gpucloud.errors import ConfigError
from gpucloud.machine import Machine, State
from gpucloud.ops import sshconfig
from gpucloud.ops.context import Context
from gpucloud.progress import Progress
from gpucloud.state import State as LocalState
from gpucloud.waiting import Waiter

BOX = Machine("i-1", "box", "r1", "aws", "us-east-1", "us-east-1a", "g4dn.xlarge", State.RUNNING, "192.0.2.1")


@pytest.fixture
def told() -> list[Progress]:
    return []


@pytest.fixture
def context(tmp_path: Path, waiter: Waiter, told: list[Progress]) -> Context:
    made = Context(Config(), LocalState(tmp_path / "our state"), {}, told.append, waiter=waiter)
    for run in ("r1", "r2"):
        made.state.save_identity(run, "PRIVATE", "ssh-ed25519 AAAA")
    return made


@pytest.fixture
def theirs(home: Path) -> Path:
    """The user's own configuration, with something in it."""
    path = home / ".ssh/config"
    path.parent.mkdir(mode=0o700)
    path.write_bytes("Compression yes\r\nHost work\n\tUser me # näher\n".encode())
    path.chmod(0o640)
    return path


def ours(home: Path, file: str = "ssh_config") -> str:
    return (home / ".config/gpucloud" / file).read_text()


def understood(file: Path, name: str) -> dict[str, str]:
    """What OpenSSH makes of a name."""
    program = shutil.which("ssh")
    if program is None:
        pytest.skip("there is no OpenSSH")
    done = subprocess.run([program, "-G", "-F", str(file), name], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return dict(line.split(" ", 1) for line in reversed(done.stdout.splitlines()) if " " in line)


def test_openssh_reaches_the_machine_with_our_key_and_the_pinned_host_key(context: Context, theirs: Path) -> None:
    sshconfig.publish(context, replace(BOX, ssh_port=2200))

    found = understood(theirs, "box")
    keys = context.state.identity("r1")
    assert (found["hostname"], found["port"], found["user"]) == ("192.0.2.1", "2200", "ubuntu")
    assert (found["identityfile"], found["identitiesonly"]) == (str(keys.private_key), "yes")
    assert found["userknownhostsfile"] == str(keys.known_hosts)
    assert (found["hostkeyalias"], found["stricthostkeychecking"]) == ("gpucloud-r1", "true")
    assert found["compression"] == "yes"  # what the user says about all hosts holds as well


def test_the_users_own_hosts_stay_what_they_were(context: Context, theirs: Path) -> None:
    before, bytes_before = understood(theirs, "work"), theirs.read_bytes()
    sshconfig.publish(context, BOX)

    assert understood(theirs, "work") == before
    assert theirs.read_bytes().endswith(sshconfig.END.encode() + b"\n" + bytes_before)
    assert stat.S_IMODE(theirs.stat().st_mode) == 0o640


def test_the_block_is_written_once_and_told_of_once(context: Context, theirs: Path, told: list[Progress]) -> None:
    sshconfig.publish(context, BOX)
    inode = theirs.stat().st_ino
    sshconfig.publish(context, replace(BOX, name="other", run="r2"))
    sshconfig.publish(context, replace(BOX, address="192.0.2.9"))

    assert theirs.stat().st_ino == inode
    assert [(each.step, each.status.value) for each in told] == [("ssh alias", "note")]
    assert understood(theirs, "box")["hostname"] == "192.0.2.9"
    assert understood(theirs, "other")["hostkeyalias"] == "gpucloud-r2"


def test_what_is_missing_is_made_for_its_owner_only(context: Context, home: Path) -> None:
    sshconfig.publish(context, BOX)
    modes = {
        path: oct(stat.S_IMODE((home / path).stat().st_mode))
        for path in (".ssh", ".ssh/config", ".config/gpucloud", ".config/gpucloud/ssh_config")
    }
    assert set(modes.values()) == {"0o700", "0o600"}, modes
    assert understood(home / ".ssh/config", "box")["hostname"] == "192.0.2.1"


def test_a_link_stays_a_link(context: Context, theirs: Path, tmp_path: Path) -> None:
    real = tmp_path / "dotfiles"
    theirs.rename(real)
    theirs.symlink_to(real)
    sshconfig.publish(context, BOX)

    assert theirs.is_symlink()
    assert real.read_text().startswith(sshconfig.BEGIN)


def test_an_entry_goes_with_its_keys(context: Context, home: Path) -> None:
    for machine in (BOX, replace(BOX, name="other", run="r2")):
        sshconfig.publish(context, machine)
    sshconfig.forget(context, "r1")

    assert "Host other\n" in ours(home)
    assert "Host box\n" not in ours(home)


def test_to_forget_where_nothing_was_written_writes_nothing(context: Context, home: Path) -> None:
    sshconfig.forget(context, "r1")
    assert list(home.iterdir()) == []


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"\xff\xfe", "is not UTF-8 text"),
        (b"a\0b", "is not text"),
        (b"Host work box\n", "has a `Host box` of its own"),
        (sshconfig.BEGIN.encode() + b"\nHost work\n", "has only one of the lines"),
    ],
)
def test_a_file_that_must_not_be_touched_is_not(
    context: Context, theirs: Path, told: list[Progress], content: bytes, why: str
) -> None:
    theirs.write_bytes(content)
    sshconfig.publish(context, BOX)

    assert theirs.read_bytes() == content
    (note,) = told
    assert (note.status.value, why in note.text) == ("note", True), note


def test_a_file_that_is_not_ours_to_write_is_left_alone(
    context: Context, theirs: Path, told: list[Progress], monkeypatch: pytest.MonkeyPatch
) -> None:
    before = theirs.read_bytes()
    theirs.chmod(0o440)
    sshconfig.publish(context, BOX)
    mine = os.geteuid()
    monkeypatch.setattr(os, "geteuid", lambda: mine + 1)
    sshconfig.publish(context, BOX)

    assert theirs.read_bytes() == before
    assert "read-only" in told[0].text and "Include" in told[0].text
    assert "another user's" in told[1].text


def test_who_includes_our_file_by_hand_gets_no_block(context: Context, theirs: Path, told: list[Progress]) -> None:
    theirs.write_text("Include ~/.config/gpucloud/ssh_config\n")
    theirs.chmod(0o440)
    sshconfig.publish(context, BOX)
    assert (theirs.read_text(), told) == ("Include ~/.config/gpucloud/ssh_config\n", [])


def test_a_name_from_a_tag_cannot_smuggle_in_commands(context: Context, home: Path, told: list[Progress]) -> None:
    sshconfig.publish(context, replace(BOX, name="box\n    ProxyCommand evil"))
    sshconfig.publish(context, replace(BOX, ssh_user="root\n    ProxyCommand evil"))

    assert len(told) == 2
    assert not (home / ".config/gpucloud/ssh_config").exists()


def test_a_real_machine_goes_before_a_sandbox_machine_of_its_name(
    context: Context, home: Path, told: list[Progress]
) -> None:
    sandbox = replace(context, simulated=True)
    sshconfig.publish(context, BOX)
    sshconfig.publish(sandbox, replace(BOX, run="r2", address="127.77.0.1"))

    assert understood(home / ".ssh/config", "box")["hostname"] == "192.0.2.1"
    assert "the real machine of that name" in told[-1].text
    sshconfig.forget(context, "r1")
    assert understood(home / ".ssh/config", "box")["hostname"] == "127.77.0.1"


@pytest.mark.parametrize(("written", "read"), [("off", "off"), ('"off"', "off"), ("on", "on"), ('"on"', "on")])
def test_the_setting_is_on_or_off(home: Path, written: str, read: str) -> None:
    path = home / ".config/gpucloud/config.yaml"
    path.parent.mkdir(parents=True)
    path.write_text(f"ssh_config: {written}\n")
    assert config.load({}, environ={}).ssh_config == read
    with pytest.raises(ConfigError, match="on or off"):
        config.load({}, environ={"GPUCLOUD_SSH_CONFIG": "perhaps"})


def test_off_writes_nothing(context: Context, home: Path) -> None:
    sshconfig.publish(replace(context, config=Config(ssh_config="off")), BOX)
    assert list(home.iterdir()) == []


def test_machines_that_come_up_at_the_same_time_do_not_lose_an_entry(context: Context, home: Path) -> None:
    machines = [replace(BOX, name=f"box-{number}") for number in range(20)]
    with ThreadPoolExecutor(max_workers=10) as pool:
        list(pool.map(lambda machine: sshconfig.publish(context, machine), machines))
    assert sorted(ours(home).count(f"Host {machine.name}\n") for machine in machines) == [1] * 20
