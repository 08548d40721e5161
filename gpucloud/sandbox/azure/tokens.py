"""The access tokens of the embedded login service: JSON web tokens, signed with a key of the world's own."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from gpucloud.sandbox.azure.wire import ArmError
from gpucloud.sandbox.azure.world import CLIENT_ID, OBJECT_ID, TENANT

if TYPE_CHECKING:
    from gpucloud.sandbox.azure.world import AzureWorld

LIFETIME = 3599  # seconds, as Microsoft Entra ID gives to service principals
# What a token may be for: ARM under its own address, and under the names that the CLI and PowerShell use for it.
ARM = ("https://management.azure.com", "https://management.core.windows.net", "https://management.core.windows.net/")


def issue(world: AzureWorld, origin: str, audience: str) -> str:
    """A token for `audience` that is good for LIFETIME seconds."""
    now = int(time.time())
    claims = {
        "aud": audience,
        "iss": f"{origin}/{TENANT}/v2.0",
        "iat": now,
        "nbf": now,
        "exp": now + LIFETIME,
        "appid": CLIENT_ID,
        "oid": OBJECT_ID,
        "sub": OBJECT_ID,
        "tid": TENANT,
        "idtyp": "app",
        "uti": str(uuid4()),
        "ver": "1.0",
    }
    signed = f"{_encoded({'typ': 'JWT', 'alg': 'HS256', 'kid': 'simulated'})}.{_encoded(claims)}"
    return f"{signed}.{_signature(world, signed)}"


def check(world: AzureWorld, authorization: str, origin: str, *, expired: bool = False) -> None:
    """Raise what ARM answers to a request without a good token: AuthenticationFailed and its kin, 401.

    `expired` takes every token for an expired one.
    """
    kind, _, token = authorization.partition(" ")
    if not authorization:
        raise ArmError("AuthenticationFailed", "Authentication failed. The 'Authorization' header is missing.", 401)
    if kind.lower() != "bearer":
        raise ArmError(
            "AuthenticationFailed",
            "Authentication failed. The 'Authorization' header is provided in an invalid format.",
            401,
        )
    claims = _claims(world, token)
    if expired or claims["exp"] < time.time():
        raise ArmError(
            "ExpiredAuthenticationToken",
            f"The access token expiry UTC time '{_utc(claims['exp'])}' is earlier than current UTC time "
            f"'{_utc(time.time())}'.",
            401,
        )
    if claims["aud"].rstrip("/") not in {origin, *(name.rstrip("/") for name in ARM)}:
        raise ArmError(
            "InvalidAuthenticationTokenAudience",
            f"The access token has been obtained for wrong audience or resource '{claims['aud']}'. It should exactly "
            f"match with one of the allowed audiences '{', '.join((origin, *ARM))}'.",
            401,
        )


def _claims(world: AzureWorld, token: str) -> dict[str, Any]:
    signed, _, signature = token.rpartition(".")
    if not hmac.compare_digest(signature.encode(), _signature(world, signed).encode()):
        raise ArmError("InvalidAuthenticationToken", "The access token is invalid.", 401)
    payload = signed.partition(".")[2]
    claims: dict[str, Any] = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    return claims


def _encoded(document: dict[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(document).encode()).decode().rstrip("=")


def _signature(world: AzureWorld, text: str) -> str:
    digest = hmac.new(world.signing_key, text.encode(), hashlib.sha256).digest()
    return base64.urlsafe_b64encode(digest).decode().rstrip("=")


def _utc(unix: float) -> str:
    return time.strftime("%m/%d/%Y %I:%M:%S %p", time.gmtime(unix))
