"""The sandbox's process: `python -m gpucloud.sandbox.daemon --state-dir DIR --scenario NAME --ready-fd N`.

It serves the AWS APIs, the package mirror and its own control addresses on one loopback port, Azure over TLS on
another, keeps its state in DIR after every change, and says on the file descriptor N whether it is ready.
"""

from __future__ import annotations

import argparse
import fcntl
import json
import logging
import os
import signal
import sys
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from http.server import HTTPServer
from pathlib import Path
from threading import Event, Thread
from typing import TYPE_CHECKING, Any, Literal, TextIO, TypeVar

from gpucloud.errors import ConfigError, ExitStatus, GpucloudError
from gpucloud.sandbox import scenario as scenarios
from gpucloud.sandbox.guests import Guests, NullGuests
from gpucloud.sandbox.shared import Shared
from gpucloud.waiting import Waiter

# moto's own public images cost a second per region and are not what the product asks for; see aws/images.py.
os.environ["MOTO_EC2_LOAD_DEFAULT_AMIS"] = "false"

if TYPE_CHECKING:
    from werkzeug.serving import BaseWSGIServer

    from gpucloud.sandbox.aws.front import Front
    from gpucloud.sandbox.azure.front import Front as AzureFront
    from gpucloud.sandbox.azure.front import Server as AzureServer

LOOK_SECONDS = 1.0
CLAIM_SECONDS = 10.0
log = logging.getLogger("gpucloud.sandbox")
Wsgi = Callable[[dict[str, Any], Any], Iterable[bytes]]
ServerT = TypeVar("ServerT", bound=HTTPServer)


class Daemon:
    """The embedded clouds: their servers, their worlds, and the file that tells clients where they are."""

    shared: Shared
    aws: Front
    azure: AzureFront
    azure_server: AzureServer

    def __init__(self, state_dir: Path, scenario: str) -> None:
        self.state_dir, self.scenario = state_dir, scenario
        self.claim = self._claim()
        self.done = Event()
        self.mirror: Wsgi | None = None
        self.server = self._listen()
        self.endpoint = f"http://127.0.0.1:{self.server.server_port}"
        self._open(scenarios.load(scenario))

    def _claim(self) -> TextIO:
        """The state directory's lock, held as long as this process lives: two daemons would overwrite each other."""
        claim = (self.state_dir / "running.lock").open("w")

        def locked() -> bool:
            try:
                fcntl.flock(claim, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return False
            return True

        # A daemon that was stopped a moment ago may still be on its way out.
        if not Waiter(first=0.05).until(locked, CLAIM_SECONDS):
            why = f"another one holds {self.state_dir} and does not answer"
            raise ConfigError(
                "the sandbox daemon did not start",
                why,
                f"end the process that has {claim.name} open, then run it again",
            )
        return claim

    def _listen(self) -> BaseWSGIServer:
        """On the port of the daemon before, because guests that were made then still ask their mirror there."""
        from werkzeug.serving import make_server

        def serve(port: int) -> BaseWSGIServer:
            return make_server("127.0.0.1", port, self.serve, threaded=True)

        return _listening(self.state_dir / "port", serve)

    def _listen_azure(self) -> AzureServer:
        from gpucloud.sandbox.azure.certificates import context
        from gpucloud.sandbox.azure.front import Server

        tls = context(self.state_dir / "azure")
        return _listening(self.state_dir / "azure-port", lambda port: Server(port, tls))

    def _open(self, scenario: scenarios.Scenario) -> None:
        """Make the clouds, and take over the state of the daemon before."""
        # Loading moto and building the guests' base take about two seconds each, and nothing from one another.
        with ThreadPoolExecutor(1) as aside:
            making = aside.submit(self._guests, scenario)
            from gpucloud.sandbox.aws.front import Front
            from gpucloud.sandbox.aws.world import World
            from gpucloud.sandbox.azure.front import Front as AzureFront
            from gpucloud.sandbox.azure.world import AzureWorld

            self.azure_server = self._listen_azure()
            guests = making.result()
        port = 22 if os.geteuid() == 0 else 2222
        self.shared = Shared(scenario, guests, port, self.endpoint)
        self.aws = Front(World(self.shared, self.state_dir / "state.pickle"))
        self.azure = self.azure_server.front = AzureFront(AzureWorld(self.shared, self.state_dir / "azure.pickle"))
        kept = [self.aws.world.load(), self.azure.world.load()]
        self.state = "kept" if any(kept) else "fresh"
        with self.shared.lock:
            self.aws.life.restore()
            self.aws.world.save()
            self.azure.world.restore()
            self.azure.world.save()

    def _guests(self, scenario: scenarios.Scenario) -> Guests:
        if scenario.guests == "none":
            return NullGuests(self.state_dir / "no-guests")
        return real_guests(self)

    def serve(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        """One HTTP request: the mirror's, a control address, or an AWS call."""
        from gpucloud.sandbox.aws.front import ServedRequest

        path = environ.get("PATH_INFO", "")
        if path.startswith("/mirror/") and self.mirror is not None:
            inner = {**environ, "SCRIPT_NAME": "/mirror", "PATH_INFO": path.removeprefix("/mirror")}
            return self.mirror(inner, start_response)
        request = ServedRequest(environ)
        if path.startswith("/_gpucloud/"):
            from gpucloud.sandbox.control import control

            status, headers, body = control(self, path.removeprefix("/_gpucloud/"), request)
        else:
            status, headers, body = self.aws.answer(request)
        headers["x-gpucloud-simulated"] = "sandbox"
        data = body.encode() if isinstance(body, str) else body
        start_response(f"{status} -", [*headers.items(), ("Content-Length", str(len(data)))])
        return [data]

    def run(self) -> None:
        """Serve until SIGTERM, SIGINT, a stop by control address or the loss of the state directory.

        Then stop the guests; the state is on disk since the last change.
        """
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: self.done.set())
        for server in (self.server, self.azure_server):
            Thread(target=server.serve_forever, args=(0.05,), name="server", daemon=True).start()
        found_by = self.state_dir / "daemon.json"
        # Whoever deletes the directory wants no daemon; nobody could find this one again to stop it.
        while found_by.exists() and not self.done.wait(LOOK_SECONDS):
            pass
        self.server.shutdown()
        self.azure_server.shutdown()
        self.shared.close()
        found_by.unlink(missing_ok=True)

    def announce(self) -> None:
        """Write daemon.json, atomically: the daemon can be found from now on."""
        from gpucloud.sandbox.aws.gates import ACCESS_KEY, SECRET_KEY
        from gpucloud.sandbox.azure import access

        document = {
            "endpoint": self.endpoint,
            "pid": os.getpid(),
            "scenario": self.scenario,
            "ssh_port": self.shared.ssh_port,
            "access_key": ACCESS_KEY,
            "secret_key": SECRET_KEY,
            "checkip": f"{self.endpoint}/_gpucloud/checkip",
            "guests": self.shared.scenario.guests,
            "state": self.state,
            **access.told(self.azure_server.server_port, self.state_dir / "azure"),
        }
        fresh = self.state_dir / "daemon.json.new"
        fresh.write_text(json.dumps(document))
        fresh.replace(self.state_dir / "daemon.json")
        (self.state_dir / "scenario").write_text(self.scenario)

    def use(self, name: str) -> None:
        """Put another scenario in force, for machines and calls from now on. Raises ConfigError."""
        scenario = scenarios.load(name)
        if scenario.guests != self.shared.scenario.guests:
            raise ConfigError(
                f"scenario {name} needs another kind of guests",
                "this sandbox was started without or with them",
                "`gpucloud sandbox stop`, then start it with that scenario",
            )
        with self.shared.lock:
            self.shared.scenario, self.scenario = scenario, name
            self.azure.world.fired.clear()
        self.announce()

    def reset(self) -> None:
        """Back to empty accounts: every machine, resource, call count and file is forgotten."""
        self.shared.clear()
        with self.shared.lock:
            self.aws.world.clear()
            self.azure.world.clear()
        self.state = "reset"
        self.announce()

    def on_power(self, guest: str, what: Literal["poweroff", "reboot"]) -> None:
        """What a guest of an earlier daemon does to itself once it is started again."""
        from gpucloud.sandbox.azure.world import GUEST_PREFIX

        if guest.startswith(GUEST_PREFIX):
            self.azure.world.on_power(guest, what)
        else:
            self.aws.life.on_power(guest, what)


def _listening(kept: Path, listen: Callable[[int], ServerT]) -> ServerT:
    """A server on the port that `kept` names, which the daemon before had, or else on any that is free."""
    for port in ([int(kept.read_text())] if kept.exists() else []) + [0]:
        try:
            server = listen(port)
        except (OSError, SystemExit):  # werkzeug exits when the port is taken
            continue
        kept.write_text(str(server.server_port))
        return server
    raise ConfigError("the sandbox cannot listen on loopback", "no free port")


def real_guests(daemon: Daemon) -> Guests:
    """The guests with the package mirror that they install from. Raises ConfigError where they are not possible."""
    from gpucloud.sandbox.guest.manager import GuestManager
    from gpucloud.sandbox.guest.possible import possible, reap_leftovers
    from gpucloud.sandbox.mirror.server import Mirror

    if reason := possible():
        raise ConfigError("the sandbox is not possible here", reason, "use `--scenario api-only` for the API alone")
    root = daemon.state_dir / "guests"
    reap_leftovers(root)
    mirror = Mirror(daemon.state_dir / "mirror")
    daemon.mirror = mirror.app
    manager = GuestManager(root, f"{daemon.endpoint}/mirror")
    manager.default_on_power = daemon.on_power
    return manager


def main() -> int:
    parser = argparse.ArgumentParser(prog="gpucloud.sandbox.daemon")
    parser.add_argument("--state-dir", type=Path, required=True)
    parser.add_argument("--scenario", required=True)
    parser.add_argument("--ready-fd", type=int, required=True)
    options = parser.parse_args()
    if os.fork():
        os._exit(0)  # the caller waits for this process only; the daemon goes on without a parent
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(levelname)s %(message)s", stream=sys.stderr)
    logging.getLogger("werkzeug").setLevel(logging.WARNING)
    with os.fdopen(options.ready_fd, "w") as ready:
        try:
            daemon = Daemon(options.state_dir, options.scenario)
            daemon.aws.warm_up()
        except GpucloudError as error:
            ready.write(json.dumps({"what": error.what, "why": error.why, "remedy": error.remedy}) + "\n")
            return int(error.status)
        except Exception as error:
            log.exception("the daemon did not start")
            remedy = f"read {options.state_dir / 'daemon.log'}"
            answer = {"what": "the sandbox daemon did not start", "why": repr(error), "remedy": remedy}
            ready.write(json.dumps(answer) + "\n")
            return int(ExitStatus.BUG)
        daemon.announce()
        ready.write('{"ready": true}\n')
    daemon.run()
    return 0


if __name__ == "__main__":
    sys.exit(main())
