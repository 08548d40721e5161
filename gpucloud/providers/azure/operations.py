"""Azure's long-running operations: waiting for one, and for one's turn."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from gpucloud.errors import CloudError, GpucloudError
from gpucloud.providers.azure import errors
from gpucloud.providers.azure.errors import code_of, translated
from gpucloud.waiting import Waiter

T = TypeVar("T")

TURN_TIMEOUT = 300.0
"""Seconds to wait for what somebody else began on the same resource. Deallocating a GPU machine takes two minutes."""

BUSY = frozenset(code for code, rule in errors.CODES.items() if rule is errors.BUSY)
"""Codes that mean: not now, something else is under way, or still holds it."""


class Unfinished(CloudError):
    """An operation takes longer than anybody would wait for it. It may go on in the cloud."""


def is_busy(error: GpucloudError) -> bool:
    """Does Azure say: not now? A quota is no such thing, although it shares a code."""
    return isinstance(error, CloudError) and code_of(error) in BUSY


def in_its_turn(waiter: Waiter, call: Callable[[], T], busy: Callable[[GpucloudError], bool] = is_busy) -> T:
    """The call's answer, asked again while something else is under way. Raises the last refusal after TURN_TIMEOUT."""
    refused: list[GpucloudError] = []

    def attempt() -> tuple[T] | None:
        refused.clear()
        try:
            return (call(),)
        except GpucloudError as error:
            if not busy(error):
                raise
            refused.append(error)
            return None

    answer = waiter.until(attempt, TURN_TIMEOUT)
    if answer is None:
        raise refused[0]
    return answer[0]


def finished(action: str, begin: Callable[[], Any], timeout: float) -> Any:
    """Begin an operation (an SDK's `begin_…`) and return its result. `action` completes the sentence "cannot …".

    Raises Unfinished if it takes longer than `timeout` seconds.
    """
    with translated(action):
        poller = begin()
        poller.wait(timeout)
        if poller.done():
            return poller.result()
    raise Unfinished(f"cannot {action}", f"Azure has not finished it after {timeout:g} s", "run it again, later")


def accepted(action: str, begin: Callable[[], object]) -> None:
    """Begin an operation and leave it to itself. `action` completes the sentence "cannot …"."""
    with translated(action):
        begin()
