"""Starting, finding and stopping the embedded cloud's daemon. Standard library only: the CLI imports this."""

from __future__ import annotations

import fcntl
import json
import os
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gpucloud.errors import ConfigError
from gpucloud.waiting import Waiter

START_SECONDS = 60.0  # far above the 3 s that it takes: a cold disk or a busy machine must not look like a failure
STOP_SECONDS = 30.0


@dataclass(frozen=True)
class SandboxInfo:
    """A running daemon. `state` says what it found at its start: fresh, kept (from an earlier daemon) or reset.

    `endpoint` is that of AWS and of the sandbox's own addresses; `azure_endpoint` serves login and ARM over TLS, with
    a certificate of the authority in the file `azure_ca`.
    """

    endpoint: str
    pid: int
    scenario: str
    state_dir: Path
    ssh_port: int
    access_key: str
    secret_key: str
    checkip: str
    guests: str
    state: str
    azure_endpoint: str
    azure_ca: str
    azure_tenant: str
    azure_client_id: str
    azure_client_secret: str
    azure_subscription: str


def ensure(scenario: str | None, state_dir: Path) -> SandboxInfo:
    """The running daemon of `state_dir`, started if need be; `scenario` (a bundled name or a file) is put in force.

    None keeps the scenario that is or was in force, or starts with `default`. Two callers at a time start one daemon.
    Raises ConfigError with the reason when the sandbox is not possible here or the scenario is wrong.
    """
    _check_installed()
    state_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    with _only_one(state_dir):
        info = status(state_dir)
        if info is None:
            return _start(scenario or _last_scenario(state_dir), state_dir)
        # A file is put in force again even under the same name: it may have been edited.
        if scenario is None or (scenario == info.scenario and not _is_file(scenario)):
            return info
        _post(info.endpoint, "scenario", {"scenario": _absolute(scenario)})
        return _read(state_dir)


def status(state_dir: Path) -> SandboxInfo | None:
    """The daemon of `state_dir`, or None when none runs. Raises ConfigError if another version's does."""
    if not (state_dir / "daemon.json").exists():
        return None
    said = json.loads((state_dir / "daemon.json").read_text())
    try:
        health = _get(said["endpoint"], "health")
    except (urllib.error.URLError, OSError):
        return None
    # Another program may have taken the port of a daemon that is gone.
    return _read(state_dir) if health.get("pid") == said["pid"] else None


def stop(state_dir: Path) -> bool:
    """Stop the daemon and its guests; the state is kept. False when none runs."""
    info = status(state_dir)
    if info is None:
        return False
    os.kill(info.pid, signal.SIGTERM)
    gone = Waiter(first=0.02).until(lambda: not (state_dir / "daemon.json").exists(), STOP_SECONDS)
    if not gone:
        raise ConfigError("the sandbox daemon does not stop", f"process {info.pid}", f"read {state_dir / 'daemon.log'}")
    return True


def reset(state_dir: Path) -> bool:
    """Back to an empty account: machines, resources and the call log are gone. False when no daemon runs."""
    info = status(state_dir)
    if info is None:
        return False
    _post(info.endpoint, "reset", {})
    return True


def _check_installed() -> None:
    from importlib.util import find_spec

    if find_spec("moto") is None or find_spec("werkzeug") is None:
        raise ConfigError(
            "the sandbox is not installed",
            "it needs the extra packages",
            "install the extra: `pip install '.[sandbox]'` in the checkout",
        )


@contextmanager
def _only_one(state_dir: Path) -> Iterator[None]:
    with (state_dir / "daemon.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _is_file(scenario: str) -> bool:
    return "/" in scenario or scenario.endswith((".yaml", ".yml"))


def _absolute(scenario: str) -> str:
    """A scenario file's path as the daemon can find it from its own folder; a bundled name stays as it is."""
    return str(Path(scenario).resolve()) if _is_file(scenario) else scenario


def _environment() -> dict[str, str]:
    """The daemon's environment: it must import the very package that starts it, also from a checkout.

    Without the caller's AWS settings, which moto's own SDK would read: a profile that does not exist stops it.
    """
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "MOTO_"))}
    paths = [str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH", "")]
    return {**kept, "PYTHONPATH": os.pathsep.join(path for path in paths if path)}


def _last_scenario(state_dir: Path) -> str:
    kept = state_dir / "scenario"
    return kept.read_text() if kept.exists() else "default"


def _start(scenario: str, state_dir: Path) -> SandboxInfo:
    read_end, write_end = os.pipe()
    command = [sys.executable, "-m", "gpucloud.sandbox.daemon", "--state-dir", str(state_dir.resolve())]
    command += ["--scenario", _absolute(scenario), "--ready-fd", str(write_end)]
    with (state_dir / "daemon.log").open("ab") as log:
        # What we start forks the daemon and ends, so that the daemon is nobody's child: no zombie, nothing to wait for.
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            pass_fds=(write_end,),
            start_new_session=True,
            env=_environment(),
        )
    os.close(write_end)
    process.wait()
    answer = _first_line(read_end)
    if answer.get("ready"):
        return _read(state_dir)
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    if "what" in answer:
        raise ConfigError(answer["what"], answer["why"], answer["remedy"])
    raise ConfigError("the sandbox daemon did not start", _tail(state_dir), f"read {state_dir / 'daemon.log'}")


def _first_line(read_end: int) -> dict[str, Any]:
    """What the daemon says once it is ready or has failed; empty when it died or says nothing in time."""
    import select

    text = b""
    with os.fdopen(read_end, "rb", buffering=0) as pipe:
        while not text.endswith(b"\n"):
            ready, _, _ = select.select([pipe], [], [], START_SECONDS)
            chunk = pipe.read(4096) if ready else b""
            if not chunk:
                return {}
            text += chunk
    answer: dict[str, Any] = json.loads(text)
    return answer


def _tail(state_dir: Path) -> str:
    lines = (state_dir / "daemon.log").read_text(errors="replace").splitlines()
    return lines[-1] if lines else "it wrote nothing to its log"


def _read(state_dir: Path) -> SandboxInfo:
    """What the daemon said of itself. Raises ConfigError if it is another version's, which says other things."""
    document = json.loads((state_dir / "daemon.json").read_text())
    try:
        return SandboxInfo(**{**document, "state_dir": state_dir})
    except TypeError as exc:
        why = "it was started by another version of gpucloud"
        raise ConfigError("the sandbox that runs cannot be used", why, f"`kill {document['pid']}`") from exc


# The daemon is on loopback: a proxy from the environment must not come between.
_direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def _get(endpoint: str, path: str) -> dict[str, Any]:
    with _direct.open(f"{endpoint}/_gpucloud/{path}", timeout=10) as reply:
        document: dict[str, Any] = json.load(reply)
    return document


def _post(endpoint: str, path: str, body: dict[str, Any]) -> None:
    request = urllib.request.Request(f"{endpoint}/_gpucloud/{path}", json.dumps(body).encode(), method="POST")
    try:
        _direct.open(request, timeout=STOP_SECONDS).close()
    except urllib.error.HTTPError as error:
        answer = json.load(error)
        raise ConfigError(answer["what"], answer["why"], answer["remedy"]) from error
