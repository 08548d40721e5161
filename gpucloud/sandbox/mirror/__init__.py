"""The sandbox's package archives under their vendors' layouts, and the simulated machine that the packages find."""

from gpucloud.sandbox.mirror.guest import commands_dir, guest_files
from gpucloud.sandbox.mirror.server import Mirror

__all__ = ["Mirror", "commands_dir", "guest_files"]
