"""From what the settings or this computer say to an access token."""

from __future__ import annotations

import logging
import threading
import time
from typing import TYPE_CHECKING, Any, cast

from azure.core.exceptions import ClientAuthenticationError

from gpucloud.errors import ConfigError
from gpucloud.providers.azure import signs
from gpucloud.providers.azure.sdk_errors import sign_in_code
from gpucloud.providers.azure.settings import AzureSettings

if TYPE_CHECKING:
    from azure.core.credentials import AccessTokenInfo, SupportsTokenInfo, TokenRequestOptions

FRESH = 60.0
"""Seconds for which a token is handed on to whoever asks. Asking for another costs a login, or a run of `az`."""
AUTHORITY = "https://login.microsoftonline.com"
"""Microsoft Entra of the public cloud."""


class OneLogin:
    """A credential that logs in once for all the threads that need a token at the same moment."""

    def __init__(self, credential: SupportsTokenInfo) -> None:
        self._credential = credential
        self._lock = threading.Lock()
        self._token: AccessTokenInfo | None = None
        self._failure: Exception | None = None
        self._ended = 0.0

    def get_token_info(self, *scopes: str, options: TokenRequestOptions | None = None) -> AccessTokenInfo:
        """A token for the scopes, which are always the same here. Claims in `options` ask for another one.

        Who waits while a login fails has failed, too: nine threads do not wait for the same network one by one.
        """
        asked = time.monotonic()
        with self._lock:
            if self._failure and self._ended > asked:
                raise self._failure
            claims = options and options.get("claims")
            if self._token is None or claims or asked - self._ended > FRESH:
                self._log_in(scopes, options)
            return cast("AccessTokenInfo", self._token)

    def _log_in(self, scopes: tuple[str, ...], options: TokenRequestOptions | None) -> None:
        self._token = self._failure = None
        try:
            self._token = self._credential.get_token_info(*scopes, options=options)
        except Exception as exc:
            self._failure = exc
            raise
        finally:
            self._ended = time.monotonic()


class Link:
    """One credential of azure-identity's chain. It keeps how it failed, which the chain itself tells in a text only."""

    def __init__(self, credential: Any) -> None:
        self._credential = credential
        self._credential_name = getattr(credential, "_credential_name", type(credential).__name__)  # for that text
        self.failure: Exception | None = None

    def get_token_info(self, *scopes: str, options: TokenRequestOptions | None = None) -> AccessTokenInfo:
        try:
            return cast("AccessTokenInfo", self._credential.get_token_info(*scopes, options=options))
        except Exception as exc:
            self.failure = exc
            raise


class Chain:
    """azure-identity's own chain of credentials, made with its options, and with the reason of its failure."""

    def __init__(self, transport: Any, options: dict[str, Any]) -> None:
        from azure.identity import DefaultAzureCredential

        self._chain = DefaultAzureCredential(**options)
        self._links = [Link(credential) for credential in self._chain.credentials]
        self._chain.credentials = tuple(cast("list[Any]", self._links))  # without the context manager of the protocol
        self._authority, self._transport = options.get("authority", AUTHORITY), transport

    def get_token_info(self, *scopes: str, options: TokenRequestOptions | None = None) -> AccessTokenInfo:
        """The token of the first credential that gives one.

        Raises NoCredentials if nobody has ever logged in here, the SDK's ServiceRequestError if Microsoft Entra does
        not answer, and its ClientAuthenticationError for any other reason.
        """
        try:
            return self._chain.get_token_info(*scopes, options=options)
        except ClientAuthenticationError as exc:
            if sign_in_code(exc):
                raise
            if self._found_nothing():
                raise signs.no_credentials() from exc
            self._ask_the_authority()
            raise

    def _found_nothing(self) -> bool:
        """Has no credential so much as tried, and is no subscription chosen that somebody once logged in for?"""
        from azure.identity import CredentialUnavailableError

        tried = [link for link in self._links if link.failure]
        unavailable = all(isinstance(link.failure, CredentialUnavailableError) for link in tried)
        return unavailable and not signs.configured_subscription()

    def _ask_the_authority(self) -> None:
        """Raises ServiceRequestError if it cannot be reached: what fails for that reason in the Azure CLI, say, says so
        only in the words of that program."""
        from azure.core.rest import HttpRequest

        url = f"{self._authority}/common/v2.0/.well-known/openid-configuration"
        self._transport.send(HttpRequest("GET", url)).close()


def credential(settings: AzureSettings, transport: Any) -> OneLogin:
    """The credential of the settings, or the first that azure-identity finds. `transport` goes to Microsoft Entra.

    Raises NoCredentials if nothing on this computer looks like one, ConfigError if what is there makes no sense.
    """
    if not settings.client_secret and not signs.any_credential():
        raise signs.no_credentials()
    for name in ("azure", "msal"):  # they warn on stderr of what `translated` says better
        logging.getLogger(name).addHandler(logging.NullHandler())
    try:
        return OneLogin(_found(settings, transport))
    except (ValueError, OSError) as exc:
        raise ConfigError(
            "the Azure credentials make no sense", str(exc), "check the AZURE_* environment variables"
        ) from exc


def _found(settings: AzureSettings, transport: Any) -> Any:
    from gpucloud.providers.azure.throttle import RETRIES

    # Only Microsoft's own authorities can be looked up in its list of them.
    where: dict[str, Any] = (
        {"authority": settings.authority, "disable_instance_discovery": True} if settings.authority else {}
    )
    if not settings.client_secret:
        return Chain(transport, where)
    from azure.identity import ClientSecretCredential

    return ClientSecretCredential(
        settings.tenant, settings.client_id, settings.client_secret, transport=transport, **where, **RETRIES
    )
