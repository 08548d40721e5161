"""A supervisor process and the thread that listens to it."""

from __future__ import annotations

import json
import subprocess
import threading
from collections.abc import Callable

START_LIMIT = 20.0  # seconds to build a file system; it takes a tenth of one
STOP_LIMIT = 15.0  # seconds; the supervisor itself kills a guest that takes longer than supervisor.GRACE


class Supervised:
    """One running guest, seen from the daemon. `ended(how)` is called from a thread when it ends without `stop`."""

    def __init__(self, command: list[str], boot: bytes, ended: Callable[[str], None]) -> None:
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True)
        self.started, self.up, self.why, self.ended = threading.Event(), threading.Event(), "", ended
        self.stopping = False
        assert self.process.stdin
        self.process.stdin.write(boot)
        self.process.stdin.flush()
        self.listener = threading.Thread(target=self.listen, daemon=True)
        self.listener.start()

    def listen(self) -> None:
        how = "poweroff"
        assert self.process.stdout and self.process.stdin
        for line in self.process.stdout:
            event = json.loads(line)
            self.why = event.get("why", self.why)
            how = event.get("how", how)
            self.up.set() if event["event"] == "up" else self.started.set()
        if not self.started.is_set():
            self.why = self.why or "its supervisor ended early"
            self.started.set()
        self.process.wait()
        self.process.stdout.close()
        if not (self.stopping or self.why):
            self.process.stdin.close()
            self.ended(how)

    def failure(self) -> str:
        """Wait until init runs; why it does not, else an empty string."""
        if not self.started.wait(START_LIMIT):
            self.kill()
            return f"no answer in {START_LIMIT:.0f} s"
        if self.why:
            self.kill()
        return self.why

    def stop(self) -> None:
        """Ask it to shut down, and see to it that it has."""
        self.stopping = True
        assert self.process.stdin
        if self.process.poll() is None:
            try:
                self.process.stdin.write(b"stop\n")
                self.process.stdin.flush()
                self.process.wait(STOP_LIMIT)
            except (BrokenPipeError, subprocess.TimeoutExpired):
                self.kill()
        self.finish()

    def kill(self) -> None:
        """Closing its stdin is the order that also works where it has more rights than we have."""
        self.stopping = True
        assert self.process.stdin
        self.process.stdin.close()
        self.process.wait(STOP_LIMIT)

    def finish(self) -> None:
        assert self.process.stdin
        self.process.stdin.close()
        if threading.current_thread() is not self.listener:
            self.listener.join(STOP_LIMIT)
