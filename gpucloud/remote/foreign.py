"""Machines that gpucloud did not make: found, trusted and logged in to as the user's own OpenSSH would.

Respected of ~/.ssh/config: HostName, Port, User, IdentityFile. A jump host is refused, not ignored.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from getpass import getuser
from pathlib import Path

import paramiko

from gpucloud.errors import ConfigError
from gpucloud.remote.base import RemoteUnreachable
from gpucloud.remote.failures import LoginRefused
from gpucloud.remote.ssh import Login, SshRemote

DEFAULT_PORT = 22
DEFAULT_KEYS = ("id_ed25519", "id_ecdsa", "id_rsa")


def connect_as_user(destination: str, *, timeout: float = 10.0) -> SshRemote:
    """Connect to `[user@]host[:port]`. Raises as `connect` does."""
    user, _, rest = destination.rpartition("@")
    host, _, port = rest.partition(":") if rest.count(":") == 1 else (rest, "", "")
    return connect(host, user, int(port or DEFAULT_PORT), timeout=timeout)


def connect(host: str, user: str = "", port: int = DEFAULT_PORT, key: str = "", *, timeout: float = 10.0) -> SshRemote:
    """Connect to a host, which may be an alias of ~/.ssh/config; that decides where `user` or `key` (a file) is empty,
    and about port 22.

    Raises RemoteUnreachable if the host key is not in ~/.ssh/known_hosts, ConfigError if there is no key to log in
    with, and whatever `gpucloud.remote.ssh.connect` raises. `timeout` is in seconds.
    """
    folder = Path.home() / ".ssh"
    settings = _settings(folder, host)
    address = settings.get("hostname", host)
    number = port if port != DEFAULT_PORT else int(settings.get("port", port))
    files = [key] if key else settings.get("identityfile") or [str(folder / name) for name in DEFAULT_KEYS]
    login = Login(
        address,
        user or settings.get("user", getuser()),
        number,
        tuple(_login_keys(files, agent_first=not key)),
        tuple(_host_keys(folder, address, number)),
    )
    if not login.keys:
        why = f"no agent, and no usable key without a passphrase among {', '.join(files)}"
        raise ConfigError(f"no SSH key to log in to {host}", why, "run `ssh-add`, or set IdentityFile")
    try:
        return SshRemote(login, timeout)
    except LoginRefused as refused:  # nobody but its owner puts keys there
        refused.remedy = "name the right user and key, or have your public key added to ~/.ssh/authorized_keys there"
        raise


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


def _login_keys(files: Sequence[str], *, agent_first: bool) -> list[paramiko.PKey]:
    """The agent's keys and the files; a file with a passphrase is left to the agent.

    The order matters: a server ends the login after half a dozen keys that it does not know.
    """
    agents, ours = paramiko.Agent().get_keys(), [*_usable(files)]
    return [*agents, *ours] if agent_first else [*ours, *agents]


def _usable(files: Sequence[str]) -> Iterator[paramiko.PKey]:
    for path in [Path(name) for name in files]:
        if path.exists():
            try:
                yield paramiko.PKey.from_path(path)
            except (TypeError, paramiko.PasswordRequiredException):  # cryptography says TypeError to "encrypted"
                continue
