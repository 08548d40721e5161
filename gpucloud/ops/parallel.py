"""How an interruption reaches the threads that make machines."""

from __future__ import annotations

import signal
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import replace
from threading import current_thread, main_thread
from typing import Any, TypeVar

from gpucloud.ops.context import Context
from gpucloud.parallel import begin
from gpucloud.progress import Progress
from gpucloud.signals import Interrupted

T = TypeVar("T")


class Relay:
    """Hands an interruption of the main thread on to the threads that make machines for it.

    Python runs signal handlers in the main thread alone: other threads ask (`check`), or leave what they wait for.
    A call to a cloud that is on its way is never left: only its answer says what there is to remove.
    """

    def __init__(self) -> None:
        self._interrupted: Future[None] = Future()

    def interrupt(self) -> None:
        """To be called once, by the main thread."""
        self._interrupted.set_result(None)

    def check(self) -> None:
        """Raises Interrupted if the main thread was."""
        if self._interrupted.done():
            raise Interrupted(signal.SIGINT)

    def leaving(self, call: Callable[[], T]) -> T:
        """The result of a call that makes nothing in the cloud. Raises Interrupted at once when the main thread is.

        What is left goes on in a thread of its own until it looks at the context that `within` gave it.
        """
        if current_thread() is main_thread():  # signals interrupt it wherever it is
            return call()
        future = begin(call)
        either: list[Future[Any]] = [future, self._interrupted]
        wait(either, return_when=FIRST_COMPLETED)
        if not future.done():
            self.check()
        return future.result()

    def within(self, context: Context) -> Context:
        """A context for such a call: once interrupted, it has nothing to tell and nothing to wait for any more."""

        def report(event: Progress) -> None:
            self.check()
            context.report(event)

        def sleep(seconds: float) -> None:
            self.check()
            context.waiter.sleep(seconds)

        return replace(context, report=report, waiter=replace(context.waiter, sleep=sleep))
