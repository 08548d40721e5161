"""The first signal ends a command; none cuts the rollback short that follows it, or that follows an error."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from threading import Thread

import pytest

from gpucloud import signals
from gpucloud.errors import CloudError, ExitStatus

HANDLED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@pytest.fixture(autouse=True)
def handlers(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    before = {number: signal.getsignal(number) for number in HANDLED}
    monkeypatch.setattr(signals, "_rollbacks", 0)
    signals.install()
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("number", HANDLED)
def test_the_first_signal_raises_and_later_ones_only_answer(
    number: signal.Signals, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(signals.Interrupted, match=number.name), signals.rollback_to_come():
        os.kill(os.getpid(), number)
    for later in HANDLED:
        os.kill(os.getpid(), later)
    assert capfd.readouterr().err.count("still cleaning up") == 3


def test_no_signal_interrupts_what_follows_an_error(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(CloudError), signals.rollback_to_come():
        raise CloudError("no")
    os.kill(os.getpid(), signal.SIGINT)
    assert "still cleaning up" in capfd.readouterr().err


def test_a_failure_in_another_thread_holds_no_signal_off() -> None:
    def fail() -> None:
        with suppress(CloudError), signals.rollback_to_come():
            raise CloudError("no")

    thread = Thread(target=fail)
    thread.start()
    thread.join()
    with pytest.raises(signals.Interrupted):
        os.kill(os.getpid(), signal.SIGINT)


def test_without_a_failure_the_first_signal_still_interrupts() -> None:
    with signals.rollback_to_come():
        pass
    with pytest.raises(signals.Interrupted):
        os.kill(os.getpid(), signal.SIGINT)


@pytest.mark.parametrize(
    ("body", "status"), [("pass", ExitStatus.INTERRUPTED), ("os.close(2)", ExitStatus.INTERRUPTED)]
)
def test_where_nothing_is_to_be_undone_a_second_signal_ends_at_once(body: str, status: int) -> None:
    program = (
        "import os, signal\nfrom gpucloud import signals\nsignals.install()\n"
        f"try:\n    os.kill(os.getpid(), signal.SIGINT)\nexcept signals.Interrupted:\n    {body}\n"
        "os.kill(os.getpid(), signal.SIGINT)\nraise SystemExit(7)"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == status


def test_the_answer_survives_a_terminal_that_is_gone() -> None:
    program = (
        "import os, signal\nfrom gpucloud import signals\nsignals.install()\n"
        "try:\n    with signals.rollback_to_come():\n        os.kill(os.getpid(), signal.SIGHUP)\n"
        "except signals.Interrupted:\n    os.close(2)\nos.kill(os.getpid(), signal.SIGHUP)\nraise SystemExit(7)"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 7
