"""Where the two data folders are: inside the package once installed, at the top of a checkout otherwise."""

from __future__ import annotations

from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

from gpucloud.errors import ConfigError


def bootstrap_dir() -> Traversable:
    """What is uploaded to the GPU machine. Raises ConfigError if the installation is incomplete."""
    return _folder("bootstrap")


def profiles_dir() -> Traversable:
    """The bundled profiles. Raises ConfigError if the installation is incomplete."""
    return _folder("profiles")


def _folder(name: str) -> Traversable:
    package = files("gpucloud")
    checkout = Path(str(package)).parent
    for folder in (package / name, checkout / name):
        if folder.is_dir():
            return folder
    raise ConfigError(f"the folder {name} is missing", f"neither {package} nor {checkout} has it", "install it again")
