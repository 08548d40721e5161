"""Do the same to many machines at once, in threads that an interruption does not wait for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future
from threading import Thread
from typing import TypeVar

T = TypeVar("T")
U = TypeVar("U")


def in_parallel(call: Callable[[T], U], items: Sequence[T]) -> list[U]:
    """The results in the order of the items. If a call raises, so does this, once it is that call's turn.

    The threads are daemons: concurrent.futures would make Ctrl-C wait for the slowest machine, for up to an hour.
    """
    futures: list[Future[U]] = [_begin(call, item) for item in items]
    return [future.result() for future in futures]


def together(first: Callable[[], T], second: Callable[[], U]) -> tuple[T, U]:
    """The results of two different questions, asked at the same time."""
    other = _begin(lambda _: second(), None)
    return first(), other.result()


def _begin(call: Callable[[T], U], item: T) -> Future[U]:
    future: Future[U] = Future()
    Thread(target=_fulfil, args=(future, call, item), daemon=True).start()
    return future


def _fulfil(future: Future[U], call: Callable[[T], U], item: T) -> None:
    try:
        future.set_result(call(item))
    except BaseException as exc:  # whoever waits for the result gets it
        future.set_exception(exc)
