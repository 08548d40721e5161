"""AWS's errors in our words: one table by error code, one by SDK exception class, and the context manager for both."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from botocore import exceptions as sdk
from botocore.parsers import ResponseParserError

from gpucloud.errors import (
    CapacityError,
    CloudError,
    ConfigError,
    CredentialsError,
    GpucloudError,
    NoCredentials,
    NotFound,
    QuotaError,
    Unreachable,
)

SDK_ERRORS = (sdk.ClientError, sdk.BotoCoreError, sdk.UndefinedModelAttributeError, ResponseParserError)
"""Every root of what botocore raises."""


@dataclass(frozen=True)
class Rule:
    """How an AWS error reads. Empty `what`: "cannot <action>". Empty `why`: AWS's own message and code.

    `why` may use {operation}, the name of the API call.
    """

    kind: type[GpucloudError]
    what: str = ""
    why: str = ""
    remedy: str = ""


LOG_IN = "`aws sso login` or `aws configure`, then `gpucloud doctor`"
NO_CREDENTIALS = Rule(NoCredentials, "no AWS credentials", "boto3 found none on this computer", LOG_IN)
EXPIRED = Rule(
    CredentialsError,
    "AWS does not accept the credentials",
    "they have expired, or this computer's clock is wrong",
    LOG_IN,
)
INVALID = Rule(CredentialsError, "AWS does not accept the credentials", "they are not valid", LOG_IN)
NOT_HERE = Rule(
    # EC2 has no code of its own for a region that the account has not enabled: it does not know the keys there.
    CredentialsError,
    INVALID.what,
    "they are not valid, or the account has not enabled this region",
    LOG_IN,
)
FORBIDDEN = Rule(
    CredentialsError, "", "not allowed to call {operation}", "`gpucloud doctor --policy aws` prints the policy needed"
)
REGION_OFF = Rule(
    ConfigError, "", "the region is not enabled in this account", "enable it, or choose another with `--region`"
)
ACCOUNT = Rule(CredentialsError, remedy="see the account's status at https://console.aws.amazon.com/support/home")
CAPACITY = Rule(CapacityError, remedy="try another zone, region or type, or later")
SPOT_PRICE = Rule(CapacityError, remedy="try another zone or region, or leave out `--spot`")
QUOTA = Rule(QuotaError, remedy="ask for more at https://console.aws.amazon.com/servicequotas/home/services/ec2/quotas")
THROTTLED = Rule(Unreachable, "", "AWS is throttling this account's API calls", "wait a minute and run it again")
OUTAGE = Rule(Unreachable, remedy="run it again; see https://health.aws.amazon.com")
ABSENT = Rule(NotFound)
NO_NETWORK = Rule(
    # The same words whatever was asked: a preflight asks much at once, and must not say this five times.
    Unreachable,
    "AWS cannot be reached",
    "no connection from this computer",
    "check the network, the proxy and the region's name",
)
BAD_REGION = Rule(ConfigError, "", "there is no such region", "check `--region`, for instance `us-east-1`")
REUSED = Rule(CloudError, "", "this run id was used for another launch", "choose another with `--run-id`")
BUSY = Rule(CloudError, remedy="wait until it has settled and run it again")
OTHER = Rule(CloudError)
GARBLED = Rule(CloudError, "", "the answer is not AWS's", "check for a proxy or portal on the way")

CODES: dict[str, Rule] = {
    "ExpiredToken": EXPIRED,
    "ExpiredTokenException": EXPIRED,
    "RequestExpired": EXPIRED,
    "AuthFailure": NOT_HERE,
    "InvalidClientTokenId": INVALID,
    "UnrecognizedClientException": INVALID,
    "SignatureDoesNotMatch": INVALID,
    "InvalidSignatureException": INVALID,
    "IncompleteSignature": INVALID,
    "MissingAuthenticationToken": INVALID,
    "UnauthorizedException": INVALID,
    "UnauthorizedOperation": FORBIDDEN,
    "AccessDenied": FORBIDDEN,
    "AccessDeniedException": FORBIDDEN,
    "AuthFailure.ServiceLinkedRoleCreationNotPermitted": FORBIDDEN,
    "OptInRequired": Rule(
        CredentialsError, "", "the account has not subscribed to this", "accept the terms in the AWS Marketplace"
    ),
    "Blocked": ACCOUNT,
    "PendingVerification": ACCOUNT,
    "InsufficientInstanceCapacity": CAPACITY,
    "InsufficientCapacity": CAPACITY,
    "InsufficientHostCapacity": CAPACITY,
    "InsufficientReservedInstanceCapacity": CAPACITY,
    "InsufficientFreeAddressesInSubnet": CAPACITY,
    "Unsupported": CAPACITY,
    "SpotMaxPriceTooLow": SPOT_PRICE,
    "VcpuLimitExceeded": QUOTA,
    "MaxSpotInstanceCountExceeded": QUOTA,
    "InstanceLimitExceeded": QUOTA,
    "VolumeLimitExceeded": QUOTA,
    "MaxIOPSLimitExceeded": QUOTA,
    "SecurityGroupLimitExceeded": QUOTA,
    "NetworkInterfaceLimitExceeded": QUOTA,
    "AddressLimitExceeded": QUOTA,
    "RequestLimitExceeded": THROTTLED,
    "Throttling": THROTTLED,
    "ThrottlingException": THROTTLED,
    "TooManyRequestsException": THROTTLED,
    "InternalError": OUTAGE,
    "InternalFailure": OUTAGE,
    "ServiceUnavailable": OUTAGE,
    "Unavailable": OUTAGE,
    "ServiceException": OUTAGE,
    "InvalidInstanceID.NotFound": ABSENT,
    "InvalidInstanceID.Malformed": ABSENT,
    "InvalidVolume.NotFound": ABSENT,
    "InvalidNetworkInterfaceID.NotFound": ABSENT,
    "InvalidGroup.NotFound": ABSENT,
    "InvalidSecurityGroupID.NotFound": ABSENT,
    "InvalidGroupId.Malformed": ABSENT,
    "InvalidSpotInstanceRequestID.NotFound": ABSENT,
    "InvalidSubnetID.NotFound": ABSENT,
    "InvalidSubnetID.Malformed": ABSENT,
    "InvalidAMIID.NotFound": ABSENT,
    "InvalidAMIID.Malformed": ABSENT,
    "InvalidAMIID.Unavailable": ABSENT,
    "ParameterNotFound": ABSENT,
    "NoSuchResourceException": ABSENT,
    "VPCIdNotSpecified": Rule(
        ConfigError, "", "the region has no default VPC", "`aws ec2 create-default-vpc`, or `--subnet subnet-…`"
    ),
    "InvalidRegion": BAD_REGION,
    "RegionDisabledException": REGION_OFF,
    "IdempotentParameterMismatch": REUSED,
    "IdempotentInstanceTerminated": REUSED,
    "IncorrectInstanceState": BUSY,
    "IncorrectSpotRequestState": BUSY,
    "DependencyViolation": BUSY,
    "VolumeInUse": BUSY,
    "InvalidNetworkInterface.InUse": BUSY,
    "InvalidGroup.InUse": BUSY,
}
"""Error code → rule. Source: the EC2 API reference's list of error codes; SSM, Service Quotas and STS from theirs."""

NO_CAPACITY = frozenset(code for code, rule in CODES.items() if rule in (CAPACITY, SPOT_PRICE))
"""Codes that mean: not in this zone, not now."""

EXCEPTIONS: dict[type[Exception], Rule] = {
    sdk.NoCredentialsError: NO_CREDENTIALS,
    sdk.NoAuthTokenError: NO_CREDENTIALS,
    sdk.PartialCredentialsError: Rule(CredentialsError, "the AWS credentials are incomplete", remedy=LOG_IN),
    sdk.CredentialRetrievalError: Rule(CredentialsError, "the AWS credentials cannot be loaded", remedy=LOG_IN),
    sdk.UnknownCredentialError: Rule(CredentialsError, "the AWS credentials cannot be loaded", remedy=LOG_IN),
    sdk.MetadataRetrievalError: Rule(CredentialsError, "the AWS credentials cannot be loaded", remedy=LOG_IN),
    sdk.RefreshWithMFAUnsupportedError: EXPIRED,
    sdk.TokenRetrievalError: EXPIRED,
    sdk.SSOError: EXPIRED,
    sdk.LoginError: EXPIRED,
    sdk.ProfileNotFound: Rule(ConfigError, "the AWS profile does not exist", remedy="`aws configure list-profiles`"),
    sdk.ConfigParseError: Rule(ConfigError, "the AWS config file cannot be read"),
    sdk.ConfigNotFound: Rule(ConfigError, "the AWS config file cannot be read"),
    sdk.InvalidConfigError: Rule(ConfigError, "the AWS config file makes no sense"),
    sdk.NoRegionError: BAD_REGION,
    sdk.InvalidRegionError: BAD_REGION,
    sdk.UnknownRegionError: BAD_REGION,
    sdk.UnknownEndpointError: BAD_REGION,
    sdk.ConnectionError: NO_NETWORK,
    sdk.HTTPClientError: NO_NETWORK,
    sdk.IncompleteReadError: NO_NETWORK,
    ResponseParserError: GARBLED,
}
"""SDK exception class → rule; subclasses follow their nearest ancestor here."""


def code_of(exc: BaseException | None) -> str:
    """The AWS error code behind an exception that `translated` let out (or behind the SDK's own), or ""."""
    source = exc.__cause__ if isinstance(exc, GpucloudError) else exc
    return str(source.response.get("Error", {}).get("Code", "")) if isinstance(source, sdk.ClientError) else ""


@contextmanager
def translated(action: str) -> Iterator[None]:
    """Let only GpucloudError out. `action` completes the sentence "cannot …"; the SDK's error stays as the cause."""
    try:
        yield
    except SDK_ERRORS as exc:
        raise _ours(exc, action) from exc


def _ours(exc: Exception, action: str) -> GpucloudError:
    rule = _rule(exc)
    if isinstance(exc, sdk.ClientError):
        theirs = f"{exc.response.get('Error', {}).get('Message', '')} ({code_of(exc)})".strip()
        operation = exc.operation_name
    else:
        theirs, operation = f"{exc} ({type(exc).__name__})", ""
    why = rule.why.format(operation=operation) or theirs
    return rule.kind(rule.what or f"cannot {action}", why, rule.remedy)


def _rule(exc: Exception) -> Rule:
    if isinstance(exc, sdk.ClientError) and code_of(exc) in CODES:
        return CODES[code_of(exc)]
    return next((EXCEPTIONS[kind] for kind in type(exc).__mro__ if kind in EXCEPTIONS), OTHER)
