"""A machine that is not ours: the user's own known_hosts, keys and config decide."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from gpucloud.errors import ConfigError
from gpucloud.keys import new_keypair
from gpucloud.remote.base import RemoteUnreachable
from gpucloud.remote.failures import HostKeyChanged, LoginRefused
from gpucloud.remote.foreign import connect_as_user

from .conftest import Sshd


@pytest.fixture
def ssh_folder(home: Path, sshd: Sshd, monkeypatch: pytest.MonkeyPatch) -> Path:
    """~/.ssh as of a user who has been on that machine before."""
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    folder = home / ".ssh"
    folder.mkdir()
    (folder / "id_ed25519").write_text(sshd.key_path.read_text())
    (folder / "known_hosts").write_text(f"[127.0.0.1]:{sshd.port} {sshd.host_key}\n")
    return folder


def who(destination: str) -> bytes:
    remote = connect_as_user(destination)
    try:
        return remote.run(["id", "-un"], timeout=10).stdout
    finally:
        remote.close()


def test_a_known_host_is_reached_with_the_users_key(ssh_folder: Path, sshd: Sshd) -> None:
    assert who(f"{sshd.user}@127.0.0.1:{sshd.port}") == f"{sshd.user}\n".encode()


def test_a_hashed_known_hosts_file_is_understood(ssh_folder: Path, sshd: Sshd) -> None:
    subprocess.run(["ssh-keygen", "-q", "-H", "-f", ssh_folder / "known_hosts"], check=True, capture_output=True)
    assert who(f"{sshd.user}@127.0.0.1:{sshd.port}")


def test_an_alias_of_the_ssh_config_is_understood(ssh_folder: Path, sshd: Sshd) -> None:
    (ssh_folder / "id_ed25519").rename(ssh_folder / "elsewhere")
    (ssh_folder / "config").write_text(
        f"Host box\n HostName 127.0.0.1\n Port {sshd.port}\n User {sshd.user}\n IdentityFile {ssh_folder}/elsewhere\n"
    )
    assert who("box")


def test_an_unknown_host_is_refused_with_a_remedy(ssh_folder: Path, sshd: Sshd) -> None:
    (ssh_folder / "known_hosts").unlink()
    with pytest.raises(RemoteUnreachable, match="is not known") as caught:
        who(f"root@127.0.0.1:{sshd.port}")
    assert f"ssh -p {sshd.port} 127.0.0.1" in caught.value.remedy


def test_a_host_that_answers_with_another_key_is_refused(ssh_folder: Path, sshd: Sshd) -> None:
    (ssh_folder / "known_hosts").write_text(f"[127.0.0.1]:{sshd.port} {new_keypair().public}\n")
    with pytest.raises(HostKeyChanged):
        who(f"root@127.0.0.1:{sshd.port}")


def test_a_key_that_is_not_let_in_has_a_remedy_of_its_own(ssh_folder: Path, sshd: Sshd) -> None:
    (ssh_folder / "id_ed25519").write_text(new_keypair().private.reveal())
    with pytest.raises(LoginRefused) as caught:
        who(f"{sshd.user}@127.0.0.1:{sshd.port}")
    assert "authorized_keys" in caught.value.remedy


def test_without_any_key_the_error_says_how_to_get_one(ssh_folder: Path, sshd: Sshd) -> None:
    (ssh_folder / "id_ed25519").unlink()
    with pytest.raises(ConfigError, match="no SSH key") as caught:
        who(f"root@127.0.0.1:{sshd.port}")
    assert "ssh-add" in caught.value.remedy


def test_a_key_with_a_passphrase_is_left_to_the_agent(ssh_folder: Path, sshd: Sshd) -> None:
    key = ssh_folder / "id_ed25519"
    key.chmod(0o600)
    subprocess.run(["ssh-keygen", "-q", "-p", "-N", "secret", "-f", key], check=True, capture_output=True)
    with pytest.raises(ConfigError, match="no SSH key"):
        who(f"root@127.0.0.1:{sshd.port}")


def test_a_jump_host_is_refused_and_not_ignored(ssh_folder: Path) -> None:
    (ssh_folder / "config").write_text("Host box\n ProxyJump gate\n")
    with pytest.raises(ConfigError, match="behind a jump host"):
        who("box")
