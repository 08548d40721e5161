"""A supervisor process and the thread that listens to it."""

from __future__ import annotations

import itertools
import json
import queue
import subprocess
import threading
from collections.abc import Callable, Mapping
from typing import Any

from gpucloud.errors import CloudError

START_LIMIT = 20.0  # seconds to build a file system; it takes a tenth of one
RUN_SLACK = 15.0  # seconds beyond its time limit in which a command must be told to have ended
STOP_LIMIT = 15.0  # seconds; the supervisor itself kills a guest that takes longer than supervisor.GRACE


class Supervised:
    """One running guest, seen from the daemon. `ended(how)` is called from a thread when it ends without `stop`."""

    def __init__(self, command: list[str], boot: bytes, ended: Callable[[str], None]) -> None:
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True)
        self.started, self.up, self.why, self.ended = threading.Event(), threading.Event(), "", ended
        self.stopping = self.over = False
        self.numbers, self.lock = itertools.count(), threading.Lock()
        self.commands: dict[int, queue.SimpleQueue[dict[str, Any]]] = {}
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
            self.hear(event)
        if not self.started.is_set():
            self.why = self.why or "its supervisor ended early"
            self.started.set()
        self.process.wait()
        self.process.stdout.close()
        self.give_up()
        if not (self.stopping or self.why):
            self.process.stdin.close()
            self.ended(how)

    def hear(self, event: dict[str, Any]) -> None:
        if event["event"] == "up":
            self.up.set()
        elif event["event"] == "ran":
            if waiting := self.commands.get(event["id"]):
                waiting.put(event)
        else:
            self.started.set()

    def give_up(self) -> None:
        """It has ended: nobody will answer the commands that were given to it."""
        with self.lock:
            self.over = True
            for waiting in list(self.commands.values()):
                waiting.put({"why": "it ended meanwhile"})

    def run(self, script: str, parameters: Mapping[str, str], seconds: float) -> tuple[int, str, str]:
        """Run a script as root inside; see Guests.run. Raises CloudError when it could not be run to its end."""
        self.started.wait(START_LIMIT)
        number, answer = next(self.numbers), queue.SimpleQueue[dict[str, Any]]()
        command = {"id": number, "script": script, "parameters": dict(parameters), "seconds": seconds}
        try:
            self.give(number, answer, json.dumps(command).encode() + b"\n")
            told = answer.get(timeout=seconds + RUN_SLACK)
        except (OSError, ValueError, queue.Empty) as error:
            raise CloudError("the guest could not run a command", str(error) or "it does not answer") from error
        finally:
            self.commands.pop(number, None)
        if why := told.get("why"):
            raise CloudError("the guest could not run a command", why)
        return int(told["code"]), str(told["out"]), str(told["err"])

    def give(self, number: int, answer: queue.SimpleQueue[dict[str, Any]], line: bytes) -> None:
        assert self.process.stdin
        with self.lock:
            if self.over:
                raise BrokenPipeError("it has ended")
            self.commands[number] = answer
            self.process.stdin.write(line)
            self.process.stdin.flush()

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
