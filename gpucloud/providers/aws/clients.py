"""boto3 clients: one for each service and region, made on first use."""

from __future__ import annotations

import os
import threading
from functools import cache
from typing import TYPE_CHECKING, Any

from gpucloud import __version__
from gpucloud.errors import NoCredentials
from gpucloud.providers.aws.errors import NO_CAPACITY, NO_CREDENTIALS, translated
from gpucloud.providers.aws.policy import ec2_operations
from gpucloud.providers.aws.settings import AwsSettings

if TYPE_CHECKING:
    from boto3.session import Session

CONNECT_TIMEOUT = 5.0
"""Seconds. EC2 endpoints answer a connect in milliseconds; longer means no network."""
READ_TIMEOUT = 30.0
"""Seconds. RunInstances takes up to 10 s on a bad day; botocore's own 60 s hides a dead network for minutes."""
MAX_ATTEMPTS = 5
"""Attempts of one call in all, with botocore's jittered back-off between them. They share the call's ClientToken."""


class Clients:
    """The clients of one AwsSettings. Safe to share between threads, as boto3 clients are and sessions are not."""

    def __init__(self, settings: AwsSettings) -> None:
        self.settings = settings
        self._lock = threading.Lock()
        self._session: Session | None = None
        self._clients: dict[tuple[str, str], Any] = {}

    def ec2(self, region: str) -> Any:
        """The EC2 client of a region. Raises NoCredentials if there are none."""
        return self.client("ec2", region)

    def client(self, service: str, region: str) -> Any:
        """The client of a service in a region. Raises NoCredentials if there are none."""
        with self._lock, translated(f"use the region {region}"):
            key = (service, region)
            if key not in self._clients:
                self._clients[key] = self._make(service, region)
            return self._clients[key]

    def check_credentials(self) -> None:
        """Raise NoCredentials if there are none to be found. Whether AWS accepts them is another matter."""
        with self._lock, translated("find the credentials"):
            self._open_session()

    def _open_session(self) -> Session:
        if self._session is None:
            session = _session(self.settings)
            if session.get_credentials() is None:
                raise NoCredentials(NO_CREDENTIALS.what, NO_CREDENTIALS.why, NO_CREDENTIALS.remedy)
            self._session = session
        return self._session

    def _make(self, service: str, region: str) -> Any:
        from botocore.config import Config

        config = Config(
            connect_timeout=CONNECT_TIMEOUT,
            read_timeout=READ_TIMEOUT,
            retries={"mode": "standard", "total_max_attempts": MAX_ATTEMPTS},
            user_agent_extra=f"gpucloud/{__version__}",
            max_pool_connections=32,
            proxies={} if self.settings.access_key else None,
        )
        make: Any = self._open_session().client  # its overloads know service names as literals only
        client = make(service, region_name=region, endpoint_url=self.settings.endpoint_url or None, config=config)
        client.meta.events.register_first("needs-retry.ec2.*", _capacity_is_an_answer)
        return client


def _capacity_is_an_answer(response: tuple[Any, Any] | None = None, **_: object) -> None:
    """EC2 says "no capacity" with HTTP 500, which botocore takes for an outage and would ask again and again."""
    if response and response[1].get("Error", {}).get("Code") in NO_CAPACITY:
        response[0].status_code = 400


def configured_region(settings: AwsSettings) -> str:
    """The region of the user's AWS configuration, or ""."""
    with translated("read the AWS configuration"):
        return os.environ.get("AWS_REGION") or _session(settings).region_name or ""


def _session(settings: AwsSettings) -> Session:
    """A boto3 session: the user's own, or one that looks at nothing but the settings."""
    import boto3
    import botocore.session

    nowhere = (None, None, os.devnull, None)
    alone = {"profile": (None, None, None, None), "config_file": nowhere, "credentials_file": nowhere}
    session = botocore.session.Session(session_vars=alone if settings.access_key else None)
    session.register_component("data_loader", _loader(session.get_config_variable("data_path")))
    return boto3.Session(settings.access_key or None, settings.secret_key or None, botocore_session=session)


@cache
def _loader(data_path: str | None) -> Any:
    """One reader of the API descriptions for the whole process: EC2's takes 0.1 s to parse, each time it is.

    Of EC2's 830 operations it shows those that the policy allows: botocore makes a method of each operation for each
    client, which takes 15 ms a region, ten times what the rest of a client does.
    """
    from botocore.loaders import create_loader

    loader: Any = create_loader(data_path)
    load, wanted, one_at_a_time = loader.load_service_model, ec2_operations(), threading.Lock()

    @cache
    def load_less(service_name: str, type_name: str, api_version: str | None = None) -> Any:
        with one_at_a_time:  # all regions begin at the same moment, and want the same file
            model = load(service_name, type_name, api_version)
        if (service_name, type_name) != ("ec2", "service-2"):
            return model  # credentials may come from services that no policy of ours speaks of
        return {**model, "operations": {name: it for name, it in model["operations"].items() if name in wanted}}

    loader.load_service_model = load_less
    return loader
