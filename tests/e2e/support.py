"""The `gpucloud` program as a user runs it: a process of its own, in a home of its own, on a sandbox of its own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from threading import Thread
from typing import Any, NamedTuple

import pytest

from gpucloud.providers.azure.clients import Clients
from gpucloud.providers.azure.resources import SCHEDULES_API
from gpucloud.providers.azure.settings import AzureSettings
from gpucloud.sandbox import client
from gpucloud.waiting import Waiter

GPUCLOUD = Path(sys.executable).with_name("gpucloud")
QUICK = Waiter(first=0.02, growth=1.2, longest=0.2)
TIMEOUT = 120.0
"""Seconds for one command; `up` takes about 7."""


class Done(NamedTuple):
    """How a command ended."""

    rc: int
    out: str
    err: str

    @property
    def told(self) -> str:
        """The errors on stderr, without the progress before them."""
        start = 0 if self.err.startswith("error: ") else self.err.find("\nerror: ") + 1
        return self.err[start:] if "error: " in self.err else ""

    @property
    def document(self) -> Any:
        """What it printed, which must be exactly one JSON document."""
        return json.loads(self.out)


@dataclass
class Running:
    """A command at work, whose progress lines can be waited for."""

    process: subprocess.Popen[str]
    lines: list[str] = field(default_factory=list)
    output: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        assert self.process.stderr and self.process.stdout
        self._readers = [
            Thread(target=partial(kept.extend, stream), daemon=True)
            for kept, stream in ((self.lines, self.process.stderr), (self.output, self.process.stdout))
        ]
        for reader in self._readers:
            reader.start()

    def said(self, text: str) -> bool:
        """Is there a progress line with these words? Runs of blanks count as one."""
        return any(text in " ".join(line.split()) for line in list(self.lines))

    def until(self, reached: Callable[[], bool], timeout: float = TIMEOUT) -> None:
        """Wait for a moment in its life; it is an error of the test if it ends before."""
        QUICK.until(lambda: reached() or self.process.poll() is not None, timeout)
        if not reached():
            self.process.kill()
            raise AssertionError(f"it never came to that: {self.end()}")

    def send(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def end(self, timeout: float = TIMEOUT) -> Done:
        try:
            rc = self.process.wait(timeout)
        finally:
            self.process.kill()
            for reader in self._readers:
                reader.join(10)
            for stream in (self.process.stdout, self.process.stderr):
                if stream is not None:
                    stream.close()
        return Done(rc, "".join(self.output), "".join(self.lines))


@dataclass(frozen=True)
class Sandbox:
    """A home folder, and what one can do in it. `program` is the gpucloud under test."""

    home: Path
    program: Path = GPUCLOUD

    @property
    def folder(self) -> Path:
        """Where the sandbox keeps its state."""
        return self.home / "state/gpucloud/sandbox"

    @property
    def environment(self) -> dict[str, str]:
        """Nothing of the caller's but the search path."""
        return {
            "PATH": os.environ["PATH"],
            "HOME": str(self.home),
            "XDG_STATE_HOME": str(self.home / "state"),
            "LANG": "C.UTF-8",
            "AWS_EC2_METADATA_DISABLED": "true",
        }

    def start(self, *arguments: str, env: Mapping[str, str] | None = None, sandbox: bool = True) -> Running:
        """Begin a command, on the sandbox unless told otherwise."""
        argv = [str(self.program), *(["--sandbox"] if sandbox else []), *arguments]
        return Running(
            subprocess.Popen(
                argv,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                cwd=self.home,
                env={**self.environment, **(env or {})},
                start_new_session=True,
            )
        )

    def run(
        self, *arguments: str, env: Mapping[str, str] | None = None, sandbox: bool = True, timeout: float = TIMEOUT
    ) -> Done:
        """A command from its beginning to its end."""
        return self.start(*arguments, env=env, sandbox=sandbox).end(timeout)

    def ok(self, *arguments: str, env: Mapping[str, str] | None = None) -> Done:
        """A command that must exit 0."""
        done = self.run(*arguments, env=env)
        assert done.rc == 0, (arguments, done.rc, done.out, done.err)
        return done

    def program_of_others(self, *argv: str, env: Mapping[str, str] | None = None) -> Done:
        """Some other program, as the same user."""
        mine = {**self.environment, **(env or {})}
        done = subprocess.run(
            argv, cwd=self.home, env=mine, capture_output=True, text=True, timeout=TIMEOUT, check=False
        )
        return Done(done.returncode, done.stdout, done.stderr)

    def use(self, scenario: str) -> None:
        """Put a scenario in force: a bundled one by its name, or the text of a scenario file."""
        if ":" in scenario:
            path = self.home / "scenario.yaml"
            path.write_text(scenario)
            scenario = str(path)
        if client.status(self.folder):  # most tests begin with this, and a command takes half a second
            client.ensure(scenario, self.folder)
            return
        done = self.run("sandbox", "start", "--scenario", scenario, sandbox=False)
        assert done.rc == 0, done.err

    @property
    def info(self) -> dict[str, Any]:
        """What the daemon says about itself."""
        document: dict[str, Any] = json.loads((self.folder / "daemon.json").read_text())
        return document

    def ask(self, address: str, method: str = "GET") -> dict[str, Any]:
        """One of the sandbox's own addresses."""
        request = urllib.request.Request(f"{self.info['endpoint']}/_gpucloud/{address}", method=method)
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=30) as reply:
            document: dict[str, Any] = json.load(reply)
        return document

    def left(self) -> dict[str, list[str]]:
        """Every resource that exists, by kind; empty when nothing is left."""
        return {kind: ids for kind, ids in self.ask("inventory").items() if ids}

    def changes(self) -> dict[str, int]:
        """Calls that changed the account since the log was last emptied, or were meant to, by action."""
        found: dict[str, int] = self.ask("calls")["mutating_by_action"]
        return found

    def journals(self) -> list[Path]:
        return sorted((self.folder / "client/runs").glob("*.ndjson"))

    def events(self, journal: Path) -> list[str]:
        return [json.loads(line)["event"] for line in journal.read_text().splitlines()]

    def identities(self) -> list[str]:
        """Runs whose login keys are kept."""
        return sorted(path.name for path in (self.folder / "client/keys").glob("*"))

    def machine(self, name: str) -> dict[str, Any]:
        """The machine as `ls -o json` shows it."""
        (found,) = [each for each in self.ok("ls", "-o", "json").document if each["name"] == name]
        return dict(found)

    def azure(self) -> Clients:
        """Azure, past the product's verbs."""
        info = self.info
        known = {name: info[f"azure_{name}"] for name in ("tenant", "client_id", "client_secret", "subscription")}
        url = info["azure_endpoint"]
        return Clients(AzureSettings(endpoint_url=url, authority=url, ca_file=info["azure_ca"], **known))

    def clocks(self) -> list[dict[str, Any]]:
        """Azure's auto-shutdown schedules."""
        return self.azure().pages("providers/Microsoft.DevTestLab/schedules", SCHEDULES_API)


TYPES = {"aws": "g4dn.xlarge", "azure": "Standard_NC4as_T4_v3"}
every_cloud = pytest.mark.parametrize("cloud", TYPES)

LATE = """
state_times: {pending: 1, shutting_down: 0.5}
consistency_lag: 1
"""
"""Resources that show up late and take their time to go."""
SLOW_API = f"""
latency_ms:
  CreateSecurityGroup: 400
  AuthorizeSecurityGroupIngress: 400
  RunInstances: 800
  PUT resourceGroups: 400
  PUT networkSecurityGroups: 400
  PUT publicIPAddresses: 600
  PUT networkInterfaces: 400
  PUT virtualMachines: 800
  PUT schedules: 400
{LATE}
"""
"""Calls that take long enough to be interrupted before they answer, and resources that show up late."""


class Moment(NamedTuple):
    """A point in the life of `up`: a line of progress, or a call that has reached the cloud and is not answered.

    `profile` is the least that gets there.
    """

    name: str
    line: str = ""
    call: str = ""
    cloud: str = "aws"
    profile: str = "default"
    scenario: str = SLOW_API

    def of_up(self, sandbox: Sandbox) -> Running:
        """`up`, on its way, just when it gets to this moment."""
        sandbox.use(self.scenario)
        wanted = (TYPES[self.cloud], "--profile", self.profile)
        running = sandbox.start("up", *wanted, "-n", "brief", "--ttl", "8h")
        running.until(lambda: running.said(self.line) if self.line else self.call in sandbox.changes())
        return running


def on_the_machine(cloud: str, prefix: str = "") -> list[Moment]:
    """The moments when everything has been made: what the calls took is behind them."""
    found = [
        Moment("boot", "boot start"),
        Moment("login", "ssh start"),
        Moment("system", "system start"),
        Moment("torch-and-driver", "driver start"),
        Moment("docker", "docker start"),
        Moment("verify", "verify start", profile="minimal"),
    ]
    return [each._replace(name=prefix + each.name, cloud=cloud, scenario=LATE) for each in found]


MOMENTS = [
    Moment("preflight", line="preflight start"),
    Moment("before-group", line="security-group start"),
    Moment("group-in-flight", call="CreateSecurityGroup"),
    Moment("rule-in-flight", call="AuthorizeSecurityGroupIngress"),
    Moment("before-instance", line="instance start"),
    Moment("instance-in-flight", call="RunInstances"),
    *on_the_machine("aws"),
    Moment("azure-preflight", line="preflight start", cloud="azure"),
    Moment("azure-before-group", line="resource-group start", cloud="azure"),
    Moment("azure-group-in-flight", call="PUT resourceGroups", cloud="azure"),
    Moment("azure-rule-in-flight", call="PUT networkSecurityGroups", cloud="azure"),
    Moment("azure-address-in-flight", call="PUT publicIPAddresses", cloud="azure"),
    Moment("azure-interface-in-flight", call="PUT networkInterfaces", cloud="azure"),
    Moment("azure-before-instance", line="instance start", cloud="azure"),
    Moment("azure-instance-in-flight", call="PUT virtualMachines", cloud="azure"),
    Moment("azure-schedule-in-flight", call="PUT schedules", cloud="azure"),
    *on_the_machine("azure", prefix="azure-"),
]
every_moment = pytest.mark.parametrize("moment", MOMENTS, ids=[moment.name for moment in MOMENTS])


def leftovers(home: Path) -> list[str]:
    """Mounts on this computer, and processes here or in a guest, that have to do with a home folder."""
    mounts = [line for line in Path("/proc/self/mounts").read_text().splitlines() if str(home) in line]
    return mounts + [entry.name for entry in Path("/proc").glob("[0-9]*") if _belongs(entry, str(home))]


def _belongs(process: Path, home: str) -> bool:
    """A guest's processes see an overlay of the folder; others that belong to it name it on their command line."""
    try:
        return home in (process / "cmdline").read_text() or f"upperdir={home}" in (process / "mounts").read_text()
    except (OSError, UnicodeDecodeError):  # it ended meanwhile, or its command line is no text and not ours
        return False
