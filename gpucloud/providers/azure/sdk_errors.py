"""What is inside an exception of Azure's SDKs: codes and messages in layers, causes, and notes beside the message."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from azure.core.exceptions import HttpResponseError

SIGN_IN_CODE = re.compile(r"AADSTS\d+")
"""A code of Microsoft Entra. azure-identity hands it on in the text of its exceptions, and nowhere else."""
LONG_WAIT = 120
"""Seconds from which on a wait is told in minutes."""


def layers(exc: BaseException | None) -> list[tuple[str, str]]:
    """(code, message) of the error in an answer, of its details and of its inner errors, outermost first; or none."""
    error = exc.error if isinstance(exc, HttpResponseError) else None
    return list(_layers(error)) if error else []


def _layers(error: Any) -> Iterator[tuple[str, str]]:
    yield error.code or "", error.message or ""
    for detail in error.details:
        yield from _layers(detail)
    inner = error.innererror
    while isinstance(inner, dict) and inner:
        yield str(inner.get("code") or ""), str(inner.get("message") or error.message or "")
        inner = inner.get("innererror")


def causes(exc: BaseException | None) -> list[BaseException]:
    """The exception and what led to it, the nearest first."""
    found = []
    while exc is not None:
        found.append(exc)
        # azure-core keeps the cause in an attribute of its own.
        exc = getattr(exc, "inner_exception", None) or exc.__cause__ or exc.__context__
    return found


def sign_in_code(exc: BaseException) -> str:
    """The code with which Microsoft Entra refused a login, or ""."""
    return next((code for link in causes(exc) for code in SIGN_IN_CODE.findall(str(link))), "")


def policy(exc: BaseException) -> str:
    """The name of the owner's policy that refused, which ARM tells beside the message; "" if none did."""
    notes = getattr(getattr(exc, "error", None), "additional_info", [])
    refusals = [note.info for note in notes if note.type == "PolicyViolation"]
    return (
        str(refusals[0].get("policyDefinitionDisplayName") or refusals[0]["policyDefinitionName"]) if refusals else ""
    )


def wait(exc: BaseException) -> str:
    """How long Azure says to wait: "20 minutes", or "" if it does not say."""
    headers = getattr(getattr(exc, "response", None), "headers", None) or {}
    text = str(headers.get("Retry-After", ""))
    if not text.isdecimal():
        return ""
    seconds = int(text)
    return f"{-(-seconds // 60)} minutes" if seconds >= LONG_WAIT else f"{seconds} seconds"
