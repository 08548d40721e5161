"""Use a machine: OpenSSH with our key and the pinned host key, or one command on many."""

from __future__ import annotations

import shlex
import shutil
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

from gpucloud.errors import ConfigError, UsageError
from gpucloud.machine import Machine
from gpucloud.ops import access
from gpucloud.ops.context import Context
from gpucloud.remote.base import Result
from gpucloud.state import Identity, host_alias


def openssh(context: Context, machine: Machine, command: Sequence[str]) -> list[str]:
    """The argv of an OpenSSH login. Raises ConfigError if there is no OpenSSH, Unreachable without an address."""
    program = shutil.which("ssh")
    if program is None:
        instead = f"install openssh-client, or use `gpucloud exec {machine.name} -- CMD`"
        raise ConfigError("there is no `ssh` program on this computer", "", instead)
    return [program, *openssh_options(machine, context.state.identity(machine.run)), *_quoted(command)]


def openssh_options(machine: Machine, identity: Identity) -> list[str]:
    """Options and destination for OpenSSH: our key only, and no host key but the pinned one."""
    options = {
        "IdentityFile": f'"{identity.private_key}"',
        "IdentitiesOnly": "yes",
        "UserKnownHostsFile": f'"{identity.known_hosts}"',
        "GlobalKnownHostsFile": "none",
        "HostKeyAlias": host_alias(machine.run),
        "StrictHostKeyChecking": "yes",
        "ServerAliveInterval": "15",
    }
    flags = [part for key, value in options.items() for part in ("-o", f"{key}={value}")]
    return ["-p", str(machine.ssh_port), *flags, f"{machine.ssh_user}@{access.address_of(machine)}"]


def _quoted(command: Sequence[str]) -> list[str]:
    """OpenSSH joins its words with spaces and lets the remote shell parse them: hand it one word, quoted."""
    return [shlex.join(command)] if command else []


def require_command(command: Sequence[str]) -> list[str]:
    """Raises UsageError if there is none."""
    if not command:
        raise UsageError("run what?", "", "give the command after `--`: `gpucloud exec NAME -- nvidia-smi`")
    return list(command)


def run(
    context: Context,
    machines: Sequence[Machine],
    command: Sequence[str],
    timeout: float,
    on_line: Callable[[str, str], None],
) -> list[Result]:
    """Run the command on each machine at once; `on_line` receives (machine name, line of stdout) as they come."""

    def one(machine: Machine) -> Result:
        remote = access.connect(context, context.provider(machine.cloud, machine.region), machine)
        try:
            return remote.run(command, timeout=timeout, on_line=lambda line: on_line(machine.name, line))
        finally:
            remote.close()

    with ThreadPoolExecutor(min(len(machines), 16)) as pool:
        return list(pool.map(one, machines))
