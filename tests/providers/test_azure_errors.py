"""No SDK exception leaves the provider, and what decides is the code: not the class, and not the status."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import azure.identity
import pytest
from azure.core import exceptions as sdk
from azure.mgmt.core.exceptions import ARMErrorFormat
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
from gpucloud.providers.azure.errors import CODES, SIGN_IN, code_of, translated

EVERY = [
    kind
    for module in (sdk, azure.identity)
    for kind in vars(module).values()
    if isinstance(kind, type) and issubclass(kind, sdk.AzureError)
]
NO_ANSWER: Any = SimpleNamespace(status_code=0, reason="", text=str, headers={}, request=None)
ARGUMENTS: dict[type[Exception], tuple[Any, ...]] = {
    sdk.TooManyRedirectsError: ([],),
    sdk.ODataV4Error: (NO_ANSWER,),
    sdk.StreamConsumedError: (NO_ANSWER,),
    sdk.StreamClosedError: (NO_ANSWER,),
    sdk.ResponseNotReadError: (NO_ANSWER,),
}
"""What the constructors of some exceptions want instead of a text."""
FAMILY_QUOTA = (
    "Operation could not be completed as it results in exceeding approved standardNCSv3Family Cores quota. Additional "
    "details - Deployment Model: Resource Manager, Location: eastus, Current Limit: 0, Current Usage: 0, Additional "
    "Required: 6, (Minimum) New Limit Required: 6. " + "https://aka.ms/ProdportalCRP/" + "x" * 1000
)


def raised(exc: BaseException) -> GpucloudError:
    with pytest.raises(GpucloudError) as caught, translated("do it"):
        raise exc
    return caught.value


def http_error(error: dict[str, Any], status: int = 409, wrapped: bool = True, **headers: str) -> sdk.HttpResponseError:
    """What the SDKs raise for an answer with this error in its body."""
    body = json.dumps({"error": error} if wrapped else error)
    answer: Any = SimpleNamespace(status_code=status, reason="", text=lambda: body, headers=headers, request=None)
    kind = {404: sdk.ResourceNotFoundError, 409: sdk.ResourceExistsError, 401: sdk.ClientAuthenticationError}
    return kind.get(status, sdk.HttpResponseError)(response=answer, error_format=ARMErrorFormat)


def error(code: str, message: str = "theirs", **more: Any) -> dict[str, Any]:
    return {"code": code, "message": message, **more}


@pytest.mark.parametrize("kind", EVERY, ids=lambda kind: kind.__name__)
def test_every_sdk_exception_is_translated_with_its_cause(kind: type[Exception]) -> None:
    exc = kind(*ARGUMENTS.get(kind, ("theirs",)))
    assert raised(exc).__cause__ is exc


@pytest.mark.parametrize("code", CODES)
@pytest.mark.parametrize("status", [409, 200])
def test_every_code_says_what_and_why_at_once_or_as_the_end_of_an_operation(code: str, status: int) -> None:
    translated_error = raised(http_error(error(code), status))
    assert type(translated_error) is CODES[code].kind
    assert translated_error.what
    assert translated_error.why
    assert translated_error.remedy or CODES[code].kind in (NotFound, ConfigError, CloudError)
    assert code_of(translated_error) == code


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("ExpiredAuthenticationToken", CredentialsError),
        ("AuthorizationFailed", CredentialsError),
        ("SubscriptionNotFound", CredentialsError),
        ("ReadOnlyDisabledSubscription", CredentialsError),
        ("MissingSubscriptionRegistration", ConfigError),
        ("RequestDisallowedByPolicy", ConfigError),
        ("PlatformImageNotFound", ConfigError),
        ("SkuNotAvailable", CapacityError),
        ("AllocationFailed", CapacityError),
        ("OverconstrainedZonalAllocationRequest", CapacityError),
        ("SpotPriceGreaterThanProvidedMaxPrice", CapacityError),
        ("QuotaExceeded", QuotaError),
        ("PublicIPCountLimitReached", QuotaError),
        ("ResourceGroupNotFound", NotFound),
        ("ResourceGroupBeingDeleted", CloudError),
        ("RetryableError", Unreachable),
        ("SomethingNew", CloudError),
    ],
)
def test_codes_become_the_class_with_the_right_exit_code(code: str, kind: type[GpucloudError]) -> None:
    assert type(raised(http_error(error(code)))) is kind


@pytest.mark.parametrize(
    ("status", "kind"),
    [(401, CredentialsError), (403, CredentialsError), (404, NotFound), (429, Unreachable), (502, Unreachable)],
)
def test_a_code_that_nobody_knows_leaves_it_to_the_status(status: int, kind: type[GpucloudError]) -> None:
    assert type(raised(http_error(error("SomethingNew"), status))) is kind


@pytest.mark.parametrize("outer", ["ResourceDeploymentFailure", "ResourceOperationFailure", "Conflict"])
def test_the_code_inside_a_vague_one_decides(outer: str) -> None:
    inner = error("DeploymentFailed", details=[error("ZonalAllocationFailed", "none in zone 2")])
    translated_error = raised(http_error(error(outer, "failed", details=[inner]), 200))
    assert type(translated_error) is CapacityError
    assert "none in zone 2 (ZonalAllocationFailed)" in translated_error.why
    assert code_of(translated_error) == "ZonalAllocationFailed"


def test_the_code_of_an_inner_error_decides_too() -> None:
    outer = error("BadRequest", "bad", innererror={"code": "Other", "innererror": {"code": "SkuNotAvailable"}})
    assert type(raised(http_error(outer, 400))) is CapacityError


def test_operation_not_allowed_means_quota_or_a_machine_that_is_busy() -> None:
    quota = raised(http_error(error("OperationNotAllowed", FAMILY_QUOTA)))
    assert type(quota) is QuotaError
    assert "standardNCSv3Family" in quota.why
    assert len(quota.why) < 400, "not the kilobyte of a link"
    busy = raised(http_error(error("OperationNotAllowed", "VM 'one' is being deleted.")))
    assert type(busy) is CloudError


def test_throttling_says_how_long_azure_wants_to_be_left_alone() -> None:
    full = error("OperationNotAllowed", "too many requests", details=[error("TooManyRequests", target="PutVM30Min")])
    translated_error = raised(http_error(full, 429, wrapped=False, **{"Retry-After": "1200"}))
    assert type(translated_error) is Unreachable
    assert translated_error.why.endswith("says to wait 20 minutes")
    assert "wait" not in raised(http_error(full, 429)).why


def test_a_refusal_by_policy_names_the_policy() -> None:
    info = {"policyDefinitionDisplayName": "No public addresses", "policyDefinitionName": "83a8"}
    refusal = error("RequestDisallowedByPolicy", additionalInfo=[{"type": "PolicyViolation", "info": info}])
    assert "'No public addresses'" in raised(http_error(refusal, 403)).why


@pytest.mark.parametrize("code", SIGN_IN)
def test_what_entra_says_is_a_matter_of_credentials(code: str) -> None:
    translated_error = raised(sdk.ClientAuthenticationError(f"Authentication failed: {code}: theirs"))
    assert type(translated_error) is CredentialsError
    assert translated_error.what == "Azure does not accept the credentials"
    assert translated_error.why and translated_error.remedy


def test_a_login_that_fails_because_the_network_is_down_says_so() -> None:
    exc = sdk.ClientAuthenticationError("Authentication failed: HTTPSConnectionPool")
    exc.__cause__ = sdk.ServiceRequestError("no route to host")
    assert type(raised(exc)) is Unreachable


@pytest.mark.parametrize(
    ("exc", "kind"),
    [
        (sdk.ServiceRequestError("no route"), Unreachable),
        (sdk.ServiceResponseTimeoutError("too slow"), Unreachable),
        (sdk.DecodeError("<html>"), CloudError),
        (sdk.ClientAuthenticationError("nothing works"), CredentialsError),
        (OSError("no such bundle"), ConfigError),
    ],
)
def test_sdk_exceptions_become_the_class_with_the_right_exit_code(exc: Exception, kind: type[GpucloudError]) -> None:
    assert type(raised(exc)) is kind


def test_a_certificate_that_is_not_trusted_is_told_from_a_network_that_is_down() -> None:
    exc = sdk.ServiceRequestError("certificate verify failed")
    exc.__cause__ = SSLError("certificate verify failed")
    assert "not trusted" in raised(exc).why


def test_addresses_of_operations_are_kept_out() -> None:
    """They are signed: whoever has one can read the operation."""
    assert "secret" not in str(raised(sdk.ServiceRequestError("Max retries exceeded with url: /operations?t=secret")))


def test_our_own_errors_pass() -> None:
    ours = NotFound("x")
    assert raised(ours) is ours
