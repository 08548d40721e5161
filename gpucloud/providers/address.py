"""Whose address may reach a new machine: the one that was asked for, or this computer's own."""

from __future__ import annotations

import ipaddress
import urllib.error
import urllib.request

from gpucloud.errors import ConfigError, Unreachable

CHECKIP_URL = "https://checkip.amazonaws.com"
"""Answers with the caller's public address in plain text; open to everyone, whatever cloud is used."""
CHECKIP_TIMEOUT = 10.0
"""Seconds for which checkip may take to answer; it usually takes 0.1."""


def ssh_source(wanted: str, checkip_url: str) -> str:
    """The CIDR that may reach port 22: the wanted one, or the caller's own public address alone (/32, IPv6 /128).

    Raises ConfigError for what is no CIDR, Unreachable if the own address cannot be learnt.
    """
    source = wanted or own_address(checkip_url)
    try:
        return str(ipaddress.ip_network(source, strict=False))
    except ValueError as exc:
        origin = "--allow-ssh-from" if wanted else checkip_url
        raise ConfigError(f"{source!r} is no address range", f"from {origin}", "write it as 203.0.113.7/32") from exc


def own_address(checkip_url: str) -> str:
    """The address under which the world sees this computer. Asked without a proxy, because SSH will go without it."""
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with direct.open(checkip_url, timeout=CHECKIP_TIMEOUT) as answer:
            return str(answer.read(100).decode("ascii", "replace")).strip()
    except (OSError, ValueError) as exc:
        raise Unreachable(
            "cannot learn this computer's public address",
            f"{checkip_url}: {exc}",
            "give it: `--allow-ssh-from 203.0.113.7/32`",
        ) from exc
