"""Machines that gpucloud did not make: found, trusted and logged in to as the user's own OpenSSH would.

Respected of ~/.ssh/config: HostName, Port, User, IdentityFile. A jump host is refused, not ignored.
"""

from __future__ import annotations

from collections.abc import Iterator
from getpass import getuser
from pathlib import Path

import paramiko

from gpucloud.errors import ConfigError
from gpucloud.remote.base import RemoteUnreachable
from gpucloud.remote.ssh import Login, SshRemote

DEFAULT_KEYS = ("id_ed25519", "id_ecdsa", "id_rsa")


def connect_as_user(destination: str, *, timeout: float = 10.0) -> SshRemote:
    """Connect to `[user@]host[:port]`, where `host` may be an alias of ~/.ssh/config.

    Raises RemoteUnreachable if the host key is not in ~/.ssh/known_hosts, ConfigError if there is no key to log in
    with, and whatever `gpucloud.remote.ssh.connect` raises. `timeout` is in seconds.
    """
    folder = Path.home() / ".ssh"
    user, _, rest = destination.rpartition("@")
    host, _, port = rest.partition(":") if rest.count(":") == 1 else (rest, "", "")
    settings = _settings(folder, host)
    address = settings.get("hostname", host)
    number = int(port or settings.get("port", "22"))
    login = Login(
        address,
        user or settings.get("user", getuser()),
        number,
        tuple(_login_keys(folder, settings)),
        tuple(_host_keys(folder, address, number)),
    )
    if not login.keys:
        why = f"no agent, and no usable key without a passphrase in {folder}"
        raise ConfigError(f"no SSH key to log in to {destination}", why, "run `ssh-add`, or set IdentityFile")
    return SshRemote(login, timeout)


def _settings(folder: Path, host: str) -> paramiko.SSHConfigDict:
    """What ~/.ssh/config says about a host."""
    path = folder / "config"
    config = paramiko.SSHConfig.from_path(str(path)) if path.exists() else paramiko.SSHConfig()
    settings = config.lookup(host)
    for key in ("proxyjump", "proxycommand"):
        if settings.get(key, "none") != "none":
            raise ConfigError(
                f"{host} is behind a jump host", f"{path} sets {key}", f"run `gpucloud verify --local` on {host} itself"
            )
    return settings


def _host_keys(folder: Path, address: str, port: int) -> Iterator[paramiko.PKey]:
    """The keys that the user has accepted for the host. Raises RemoteUnreachable if there is none."""
    name = address if port == 22 else f"[{address}]:{port}"
    path = folder / "known_hosts"
    known = paramiko.HostKeys(str(path)).lookup(name) if path.exists() else None
    if not known:
        option = "" if port == 22 else f"-p {port} "
        raise RemoteUnreachable(
            f"the host key of {name} is not known",
            f"{path} does not have it",
            f"run `ssh {option}{address}` once and compare the fingerprint, or add a trusted `ssh-keyscan` line",
        )
    yield from known.values()


def _login_keys(folder: Path, settings: paramiko.SSHConfigDict) -> Iterator[paramiko.PKey]:
    """The agent's keys, then the files; a file with a passphrase is left to the agent."""
    yield from paramiko.Agent().get_keys()
    for path in [Path(name) for name in settings.get("identityfile", [])] or [folder / name for name in DEFAULT_KEYS]:
        if path.exists():
            try:
                yield paramiko.PKey.from_path(path)
            except (TypeError, paramiko.PasswordRequiredException):  # cryptography says TypeError to "encrypted"
                continue
