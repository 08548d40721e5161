"""Several calls at the same time, in threads that an interruption does not wait for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future, wait
from threading import Thread
from typing import Any, TypeVar

T = TypeVar("T")
U = TypeVar("U")


def begin(call: Callable[[], T]) -> Future[T]:
    """Make the call in a thread of its own.

    The threads are daemons: concurrent.futures would make Ctrl-C wait for the slowest machine, for up to an hour.
    """
    future: Future[T] = Future()
    Thread(target=_fulfil, args=(future, call), daemon=True).start()
    return future


def in_parallel(call: Callable[[T], U], items: Sequence[T]) -> list[U]:
    """The results in the order of the items. Raises the first error, but only when all calls have ended: what the
    others made is known by then."""
    futures: list[Future[U]] = [begin(lambda item=item: call(item)) for item in items]  # type: ignore[misc]
    wait(futures)
    return [future.result() for future in futures]


def together(*calls: Callable[[], Any]) -> list[Any]:
    """The results of different calls, in their order; errors as in `in_parallel`."""
    return in_parallel(lambda call: call(), calls)


def _fulfil(future: Future[T], call: Callable[[], T]) -> None:
    try:
        future.set_result(call())
    except BaseException as exc:  # whoever waits for the result gets it
        future.set_exception(exc)
