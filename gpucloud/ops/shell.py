"""Use a machine: OpenSSH, with our key and the pinned host key if it is ours, or one command on many."""

from __future__ import annotations

import shlex
import shutil
from collections.abc import Callable, Sequence

from gpucloud.errors import ConfigError, GpucloudError, UsageError
from gpucloud.machine import Machine
from gpucloud.ops import access, sshconfig
from gpucloud.ops.context import Context
from gpucloud.parallel import in_parallel
from gpucloud.remote.base import Result
from gpucloud.state import Identity

DEFAULT_PORT = 22


def openssh(context: Context, machine: Machine, command: Sequence[str]) -> list[str]:
    """The argv of an OpenSSH login. Raises ConfigError if there is no OpenSSH, Unreachable without an address."""
    program = shutil.which("ssh")
    if program is None:
        instead = f"install openssh-client, or use `gpucloud exec {machine.name} -- CMD`"
        raise ConfigError("there is no `ssh` program on this computer", "", instead)
    if not machine.is_ours:
        return [program, *users_options(machine), *_quoted(command)]
    argv = [program, *openssh_options(machine, context.state.identity(machine.run)), *_quoted(command)]
    sshconfig.publish(context, machine)  # this is where its present address is known, and costs nothing
    return argv


def openssh_options(machine: Machine, identity: Identity) -> list[str]:
    """Options and destination for OpenSSH, which needs no configuration file for them."""
    flags = [part for key, value in sshconfig.options(machine, identity).items() for part in ("-o", f"{key}={value}")]
    return ["-p", str(machine.ssh_port), *flags, f"{machine.ssh_user}@{access.address_of(machine)}"]


def users_options(machine: Machine) -> list[str]:
    """Options and destination for a machine that we did not make: the rest is as the user's own OpenSSH has it."""
    port = ["-p", str(machine.ssh_port)] if machine.ssh_port != DEFAULT_PORT else []
    user = ["-l", machine.ssh_user] if machine.ssh_user else []
    key = ["-i", machine.ssh_key] if machine.ssh_key else []
    return [*port, *user, *key, access.address_of(machine)]


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
) -> list[Result | GpucloudError]:
    """Run the command on each machine at once; `on_line` receives (machine name, line of stdout) as they come.

    A machine that cannot be reached does not keep the others' results back: its error stands in its place.
    """

    def one(machine: Machine) -> Result | GpucloudError:
        try:
            remote = access.connect(context, context.provider(machine.cloud, machine.region), machine)
            try:
                return remote.run(command, timeout=timeout, on_line=lambda line: on_line(machine.name, line))
            finally:
                remote.close()
        except GpucloudError as error:
            return error

    return in_parallel(one, machines)
