"""What a call must pass before any service sees it: credentials, permission, throttling, latency, DryRun."""

from __future__ import annotations

from gpucloud.sandbox.aws.regions import ENABLED
from gpucloud.sandbox.aws.wire import ApiError, Call
from gpucloud.sandbox.scenario import Scenario

# Access keys of 20 characters, as moto expects them. They open nothing but the sandbox.
ACCESS_KEY = "GPUCLOUDSANDBOX00001"
SECRET_KEY = "simulated"
EXPIRED_KEY = "GPUCLOUDEXPIRED00001"
INVALID_KEY = "GPUCLOUDINVALID00001"

# The code and HTTP status of each refusal, by the protocol family of the service.
EXPIRED = {"ec2": ("RequestExpired", 400), "sts": ("ExpiredToken", 403), "": ("ExpiredTokenException", 400)}
INVALID = {
    "ec2": ("AuthFailure", 401),
    "sts": ("InvalidClientTokenId", 403),
    "": ("UnrecognizedClientException", 400),
}
DENIED = {"ec2": ("UnauthorizedOperation", 403), "sts": ("AccessDenied", 403), "": ("AccessDeniedException", 400)}
THROTTLED = {"ec2": ("RequestLimitExceeded", 503), "sts": ("Throttling", 400), "": ("ThrottlingException", 400)}


def check(scenario: Scenario, call: Call, number: int) -> None:
    """Raise the ApiError that stops the call, which is the `number`-th of its action; return when it may pass."""
    if scenario.credentials == "expired" or call.access_key == EXPIRED_KEY:
        raise _refusal(EXPIRED, call, "The security token included in the request is expired")
    # A region that is not enabled does not know the account's credentials.
    if scenario.credentials == "invalid" or call.access_key == INVALID_KEY or call.region not in ENABLED:
        raise _refusal(INVALID, call, "AWS was not able to validate the provided access credentials")
    if scenario.throttle(call.action, number):
        raise _refusal(THROTTLED, call, "Request limit exceeded.")
    if scenario.denies(call.action):
        raise _refusal(DENIED, call, f"You are not authorized to perform this operation: {call.service}:{call.action}")
    if call.service == "ec2" and call.dry_run and call.action != "RunInstances":
        # Not every action of moto honours DryRun; RunInstances is left to validate its parameters first.
        raise ApiError("DryRunOperation", "Request would have succeeded, but DryRun flag is set.", 412)


def _refusal(table: dict[str, tuple[str, int]], call: Call, message: str) -> ApiError:
    code, status = table.get(call.service, table[""])
    return ApiError(code, message, status)
