"""Who may reach port 22, and which subnet a machine goes into."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass

from gpucloud.errors import ConfigError
from gpucloud.providers.aws.clients import Clients
from gpucloud.providers.aws.describe import where
from gpucloud.providers.aws.errors import translated


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


def port_22_from(cidr: str) -> list[dict[str, object]]:
    """The ingress rule for SSH from one address range, as the API takes it."""
    rule: dict[str, object] = {"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22}
    if ipaddress.ip_network(cidr).version == 6:
        return [{**rule, "Ipv6Ranges": [{"CidrIpv6": cidr, "Description": "ssh"}]}]
    return [{**rule, "IpRanges": [{"CidrIp": cidr, "Description": "ssh"}]}]
