"""Microsoft Entra ID as far as a service principal needs it: discovery and the token endpoint, and cloud metadata."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from gpucloud.sandbox.azure import tokens
from gpucloud.sandbox.azure.wire import Call, Reply
from gpucloud.sandbox.azure.world import CLIENT_ID, TENANT

if TYPE_CHECKING:
    from gpucloud.sandbox.azure.world import AzureWorld

CLIENT_SECRET = "simulated"
# Any of these stands for a tenant: of the sandbox there is one.
TENANTS = (TENANT, "common", "organizations", "gpucloud.onmicrosoft.com")
# What the metadata names besides login, which the sandbox does not serve: at our own address nothing goes astray.
SERVICES = (
    "resourceManager",
    "media",
    "graph",
    "graphAudience",
    "microsoftGraphResourceId",
    "gallery",
    "batch",
    "sqlManagement",
    "activeDirectoryDataLake",
)
TOKEN = ("oauth2/v2.0/token", "oauth2/token")
OPENID = ("v2.0/.well-known/openid-configuration", ".well-known/openid-configuration")


class LoginError(Exception):
    """A refusal of the token endpoint: its OAuth error, the AADSTS number, and the text."""

    def __init__(self, error: str, number: int, text: str, status: int = 400) -> None:
        super().__init__(text)
        self.error, self.number, self.text, self.status = error, number, text, status


def is_login(path: str) -> bool:
    """Whether a path is the login service's (or the cloud metadata's), which need no token."""
    _, _, rest = path.strip("/").partition("/")
    return rest in (*TOKEN, *OPENID, "discovery/instance", "endpoints") or rest.startswith("userrealm")


def answer(world: AzureWorld, call: Call) -> Reply:
    """The reply to a request to the login service."""
    tenant, _, rest = call.path.strip("/").partition("/")
    if rest == "endpoints":
        return Reply(200, _metadata(call))
    if rest == "discovery/instance":
        return Reply(200, _instances(call))
    try:
        if tenant.lower() not in TENANTS:
            raise LoginError(
                "invalid_tenant" if rest in OPENID else "invalid_request",
                90002,
                f"Tenant '{tenant}' not found. Check to make sure you have the correct tenant ID and are signing into "
                "the correct cloud.",
            )
        return Reply(200, _openid(call) if rest in OPENID else _token(world, call))
    except LoginError as error:
        return Reply(error.status, _refusal(call, error))


def _token(world: AzureWorld, call: Call) -> dict[str, Any]:
    form = call.body if isinstance(call.body, dict) else {}
    for name in ("grant_type", "client_id"):
        if not form.get(name):
            raise LoginError(
                "invalid_request", 900144, f"The request body must contain the following parameter: '{name}'."
            )
    if form["grant_type"] != "client_credentials":
        raise LoginError(
            "unsupported_grant_type", 70003, f"The app requested an unsupported grant type '{form['grant_type']}'."
        )
    audience = _audience(form, call.origin)
    _check_client(form, world.shared.scenario.credentials)
    return {
        "token_type": "Bearer",
        "expires_in": tokens.LIFETIME,
        "ext_expires_in": tokens.LIFETIME,
        "expires_on": str(int(time.time()) + tokens.LIFETIME),
        "resource": audience,
        "access_token": tokens.issue(world, call.origin, audience),
    }


def _audience(form: dict[str, str], origin: str) -> str:
    """What the token is to be for: v2 asks for a scope `…/.default`, v1 for a resource."""
    if form.get("resource"):
        audience = form["resource"]
    elif not form.get("scope"):
        raise LoginError("invalid_request", 900144, "The request body must contain the following parameter: 'scope'.")
    elif not form["scope"].split()[0].endswith("/.default"):
        raise LoginError(
            "invalid_scope",
            1002012,
            f"The provided value for scope {form['scope']} is not valid. Client credential flows must have a scope "
            "value with /.default suffixed to the resource identifier (application ID URI).",
        )
    else:
        audience = form["scope"].split()[0].removesuffix("/.default")
    if audience.rstrip("/") not in {origin, *(name.rstrip("/") for name in tokens.ARM)}:
        raise LoginError(
            "invalid_resource",
            500011,
            f"The resource principal named {audience} was not found in the tenant named gpucloud sandbox. This can "
            "happen if the application has not been installed by the administrator of the tenant or consented to by "
            "any user in the tenant. You might have sent your authentication request to the wrong tenant.",
        )
    return audience


def _check_client(form: dict[str, str], credentials: str) -> None:
    app = form["client_id"]
    if app.lower() != CLIENT_ID:
        raise LoginError(
            "unauthorized_client",
            700016,
            f"Application with identifier '{app}' was not found in the directory 'gpucloud sandbox'. This can happen "
            "if the application has not been installed by the administrator of the tenant or consented to by any user "
            "in the tenant. You may have sent your authentication request to the wrong tenant.",
        )
    if credentials == "expired":
        raise LoginError(
            "invalid_client",
            7000222,
            f"The provided client secret keys for app '{app}' are expired. Visit the Azure portal to create new keys "
            "for your app: https://aka.ms/NewClientSecret, or consider using certificate credentials for added "
            "security: https://aka.ms/certCreds.",
            401,
        )
    if credentials == "invalid" or form.get("client_secret") != CLIENT_SECRET:
        raise LoginError(
            "invalid_client",
            7000215,
            "Invalid client secret provided. Ensure the secret being sent in the request is the client secret value, "
            f"not the client secret ID, for a secret added to app '{app}'.",
            401,
        )


def _refusal(call: Call, error: LoginError) -> dict[str, Any]:
    trace, correlation, now = str(uuid4()), str(uuid4()), time.strftime("%Y-%m-%d %H:%M:%SZ", time.gmtime())
    return {
        "error": error.error,
        "error_description": f"AADSTS{error.number}: {error.text} Trace ID: {trace} Correlation ID: {correlation} "
        f"Timestamp: {now}",
        "error_codes": [error.number],
        "timestamp": now,
        "trace_id": trace,
        "correlation_id": correlation,
        "error_uri": f"{call.origin}/error?code={error.number}",
    }


def _openid(call: Call) -> dict[str, Any]:
    base = f"{call.origin}/{TENANT}"
    version = "/v2.0" if "/v2.0/" in call.path else ""
    return {
        "token_endpoint": f"{base}/oauth2{version}/token",
        "token_endpoint_auth_methods_supported": ["client_secret_post", "private_key_jwt", "client_secret_basic"],
        "authorization_endpoint": f"{base}/oauth2{version}/authorize",
        "device_authorization_endpoint": f"{base}/oauth2{version}/devicecode",
        "jwks_uri": f"{base}/discovery{version}/keys",
        "issuer": f"{base}{version}",
        "response_modes_supported": ["query", "fragment", "form_post"],
        "response_types_supported": ["code", "id_token", "code id_token", "id_token token"],
        "subject_types_supported": ["pairwise"],
        "id_token_signing_alg_values_supported": ["RS256"],
        "scopes_supported": ["openid", "profile", "email", "offline_access"],
        "tenant_region_scope": "NA",
        "cloud_instance_name": call.origin.removeprefix("https://"),
    }


def _instances(call: Call) -> dict[str, Any]:
    host = call.origin.removeprefix("https://")
    return {
        "tenant_discovery_endpoint": f"{call.origin}/{TENANT}/v2.0/.well-known/openid-configuration",
        "api-version": "1.1",
        "metadata": [{"preferred_network": host, "preferred_cache": host, "aliases": [host]}],
    }


def _metadata(call: Call) -> Any:
    """`/metadata/endpoints`: where clients that are told of ARM alone learn the other addresses.

    In the three forms of its history: that of `az cloud register --endpoint-resource-manager` (2015-01-01), a list of
    clouds (2019-05-01), and one cloud (2022-09-01, Terraform).
    """
    origin = call.origin
    if not call.api_version.startswith("20") or call.api_version < "2019":
        authentication = {"loginEndpoint": f"{origin}/", "audiences": [tokens.ARM[1]]}
        return {
            "galleryEndpoint": origin,
            "graphEndpoint": origin,
            "portalEndpoint": origin,
            "authentication": authentication,
        }
    document = {
        "name": "gpucloud-sandbox",
        "portal": origin,
        "authentication": {
            "loginEndpoint": origin,
            "audiences": [tokens.ARM[1], tokens.ARM[0]],
            "tenant": "common",
            "identityProvider": "AAD",
        },
        **dict.fromkeys(SERVICES, origin),
        "suffixes": {"storage": "127.0.0.1", "keyVaultDns": "127.0.0.1", "acrLoginServer": "127.0.0.1"},
    }
    return [document] if call.api_version < "2022" else document
