"""Who may reach port 22, and which subnet a machine goes into."""

from __future__ import annotations

import ipaddress
import urllib.error
import urllib.request
from dataclasses import dataclass

from gpucloud.errors import ConfigError, Unreachable
from gpucloud.providers.aws.clients import Clients
from gpucloud.providers.aws.describe import where
from gpucloud.providers.aws.errors import translated

CHECKIP_TIMEOUT = 10.0
"""Seconds for which checkip may take to answer; it usually takes 0.1."""


@dataclass(frozen=True)
class Subnet:
    """A subnet, the zone that it lies in, and its VPC."""

    id: str
    zone: str
    vpc: str


def subnets(clients: Clients, region: str, wanted: str) -> list[Subnet]:
    """The wanted subnet, or the default subnet of each zone. Raises ConfigError if the region has no default VPC."""
    ec2 = clients.ec2(region)
    with translated(f"find the subnet {wanted or 'of the default VPC'} in {region}"):
        if wanted:
            found = ec2.describe_subnets(SubnetIds=[wanted])["Subnets"]
        else:
            found = ec2.describe_subnets(Filters=where(default_for_az="true"))["Subnets"]
    if not found:
        raise ConfigError(
            f"no default VPC in {region}",
            "it has no default subnet in any zone",
            f"`aws ec2 create-default-vpc --region {region}`, or choose a subnet with `--subnet subnet-…`",
        )
    return [Subnet(one["SubnetId"], one["AvailabilityZone"], one["VpcId"]) for one in found]


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


def port_22_from(cidr: str) -> list[dict[str, object]]:
    """The ingress rule for SSH from one address range, as the API takes it."""
    rule: dict[str, object] = {"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22}
    if ipaddress.ip_network(cidr).version == 6:
        return [{**rule, "Ipv6Ranges": [{"CidrIpv6": cidr, "Description": "ssh"}]}]
    return [{**rule, "IpRanges": [{"CidrIp": cidr, "Description": "ssh"}]}]
