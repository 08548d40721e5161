"""Several calls at the same time: results in order, errors once all have ended, threads that keep nobody waiting."""

from __future__ import annotations

import threading

import pytest

from gpucloud.parallel import begin, in_parallel, together


def test_calls_run_at_the_same_time_and_results_keep_their_order() -> None:
    meet = threading.Barrier(3, timeout=10)

    def call(number: int) -> int:
        meet.wait()
        return number * 2

    assert in_parallel(call, [1, 2, 3]) == [2, 4, 6]
    assert together(lambda: "a", lambda: 1) == ["a", 1]


def test_an_error_is_raised_when_all_have_ended() -> None:
    failed, ended = threading.Event(), threading.Event()

    def fails() -> None:
        failed.set()
        raise ValueError("no")

    def goes_on() -> None:
        assert failed.wait(10)
        ended.set()

    with pytest.raises(ValueError, match="no"):
        together(fails, goes_on)
    assert ended.is_set()


def test_a_thread_keeps_no_process_alive() -> None:
    assert begin(threading.current_thread).result().daemon
