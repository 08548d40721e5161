"""Azure's errors in our words: tables by error code, by HTTP status and by SDK class, and the context manager.

Azure's SDKs choose the class of an exception by HTTP status, which says little (every 409 is a `ResourceExistsError`,
a quota as well as a full zone), so the code decides. An operation that fails after it was accepted raises the same
class with status 200. A code may say no more than "failed", with the reason in `details` or `innererror`.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from textwrap import shorten

from azure.core import exceptions as sdk
from requests.exceptions import SSLError

from gpucloud.errors import (
    CapacityError,
    CloudError,
    ConfigError,
    CredentialsError,
    GpucloudError,
    NotFound,
    QuotaError,
    Unreachable,
)
from gpucloud.providers.azure import sdk_errors
from gpucloud.providers.azure.signs import LOG_IN


@dataclass(frozen=True)
class Rule:
    """How an error of Azure's reads. Empty `what`: "cannot <action>". Empty `why`: Azure's own message and code.

    `why` may use {wait}, how long Azure says to wait; if it does not say, Azure's own message is the reason.
    """

    kind: type[GpucloudError]
    what: str = ""
    why: str = ""
    remedy: str = ""


LONGEST_MESSAGE = 300
"""Characters of Azure's own message that are shown: the one about quotas ends in a link of a kilobyte."""

REFUSED = "Azure does not accept the credentials"
SECRET = "make a new one with `az ad app credential reset --id …` and set AZURE_CLIENT_SECRET"
PRINCIPAL = "check AZURE_TENANT_ID and AZURE_CLIENT_ID, or `az login`"
NOT_WORKING = Rule(
    CredentialsError, "no Azure credentials", "azure-identity found none that work", f"{LOG_IN} (`--debug` shows each)"
)
OTHER_SIGN_IN = Rule(CredentialsError, REFUSED, "", LOG_IN)
EXPIRED = Rule(CredentialsError, REFUSED, "they have expired, or this computer's clock is wrong", LOG_IN)
INVALID = Rule(CredentialsError, REFUSED, "they are not valid", LOG_IN)
INTERACTIVE = Rule(CredentialsError, REFUSED, "the tenant asks for a second factor or a known device", "`az login`")
WRONG_TENANT = Rule(
    CredentialsError,
    REFUSED,
    "they are of another tenant than the subscription",
    "`az login --tenant …`, or another subscription: `az account set --subscription …`",
)
FORBIDDEN = Rule(CredentialsError, remedy="`gpucloud doctor --policy azure` prints the role needed")
POLICY = Rule(ConfigError, remedy="choose what the policy allows, or ask whoever owns it for an exemption")
LOCKED = Rule(ConfigError, remedy="`az lock list` shows the locks; whoever set one can remove it")
UNREGISTERED = Rule(
    ConfigError, "", "", "`az provider register --namespace Microsoft.…`, once for each namespace named"
)
SUBSCRIPTION = Rule(
    CredentialsError,
    "the credentials see no such Azure subscription",
    remedy="`az account list --all` shows them; choose with AZURE_SUBSCRIPTION_ID, or `az login`",
)
SUSPENDED = Rule(
    CredentialsError, "the Azure subscription is disabled or read-only", "", "see its state in the Azure portal"
)
CAPACITY = Rule(CapacityError, remedy="try another zone, region or type, or later")
SPOT_PRICE = Rule(CapacityError, remedy="try another region, or leave out `--spot`")
RESTRICTED = Rule(CapacityError, remedy="try another zone, region or type: `az vm list-skus --location … --all`")
QUOTA = Rule(QuotaError, remedy="ask for more: https://portal.azure.com/#view/Microsoft_Azure_Capacity/QuotaMenuBlade")
THROTTLED = Rule(
    Unreachable, "Azure is throttling this subscription's calls", "it says to wait {wait}", "run it again later"
)
OUTAGE = Rule(Unreachable, remedy="run it again; see https://status.azure.com")
ABSENT = Rule(NotFound)
NO_IMAGE = Rule(ConfigError, remedy="check `--image`, and the region: `az vm image list --all --publisher …`")
TERMS = Rule(ConfigError, remedy="accept the image's terms: `az vm image terms accept --urn …`")
BAD_REGION = Rule(ConfigError, remedy="`az account list-locations -o table` names the regions of the subscription")
REQUEST = Rule(ConfigError)
BUSY = Rule(CloudError, remedy="wait until it has settled and run it again")
TAKEN = Rule(CloudError, remedy="choose another with `--run-id`")
SLOW = Rule(CloudError, remedy="`gpucloud logs` shows the console; try again, or another image")
OTHER = Rule(CloudError)
NO_NETWORK = Rule(
    # The same words whatever was asked: a preflight asks much at once, and must not say this five times.
    Unreachable,
    "Azure cannot be reached",
    "no connection from this computer",
    "check the network and the proxy",
)
UNTRUSTED = Rule(
    Unreachable,
    "Azure cannot be reached",
    "the certificate that answers is not trusted",
    "if a proxy reads along, set REQUESTS_CA_BUNDLE to its certificates",
)
GARBLED = Rule(CloudError, "", "the answer is not Azure's", "check for a proxy or portal on the way")

CODES: dict[str, Rule] = {
    "ExpiredAuthenticationToken": EXPIRED,
    "AuthenticationFailed": INVALID,
    "InvalidAuthenticationToken": INVALID,
    "InvalidAuthenticationTokenAudience": INVALID,
    "InvalidAuthenticationTokenTenant": WRONG_TENANT,
    "InvalidAuthenticationInfo": INVALID,
    "AuthorizationFailed": FORBIDDEN,
    "LinkedAuthorizationFailed": FORBIDDEN,
    "LinkedAccessCheckFailed": FORBIDDEN,
    "RequestDisallowedByAzure": POLICY,
    "RequestDisallowedByPolicy": POLICY,
    "ScopeLocked": LOCKED,
    "SubscriptionNotFound": SUBSCRIPTION,
    "InvalidSubscriptionId": SUBSCRIPTION,
    "MissingSubscription": SUBSCRIPTION,
    "DisallowedOperation": SUSPENDED,
    "ReadOnlyDisabledSubscription": SUSPENDED,
    "SubscriptionNotRegistered": UNREGISTERED,
    "MissingSubscriptionRegistration": UNREGISTERED,
    "NoRegisteredProviderFound": BAD_REGION,
    "InvalidResourceNamespace": UNREGISTERED,
    "InvalidResourceType": OTHER,
    "LocationNotAvailableForResourceType": BAD_REGION,
    "LocationNotAvailableForResourceGroup": BAD_REGION,
    "InvalidLocation": BAD_REGION,
    "InvalidResourceLocation": TAKEN,
    "AllocationFailed": CAPACITY,
    "ZonalAllocationFailed": CAPACITY,
    "OverconstrainedAllocationRequest": CAPACITY,
    "OverconstrainedZonalAllocationRequest": CAPACITY,
    "OperationPreempted": BUSY,
    "SkuNotAvailable": RESTRICTED,
    "ResourceTypeNotSupportAvailabilityZones": RESTRICTED,
    "AvailabilityZoneNotSupported": RESTRICTED,
    "SpotPriceGreaterThanProvidedMaxPrice": SPOT_PRICE,
    "EvictionPolicyCanBeSetOnlyOnAzureSpotVirtualMachines": REQUEST,
    "AzureSpotFeatureNotEnabledForSubscription": SPOT_PRICE,
    "QuotaExceeded": QUOTA,
    "ResourceQuotaExceeded": QUOTA,
    "ResourceGroupQuotaExceeded": QUOTA,
    "SubscriptionRequestsThrottled": THROTTLED,
    "ResourceCollectionRequestsThrottled": THROTTLED,
    "TooManyRequests": THROTTLED,
    "PublicIPCountLimitReached": QUOTA,
    "StandardPublicIPCountLimitReached": QUOTA,
    "IPv4StandardSkuPublicIpCountLimitReached": QUOTA,
    "NetworkInterfaceCountLimitReached": QUOTA,
    "VirtualNetworkCountLimitReached": QUOTA,
    "NetworkSecurityGroupCountLimitReached": QUOTA,
    "InternalServerError": OUTAGE,
    "InternalExecutionError": OUTAGE,
    "InternalOperationError": OUTAGE,
    "RetryableError": OUTAGE,
    "RetryableErrorDueToAnotherOperation": BUSY,
    "ServerTimeout": OUTAGE,
    "GatewayTimeout": OUTAGE,
    "ServiceUnavailable": OUTAGE,
    "NetworkingInternalOperationError": OUTAGE,
    "ResourceNotFound": ABSENT,
    "ResourceGroupNotFound": ABSENT,
    "ParentResourceNotFound": ABSENT,
    "NotFound": ABSENT,
    "ImageNotFound": NO_IMAGE,
    "PlatformImageNotFound": NO_IMAGE,
    "VMImageNotFound": NO_IMAGE,
    "GalleryImageNotFound": NO_IMAGE,
    "ArtifactNotFound": NO_IMAGE,
    "ImageVersionDeprecated": NO_IMAGE,
    "MarketplacePurchaseEligibilityFailed": TERMS,
    "ResourcePurchaseValidationFailed": TERMS,
    "ResourcePurchaseCanceled": TERMS,
    "VMMarketplaceInvalidInput": TERMS,
    "InvalidParameter": REQUEST,
    "InvalidRequestFormat": REQUEST,
    "InvalidTemplateDeployment": REQUEST,
    "BadRequest": REQUEST,
    "PropertyChangeNotAllowed": TAKEN,
    "InUseSubnetCannotBeDeleted": BUSY,
    "InUseNetworkSecurityGroupCannotBeDeleted": BUSY,
    "PublicIPAddressCannotBeDeleted": BUSY,
    "NicInUse": BUSY,
    "NicReservedForAnotherVm": BUSY,
    "NicReservedForAnotherVM": BUSY,
    "AttachDiskWhileBeingDetached": BUSY,
    "AnotherOperationInProgress": BUSY,
    "Conflict": BUSY,
    "ConflictingUserInput": BUSY,
    "OperationNotAllowed": BUSY,
    "ResourceGroupBeingDeleted": BUSY,
    "ResourceGroupDeletionBlocked": BUSY,
    "ResourceGroupDeletionTimeout": BUSY,
    "DeploymentActive": BUSY,
    "PreconditionFailed": BUSY,
    "ReferencedResourceNotProvisioned": BUSY,
    "VMStartTimedOut": SLOW,
    "OSProvisioningTimedOut": SLOW,
    "OSProvisioningClientError": SLOW,
    "OSProvisioningInternalError": SLOW,
    "VMAgentStatusCommunicationError": SLOW,
}
"""Error code → rule. Sources: Azure's pages on common deployment errors and on VM allocation failures, the REST API's
examples, and the codes that Terraform, SkyPilot, dstack and Karpenter look for."""

VAGUE = frozenset(
    (
        "BadRequest",
        "Conflict",
        "DeploymentFailed",
        "InvalidTemplateDeployment",
        "OperationNotAllowed",
        "PreconditionFailed",
        "ResourceDeploymentFailure",
        "ResourceOperationFailure",
    )
)
"""Codes that decide only if nothing inside them says more."""

NO_CAPACITY = frozenset(code for code, rule in CODES.items() if rule.kind is CapacityError)
"""Codes that mean: not in this place, not now."""

SIGN_IN: dict[str, Rule] = {
    "AADSTS7000215": Rule(CredentialsError, REFUSED, "the service principal's secret is wrong", SECRET),
    "AADSTS7000222": Rule(CredentialsError, REFUSED, "the service principal's secret has expired", SECRET),
    "AADSTS700016": Rule(CredentialsError, REFUSED, "the tenant has no such application", PRINCIPAL),
    "AADSTS7000112": Rule(CredentialsError, REFUSED, "the application is disabled in its tenant", PRINCIPAL),
    "AADSTS90002": Rule(CredentialsError, REFUSED, "there is no such tenant", PRINCIPAL),
    "AADSTS900023": Rule(CredentialsError, REFUSED, "there is no such tenant", PRINCIPAL),
    "AADSTS50020": WRONG_TENANT,
    "AADSTS50057": Rule(CredentialsError, REFUSED, "the user account is disabled", LOG_IN),
    "AADSTS50076": INTERACTIVE,
    "AADSTS50078": INTERACTIVE,
    "AADSTS50079": INTERACTIVE,
    "AADSTS50158": INTERACTIVE,
    "AADSTS53000": INTERACTIVE,
    "AADSTS53001": INTERACTIVE,
    "AADSTS53003": INTERACTIVE,
    "AADSTS50173": EXPIRED,
    "AADSTS70043": EXPIRED,
    "AADSTS70044": EXPIRED,
    "AADSTS700024": EXPIRED,
    "AADSTS700082": EXPIRED,
}
"""Code of Microsoft Entra → rule. Source: its page on authentication error codes."""

STATUSES: dict[int, Rule] = {401: INVALID, 403: FORBIDDEN, 404: ABSENT, 408: OUTAGE, 429: THROTTLED}
STATUSES.update(dict.fromkeys((500, 502, 503, 504), OUTAGE))
"""HTTP status → rule, for codes that are not in the tables."""

EXCEPTIONS: dict[type[BaseException], Rule] = {
    SSLError: UNTRUSTED,
    sdk.ServiceRequestError: NO_NETWORK,
    sdk.ServiceResponseError: NO_NETWORK,
    sdk.IncompleteReadError: NO_NETWORK,
    sdk.DecodeError: GARBLED,
    sdk.TooManyRedirectsError: GARBLED,
    sdk.ResourceNotFoundError: ABSENT,
    sdk.ClientAuthenticationError: NOT_WORKING,
    OSError: Rule(ConfigError, "the certificates to trust cannot be read", "", "check REQUESTS_CA_BUNDLE"),
}
"""SDK exception class → rule; subclasses follow their nearest ancestor here."""
BELOW = (SSLError, sdk.ServiceRequestError, sdk.ServiceResponseError)
"""Classes that decide wherever they are in the chain of causes."""


def code_of(exc: BaseException | None) -> str:
    """The Azure error code behind an exception that `translated` let out (or behind the SDK's own), or ""."""
    return _decisive(exc.__cause__ if isinstance(exc, GpucloudError) else exc)[0]


@contextmanager
def translated(action: str) -> Iterator[None]:
    """Let only GpucloudError out. `action` completes the sentence "cannot …"; the SDK's error stays as the cause."""
    try:
        yield
    except (sdk.AzureError, OSError) as exc:
        raise _ours(exc, action) from exc


def _ours(exc: BaseException, action: str) -> GpucloudError:
    rule = _rule(exc)
    code, message = _decisive(exc)
    policy, wait = sdk_errors.policy(exc), sdk_errors.wait(exc)
    theirs = f"{shorten(message or str(exc), LONGEST_MESSAGE, placeholder=' …')} ({code or type(exc).__name__})"
    if policy:
        theirs = f"the policy {policy!r} of the subscription forbids it"
    why = rule.why.format(wait=wait) if wait or "{wait}" not in rule.why else ""
    return rule.kind(rule.what or f"cannot {action}", why or theirs, rule.remedy)


def _rule(exc: BaseException) -> Rule:
    status = getattr(exc, "status_code", None)
    code, message = _decisive(exc)
    if status == 429:  # whatever the code: it may be as vague as OperationNotAllowed
        return THROTTLED
    if code == "OperationNotAllowed" and "quota" in message.lower():
        return QUOTA  # the one code with two meanings that nothing but the text tells apart
    if code in CODES:
        return CODES[code]
    if status in STATUSES:
        return STATUSES[status]
    if refusal := sdk_errors.sign_in_code(exc):
        return SIGN_IN.get(refusal, OTHER_SIGN_IN)
    return _class_rule(exc)


def _class_rule(exc: BaseException) -> Rule:
    """The rule of the class; what lies below a failed login (a network that is down, say) goes before it."""
    links = sdk_errors.causes(exc)
    below = [kind for kind in BELOW if any(isinstance(link, kind) for link in links)]
    return next((EXCEPTIONS[kind] for kind in (*below, *type(exc).__mro__) if kind in EXCEPTIONS), OTHER)


def _decisive(exc: BaseException | None) -> tuple[str, str]:
    """Code and message that say most: the outermost specific ones, else the outermost that we know, else the first."""
    layers = sdk_errors.layers(exc) or [("", "")]
    known = [layer for layer in layers if layer[0] in CODES]
    return ([layer for layer in known if layer[0] not in VAGUE] or known or layers)[0]
