"""The ways in which a connection fails that callers tell apart."""

from __future__ import annotations

from gpucloud.remote.base import RemoteUnreachable


class HostKeyChanged(RemoteUnreachable):
    """Somebody answered who is not the machine that we know. Trying again does not help."""


class LoginRefused(RemoteUnreachable):
    """The right machine answered and does not accept our key; during its first boot, not yet."""
