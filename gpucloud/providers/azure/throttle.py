"""How one call to Azure is tried again, and for how long it may keep the caller waiting."""

from __future__ import annotations

from typing import Any

from azure.core.pipeline.policies import RetryPolicy

RETRIES: dict[str, Any] = {"retry_total": 3, "retry_backoff_factor": 0.4}
"""azure-core's options: how often a call is tried again, and the growing pauses before it (none, 0.8 s, 1.6 s) where
Azure does not say when to come back."""
LONGEST_WAIT = 60.0
"""Seconds that one call may spend waiting because Azure says so. A full bucket of a subscription can take half an hour
to drain, and nobody should look at a silent terminal for that long."""


class PatientRetry(RetryPolicy[Any, Any]):
    """azure-core's retries, except that an answer which asks for too long a wait is the answer."""

    def __init__(self) -> None:
        super().__init__(**RETRIES)

    def is_retry(self, settings: dict[str, Any], response: Any) -> bool:
        """Shall the call be made again? Waits add up over its attempts."""
        if not super().is_retry(settings, response):
            return False
        settings["waits"] = settings.get("waits", 0.0) + (self.get_retry_after(response) or 0.0)
        return float(settings["waits"]) <= LONGEST_WAIT

    def sleep(self, settings: dict[str, Any], transport: Any, response: Any = None) -> None:
        """Wait before the next attempt. Lets go of the refusal: azure-core leaves it, and its connection, to whichever
        moment the garbage collector comes by."""
        if response is not None:
            response.http_response.close()
        super().sleep(settings, transport, response)
