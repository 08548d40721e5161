"""From what the settings or this computer say to an access token."""

from __future__ import annotations

import logging
import threading
import time
from typing import TYPE_CHECKING, Any, cast

from gpucloud.errors import ConfigError, CredentialsError
from gpucloud.providers.azure import signs
from gpucloud.providers.azure.errors import NO_CREDENTIALS
from gpucloud.providers.azure.settings import AzureSettings

if TYPE_CHECKING:
    from azure.core.credentials import AccessTokenInfo, SupportsTokenInfo, TokenRequestOptions

FRESH = 60.0
"""Seconds for which a token is handed on to whoever asks. Asking for another costs a login, or a run of `az`."""


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


def credential(settings: AzureSettings, transport: Any) -> OneLogin:
    """The credential of the settings, or the first that azure-identity finds. `transport` carries the former's login.

    Raises CredentialsError if nothing on this computer looks like one, ConfigError if what is there makes no sense.
    """
    if not settings.client_secret and not signs.any_credential():
        raise CredentialsError(NO_CREDENTIALS.what, NO_CREDENTIALS.why, NO_CREDENTIALS.remedy)
    for name in ("azure", "msal"):  # they warn on stderr of what `translated` says better
        logging.getLogger(name).addHandler(logging.NullHandler())
    try:
        return OneLogin(_found(settings, transport))
    except (ValueError, OSError) as exc:
        raise ConfigError(
            "the Azure credentials make no sense", str(exc), "check the AZURE_* environment variables"
        ) from exc


def _found(settings: AzureSettings, transport: Any) -> SupportsTokenInfo:
    from azure.identity import ClientSecretCredential, DefaultAzureCredential

    from gpucloud.providers.azure.throttle import RETRIES

    # Only Microsoft's own authorities can be looked up in its list of them.
    where: dict[str, Any] = (
        {"authority": settings.authority, "disable_instance_discovery": True} if settings.authority else {}
    )
    if not settings.client_secret:
        return DefaultAzureCredential(**where)
    return ClientSecretCredential(
        settings.tenant, settings.client_id, settings.client_secret, transport=transport, **where, **RETRIES
    )
