"""What differs between one AWS and another. The sandbox is an AWS with other settings, and nothing else."""

from __future__ import annotations

from dataclasses import dataclass, field

from gpucloud.providers.address import CHECKIP_URL


@dataclass(frozen=True)
class AwsSettings:
    """How to reach AWS. The defaults mean the real one, with the credentials that boto3 finds by itself.

    With `access_key` the settings stand alone: no AWS profile, environment variable, config file or proxy is used.
    `region` is used where nothing else names one. `ssh_port` is the port on which machines answer. `checkip_url`
    answers with the caller's public address.
    """

    endpoint_url: str = ""
    access_key: str = ""
    secret_key: str = field(default="", repr=False)
    region: str = ""
    ssh_port: int = 22
    checkip_url: str = CHECKIP_URL
