"""PID 1: starts the service manager, adopts and reaps orphans, ends the guest with the manager's exit code."""

from __future__ import annotations

import os
import signal
from typing import NoReturn

from . import machine


def main() -> NoReturn:
    manager = os.fork()
    if manager == 0:
        os._exit(machine.main())
    signal.signal(signal.SIGTERM, lambda _signal, _frame: os.kill(manager, signal.SIGTERM))
    for fd in (machine.LISTEN_FD, machine.STATUS_FD, machine.COMMAND_FD):
        os.close(fd)
    while True:
        child, status = os.wait()
        if child == manager:
            os._exit(os.waitstatus_to_exitcode(status) & 0xFF)
