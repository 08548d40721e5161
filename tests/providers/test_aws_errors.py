"""No SDK exception leaves the provider."""

from __future__ import annotations

import pytest
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
from gpucloud.providers.aws.errors import CODES, code_of, translated

EVERY = [
    kind
    for kind in vars(sdk).values()
    if isinstance(kind, type) and issubclass(kind, Exception) and not issubclass(kind, Warning)
    if kind.__module__ == sdk.__name__
]


def raised(exc: Exception) -> GpucloudError:
    with pytest.raises(GpucloudError) as caught, translated("do it"):
        raise exc
    return caught.value


def client_error(code: str, message: str = "theirs") -> sdk.ClientError:
    return sdk.ClientError({"Error": {"Code": code, "Message": message}}, "RunInstances")


@pytest.mark.parametrize("kind", [*EVERY, ResponseParserError], ids=lambda kind: kind.__name__)
def test_every_botocore_exception_is_translated_with_its_cause(kind: type[Exception]) -> None:
    if issubclass(kind, sdk.ClientError):
        exc: Exception = client_error("Anything")
    else:
        exc = kind.__new__(kind)
    assert raised(exc).__cause__ is exc


@pytest.mark.parametrize("code", CODES)
def test_every_code_says_what_and_why(code: str) -> None:
    error = raised(client_error(code))
    assert type(error) is CODES[code].kind
    assert error.what
    assert error.why
    assert code_of(error) == code


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("ExpiredToken", CredentialsError),
        ("UnauthorizedOperation", CredentialsError),
        ("InsufficientInstanceCapacity", CapacityError),
        ("VcpuLimitExceeded", QuotaError),
        ("RequestLimitExceeded", Unreachable),
        ("InvalidInstanceID.NotFound", NotFound),
        ("InvalidSecurityGroupID.NotFound", NotFound),
        ("IdempotentInstanceTerminated", CloudError),
        ("SomethingNew", CloudError),
    ],
)
def test_codes_become_the_class_with_the_right_exit_code(code: str, kind: type[GpucloudError]) -> None:
    assert type(raised(client_error(code))) is kind


def test_a_refusal_names_the_call_and_keeps_the_encoded_message_out() -> None:
    error = raised(client_error("UnauthorizedOperation", "Encoded authorization failure message: 8sdf"))
    assert str(error) == "cannot do it: not allowed to call RunInstances"
    assert "doctor --policy aws" in error.remedy


@pytest.mark.parametrize(
    ("exc", "kind"),
    [
        (sdk.NoCredentialsError(), NoCredentials),
        (sdk.UnauthorizedSSOTokenError(), CredentialsError),
        (sdk.EndpointConnectionError(endpoint_url="https://x"), Unreachable),
        (sdk.ConnectTimeoutError(endpoint_url="https://x"), Unreachable),
        (sdk.ReadTimeoutError(endpoint_url="https://x"), Unreachable),
        (sdk.ProfileNotFound(profile="x"), ConfigError),
        (sdk.InvalidRegionError(region_name="x y"), ConfigError),
    ],
)
def test_sdk_exceptions_become_the_class_with_the_right_exit_code(exc: Exception, kind: type[GpucloudError]) -> None:
    assert type(raised(exc)) is kind


def test_our_own_errors_pass() -> None:
    ours = NotFound("x")
    assert raised(ours) is ours
