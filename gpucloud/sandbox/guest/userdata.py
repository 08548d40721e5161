"""User-data as EC2 hands it out, turned into the settings of a #cloud-config."""

from __future__ import annotations

import gzip
from typing import Any

import yaml

from gpucloud.errors import ConfigError


def parse(user_data: bytes) -> dict[str, Any]:
    """The settings; a script (`#!`) becomes a runcmd, as cloud-init treats it. Raises ConfigError for anything else."""
    if user_data.startswith(b"\x1f\x8b"):
        user_data = gzip.decompress(user_data)
    text = user_data.decode(errors="replace")
    if not text.strip():
        return {}
    if text.startswith("#!"):
        path = "/var/lib/cloud/instance/scripts/part-001"
        return {"write_files": [{"path": path, "content": text, "permissions": "0700"}], "runcmd": [[path]]}
    if not text.startswith("#cloud-config"):
        raise ConfigError("the sandbox cannot use this user-data", "it starts with neither `#cloud-config` nor `#!`")
    try:
        settings = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ConfigError("the sandbox cannot use this user-data", f"not valid YAML: {error}") from error
    return settings if isinstance(settings, dict) else {}
