"""The least-privilege IAM policy: every action that this provider calls, on what carries our tag where EC2 can tell."""

from __future__ import annotations

from typing import Any

from gpucloud.machine import TAG_RUN

READ = (
    "ec2:DescribeImages",
    "ec2:DescribeInstanceTypeOfferings",
    "ec2:DescribeInstances",
    "ec2:DescribeNetworkInterfaces",
    "ec2:DescribeRegions",
    "ec2:DescribeSecurityGroups",
    "ec2:DescribeSpotInstanceRequests",
    "ec2:DescribeSubnets",
    "ec2:DescribeVolumes",
    "servicequotas:GetServiceQuota",
    "servicequotas:GetAWSDefaultServiceQuota",
)
"""Actions that cannot be narrowed to a resource, and that change nothing."""

OWN = (
    "ec2:AuthorizeSecurityGroupIngress",
    "ec2:CancelSpotInstanceRequests",
    "ec2:CreateTags",
    "ec2:DeleteNetworkInterface",
    "ec2:DeleteSecurityGroup",
    "ec2:DeleteVolume",
    "ec2:GetConsoleOutput",
    "ec2:StartInstances",
    "ec2:StopInstances",
    "ec2:TerminateInstances",
)
"""Actions that we need only on what carries our tag."""

KEYS = (
    "kms:CreateGrant",
    "kms:Decrypt",
    "kms:DescribeKey",
    "kms:GenerateDataKeyWithoutPlaintext",
    "kms:ReEncrypt*",
)
"""What EC2 does with a customer's own key in the caller's name, where the account encrypts its disks with one. Without
it a machine ends a moment after its launch, with Client.InternalError. AWS's own key needs none of it."""

MADE = ("instance", "volume", "network-interface", "spot-instances-request")
USED = ("subnet", "security-group")

BEARS_TAG = {"Null": {f"aws:ResourceTag/{TAG_RUN}": "false"}}
GETS_TAG = {"Null": {f"aws:RequestTag/{TAG_RUN}": "false"}}


def policy() -> dict[str, Any]:
    """The policy, ready for `aws iam create-policy --policy-document`."""
    launches = [_ec2(kind) for kind in MADE]
    return {
        "Version": "2012-10-17",
        "Statement": [
            _allow("Read", READ, "*"),
            _allow("FindImages", ["ssm:GetParameter"], "arn:*:ssm:*::parameter/aws/service/*"),
            _allow("LaunchTagged", ["ec2:RunInstances"], launches, GETS_TAG),
            _allow("LaunchWith", ["ec2:RunInstances"], [_image(), *(_ec2(kind) for kind in USED)]),
            _allow("MakeGroupTagged", ["ec2:CreateSecurityGroup"], _ec2("security-group"), GETS_TAG),
            _allow("MakeGroupIn", ["ec2:CreateSecurityGroup"], _ec2("vpc")),
            _allow(
                "TagAtCreation",
                ["ec2:CreateTags"],
                "*",
                {"StringEquals": {"ec2:CreateAction": ["RunInstances", "CreateSecurityGroup"]}},
            ),
            _allow("ManageOurs", OWN, "*", BEARS_TAG),
            _allow("EncryptDisk", KEYS, "*", {"StringLike": {"kms:ViaService": "ec2.*"}}),
            _allow(
                "SpotRole",
                ["iam:CreateServiceLinkedRole"],
                "*",
                {"StringEquals": {"iam:AWSServiceName": "spot.amazonaws.com"}},
            ),
        ],
    }


def ec2_operations() -> frozenset[str]:
    """The operations of EC2 that the policy allows, by name."""
    actions = (action for statement in policy()["Statement"] for action in statement["Action"])
    return frozenset(action.removeprefix("ec2:") for action in actions if action.startswith("ec2:"))


def _ec2(kind: str) -> str:
    return f"arn:*:ec2:*:*:{kind}/*"


def _image() -> str:
    """Public images belong to no account."""
    return "arn:*:ec2:*::image/*"


def _allow(
    sid: str, actions: tuple[str, ...] | list[str], resource: str | list[str], condition: dict[str, Any] | None = None
) -> dict[str, Any]:
    statement = {"Sid": sid, "Effect": "Allow", "Action": list(actions), "Resource": resource}
    return {**statement, "Condition": condition} if condition else statement
