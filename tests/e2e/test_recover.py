"""After `kill -9` in the middle of `up`, `gpucloud recover` removes whatever had been made."""

from __future__ import annotations

import signal

import pytest

from tests.e2e.support import Moment, Sandbox, every_moment

pytestmark = pytest.mark.slow


@every_moment
def test_recover_removes_what_a_killed_up_has_made(clean: Sandbox, moment: Moment) -> None:
    running = moment.of_up(clean)
    running.send(signal.SIGKILL)
    assert running.end().rc == -signal.SIGKILL

    interrupted = clean.journals()
    assert ("recover` removes" in clean.ok("ls").err) == bool(interrupted)
    done = clean.ok("recover", "-o", "json")

    assert clean.left() == {}
    assert [each["run"] for each in done.document] == [path.stem for path in interrupted]
    assert [clean.events(path)[-1] for path in interrupted] == ["rolled_back"] * len(interrupted)
    assert clean.identities() == []
    assert "no interrupted run" in clean.ok("recover").err
