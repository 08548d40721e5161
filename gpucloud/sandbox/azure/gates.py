"""What a call must pass before any handler sees it: token, version, subscription, registration, rights, throttling."""

from __future__ import annotations

import re
from dataclasses import replace

from gpucloud.sandbox.azure import tokens
from gpucloud.sandbox.azure.wire import ArmError, Call
from gpucloud.sandbox.azure.world import CLIENT_ID, OBJECT_ID, SUBSCRIPTION, TENANT, AzureWorld
from gpucloud.sandbox.scenario import AzureFault

VERSION = re.compile(r"\d{4}-\d{2}-\d{2}(-[a-z]+)?")


def check(world: AzureWorld, call: Call, number: int) -> Call:
    """The call, which is the `number`-th of its action, with the fault that its operation is to end in.

    Raises the ArmError that stops it. The world's lock is held.
    """
    _check_token(world, call)
    _check_version(call)
    _check_subscription(call)
    _check_throttling(world, call, number)
    _check_rights(world, call)
    _check_registration(world, call)
    return with_fault(world, call)


def _check_token(world: AzureWorld, call: Call) -> None:
    credentials = world.shared.scenario.credentials
    try:
        if credentials == "invalid":
            raise ArmError("InvalidAuthenticationToken", "The access token is invalid.", 401)
        tokens.check(world, call.header("authorization"), call.origin, expired=credentials == "expired")
    except ArmError as error:
        known = f'Bearer authorization_uri="{call.origin}/{TENANT}", error="invalid_token"'
        error.headers["WWW-Authenticate"] = f'{known}, error_description="{error.message}"'
        raise


def _check_version(call: Call) -> None:
    if not call.api_version:
        raise ArmError(
            "MissingApiVersionParameter",
            "The api-version query parameter (?api-version=) is required for all requests.",
        )
    if not VERSION.fullmatch(call.api_version):
        raise ArmError("InvalidApiVersionParameter", f"The api-version '{call.api_version}' is invalid.")


def _check_subscription(call: Call) -> None:
    asked = call.id.subscription
    if asked and asked.lower() != SUBSCRIPTION:
        raise ArmError("SubscriptionNotFound", f"The subscription '{asked}' could not be found.", 404)


def _check_throttling(world: AzureWorld, call: Call, number: int) -> None:
    if entry := world.shared.scenario.throttle(call.action, number):
        raise throttled(call, entry.retry_after)


def throttled(call: Call, retry_after: int) -> ArmError:
    """429 as the services send it: compute's stands in no `error`, and says which of its buckets is empty."""
    headers = {"Retry-After": str(retry_after)}
    if call.id.provider.lower() == "microsoft.compute":
        group = "HighCostGet30Min" if call.method == "GET" else "PutVM30Min"
        detail = {"code": "TooManyRequests", "target": group, "message": f'{{"operationGroup":"{group}"}}'}
        message = "The server rejected the request because too many requests have been received for this subscription."
        return ArmError("OperationNotAllowed", message, 429, details=[detail], headers=headers, wrapped=False)
    kind = "read" if call.method == "GET" else "write"
    message = (
        f"Number of '{kind}' requests for subscription '{SUBSCRIPTION}' actor '{OBJECT_ID}' exceeded. "
        f"Please try again after '{retry_after}' seconds."
    )
    return ArmError("SubscriptionRequestsThrottled", message, 429, headers=headers)


def _check_rights(world: AzureWorld, call: Call) -> None:
    if world.shared.scenario.denies(call.action, call.permission):
        raise ArmError(
            "AuthorizationFailed",
            f"The client '{CLIENT_ID}' with object id '{OBJECT_ID}' does not have authorization to perform action "
            f"'{call.permission}' over scope '{call.id}' or the scope is invalid. If access was recently granted, "
            "please refresh your credentials.",
            403,
        )


def _check_registration(world: AzureWorld, call: Call) -> None:
    from gpucloud.sandbox.azure.providers import registration

    namespace, about_itself = call.id.provider, not call.id.types and call.tail in ("", "register", "unregister")
    if not namespace or about_itself or registration(world, namespace) == "Registered":
        return
    message = (
        f"The subscription is not registered to use namespace '{namespace}'. See https://aka.ms/rps-not-found for how "
        "to register subscriptions."
    )
    detail = {"code": "MissingSubscriptionRegistration", "target": namespace, "message": message}
    raise ArmError("MissingSubscriptionRegistration", message, 409, details=[detail])


def with_fault(world: AzureWorld, call: Call) -> Call:
    """The call with what the scenario's faults do to it: one is raised, or given to the operation that it starts."""
    for fault in world.shared.scenario.azure.faults:
        if not re.search(fault.match, f"{call.method} {call.path}", re.IGNORECASE):
            continue
        if fault.times is not None and world.fired[fault] >= fault.times:
            continue
        world.fired[fault] += 1
        if fault.asynchronous:
            return replace(call, fault=_error(fault))
        raise _error(fault)
    return call


def _error(fault: AzureFault) -> ArmError:
    headers = {} if fault.retry_after is None else {"Retry-After": str(fault.retry_after)}
    details = [{"code": fault.nested, "message": fault.message}] if fault.nested else []
    return ArmError(fault.code, fault.message, fault.status, details=details, headers=headers)
