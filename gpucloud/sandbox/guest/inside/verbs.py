"""systemctl, systemd-run, journalctl, shutdown, cloud-init: arguments in, exit code and texts out."""

from __future__ import annotations

import shlex
import signal
import uuid
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple, Protocol

from . import services, times, units
from .manager import Manager, UnitError
from .services import Timer
from .units import Unit, full_name

ANYONE = (
    "is-active",
    "is-enabled",
    "is-failed",
    "is-system-running",
    "status",
    "show",
    "cat",
    "list-timers",
    "list-units",
)
NOT_ROOT = "Failed: access denied: this needs root; use sudo.\n"
HELP = "{0} of a gpucloud sandbox guest [simulated]: the common verbs and options of the real program.\n"


class Request(NamedTuple):
    program: str
    arguments: list[str]
    environment: dict[str, str]
    uid: int


class Answer(NamedTuple):
    code: int = 0
    out: str = ""
    err: str = ""


class Machine(Protocol):
    """What the verbs ask of the machine."""

    manager: Manager

    def schedule_shutdown(self, how: str, at: float) -> None: ...
    def cancel_shutdown(self) -> None: ...
    async def cloud_done(self) -> None: ...
    def cloud_status(self) -> str: ...


async def answer(machine: Machine, request: Request) -> Answer:
    """Carry out one command. Never raises for what the user got wrong."""
    if "--help" in request.arguments[:1]:
        return Answer(out=HELP.format(request.program))
    try:
        return await PROGRAMS[request.program](machine, request)
    except UnitError as error:
        return Answer(error.code, err=f"{error}\n")
    except ValueError as error:
        return Answer(1, err=f"{request.program}: [simulated] {error}\n")


def split_options(arguments: list[str], with_value: tuple[str, ...] = ()) -> tuple[dict[str, list[str]], list[str]]:
    """Options anywhere before `--`, and the rest. Options named in `with_value` take the next word without `=`."""
    options: dict[str, list[str]] = {}
    rest, words = [], iter(arguments)
    for word in words:
        if word == "--":
            rest += list(words)
        elif word.startswith("-"):
            name, equals, value = word.partition("=")
            options.setdefault(name, []).append(value if equals else next(words, "") if name in with_value else "")
        else:
            rest.append(word)
    return options, rest


async def systemctl(machine: Machine, request: Request) -> Answer:
    options, words = split_options(
        request.arguments, ("-p", "--property", "-t", "--type", "-n", "--lines", "-o", "--signal", "-s")
    )
    verb, names = (words[0], [full_name(name) for name in words[1:]]) if words else ("list-units", [])
    if verb in POWER:
        return power(machine, request, POWER[verb])
    if verb not in VERBS:
        raise ValueError(f"verb {verb} is not known")
    if request.uid != 0 and verb not in ANYONE:
        return Answer(1, err=NOT_ROOT)
    reply = await VERBS[verb](machine.manager, names, options)
    quiet = "-q" in options or "--quiet" in options
    return reply._replace(out="") if quiet and verb not in ("show", "cat") else reply


POWER = {"poweroff": "poweroff", "halt": "poweroff", "reboot": "reboot"}
Options = dict[str, list[str]]
Verb = Callable[[Manager, list[str], Options], Awaitable[Answer]]


async def start(manager: Manager, names: list[str], options: Options) -> Answer:
    for name in names:
        unit = manager.unit(name)
        if "--no-block" in options:
            manager.background(unit.name)
        else:
            await manager.start(name)
    return Answer()


async def stop(manager: Manager, names: list[str], options: Options) -> Answer:
    for name in names:
        try:
            await manager.stop(name)
        except UnitError as error:
            raise UnitError(5, f"Failed to stop {name}: Unit {name} not loaded.") from error
    return Answer()


async def restart(manager: Manager, names: list[str], options: Options) -> Answer:
    for name in names:
        manager.unit(name)
        await manager.stop(name)
    return await start(manager, names, options)


async def restart_running(manager: Manager, names: list[str], options: Options) -> Answer:
    running = [name for name in names if name in manager.running and manager.running[name].active]
    return await restart(manager, running, options)


async def reload(manager: Manager, names: list[str], options: Options) -> Answer:
    for name in names:
        known = manager.running.get(name)
        if isinstance(known, services.Service):
            await known.run_all("ExecReload")
    return Answer()


async def kill(manager: Manager, names: list[str], options: Options) -> Answer:
    for name in names:
        known = manager.running.get(name)
        if isinstance(known, services.Service):
            services.send(known.members(), signal.SIGTERM)
    return Answer()


def changes_files(change: str) -> Verb:
    async def verb(manager: Manager, names: list[str], options: Options) -> Answer:
        said = [line for name in names for line in getattr(manager, change)(name)]
        if "--now" in options:
            await (start if change == "enable" else stop)(manager, names, options)
        return Answer(err="".join(line + "\n" for line in said) if not {"-q", "--quiet"} & options.keys() else "")

    return verb


async def reenable(manager: Manager, names: list[str], options: Options) -> Answer:
    await VERBS["disable"](manager, names, {})
    return await VERBS["enable"](manager, names, options)


async def is_active(manager: Manager, names: list[str], options: Options) -> Answer:
    states = [manager.state(name) for name in names]
    return Answer(0 if "active" in states else 3, "".join(state + "\n" for state in states))


async def is_failed(manager: Manager, names: list[str], options: Options) -> Answer:
    states = [manager.state(name) for name in names]
    return Answer(0 if "failed" in states else 1, "".join(state + "\n" for state in states))


async def is_enabled(manager: Manager, names: list[str], options: Options) -> Answer:
    states = [units.file_state(name) for name in names]
    if "" in states:
        missing = names[states.index("")]
        return Answer(1, err=f"Failed to get unit file state for {missing}: No such file or directory\n")
    good = any(state in ("enabled", "static", "alias") for state in states)
    return Answer(0 if good else 1, "".join(state + "\n" for state in states))


async def status(manager: Manager, names: list[str], options: Options) -> Answer:
    text, code = "", 0
    for name in names:
        unit, state = manager.unit(name), manager.state(name)
        log = services.JOURNAL / unit.name
        tail = log.read_text(errors="replace").splitlines()[-10:] if log.exists() else []
        text += f"● {unit.name} - {unit.get('Unit', 'Description', unit.name)}\n"
        text += f"     Loaded: loaded ({unit.path or 'transient'}; {units.file_state(unit.name) or 'transient'})\n"
        text += f"     Active: {state}\n" + "".join(f"{line}\n" for line in ["", *tail] if tail)
        code = code or (0 if state == "active" else 3)
    return Answer(code, text)


async def show(manager: Manager, names: list[str], options: Options) -> Answer:
    wanted = [name for key in ("-p", "--property") for value in options.get(key, []) for name in value.split(",")]
    text = ""
    for name in names or [""]:
        values = properties(manager, name)
        chosen = {key: values.get(key, "") for key in wanted} if wanted else values
        text += "".join((value if "--value" in options else f"{key}={value}") + "\n" for key, value in chosen.items())
    return Answer(out=text)


def properties(manager: Manager, name: str) -> dict[str, str]:
    if not name:
        return {"Version": "255 [simulated]", "SystemState": "running"}
    known, unit = manager.running.get(name), units.load(name)
    state = manager.state(name)
    loaded = "masked" if units.is_masked(name) else "loaded" if unit or known or state == "active" else "not-found"
    values = {"Id": name, "LoadState": loaded, "ActiveState": state, "UnitFileState": units.file_state(name)}
    values["SubState"] = {"active": "running", "inactive": "dead"}.get(state, state)
    values["Result"] = known.result if known else "success"
    values["FragmentPath"] = str(unit.path) if unit else ""
    values["MainPID"] = "0"
    if isinstance(known, services.Service):
        values["MainPID"] = str(known.process.pid) if known.process else "0"
        values["InvocationID"] = known.invocation
    if isinstance(known, Timer) and (due := known.due()):
        values["NextElapseUSecRealtime"] = str(int((times.now().timestamp() + due[0]) * 1e6))
    return values


async def cat(manager: Manager, names: list[str], options: Options) -> Answer:
    found = [unit for unit in map(manager.unit, names) if unit.path]
    return Answer(out="".join(f"# {unit.path}\n{unit.path.read_text()}\n" for unit in found if unit.path))


async def list_timers(manager: Manager, names: list[str], options: Options) -> Answer:
    text = "NEXT                        UNIT                         ACTIVATES\n"
    for timer in manager.running.values():
        if isinstance(timer, Timer) and (due := timer.due()):
            moment = times.now().timestamp() + due[0]
            when = datetime.fromtimestamp(moment, UTC)
            text += f"{when:%a %Y-%m-%d %H:%M:%S} UTC {timer.unit.name:<28} {timer.target}\n"
    return Answer(out=text)


async def list_units(manager: Manager, names: list[str], options: Options) -> Answer:
    known = manager.running.items()
    return Answer(
        out="".join(f"{name} loaded {unit.state} {unit.unit.get('Unit', 'Description')}\n" for name, unit in known)
    )


async def nothing(manager: Manager, names: list[str], options: Options) -> Answer:
    return Answer()


async def reset_failed(manager: Manager, names: list[str], options: Options) -> Answer:
    for name in names or list(manager.running):
        if (known := manager.running.get(name)) and known.state == "failed":
            del manager.running[name]
    return Answer()


async def is_system_running(manager: Manager, names: list[str], options: Options) -> Answer:
    return Answer(out="running\n")


VERBS: dict[str, Verb] = {
    "start": start,
    "stop": stop,
    "restart": restart,
    "try-restart": restart_running,
    "reload-or-restart": restart,
    "reload": reload,
    "kill": kill,
    **{verb: changes_files(verb) for verb in ("enable", "disable", "mask", "unmask")},
    "reenable": reenable,
    "preset": nothing,
    "daemon-reload": nothing,
    "daemon-reexec": nothing,
    "reset-failed": reset_failed,
    "is-active": is_active,
    "is-failed": is_failed,
    "is-enabled": is_enabled,
    "is-system-running": is_system_running,
    "status": status,
    "show": show,
    "cat": cat,
    "list-timers": list_timers,
    "list-units": list_units,
}


async def systemd_run(machine: Machine, request: Request) -> Answer:
    """A transient unit from the command line; options before the command only."""
    if request.uid != 0:
        return Answer(1, err=NOT_ROOT)
    options, command = run_arguments(request.arguments)
    name = full_name(options.get("--unit", [f"run-{uuid.uuid4().hex[:8]}"])[-1])
    if (known := machine.manager.running.get(name)) and known.active:
        raise UnitError(
            1, f"Failed to start transient service unit: Unit {name} was already loaded or has a fragment file."
        )
    timed = {key: value[-1] for key, value in options.items() if key.startswith("--on-")}
    if not timed:
        await machine.manager.begin(transient(name, options, command))
    else:
        timer = Unit(name.removesuffix(".service") + ".timer")
        for key, value in timed.items():
            timer.add("Timer", TIMER_OPTIONS[key], value)
        if command:
            machine.manager.running[name] = machine.manager.make(transient(name, options, command))
        await machine.manager.begin(timer)
    said = f"Running {'timer' if timed else 'as unit'}: {timer.name if timed else name}\n"
    if "--wait" in options or "--pipe" in options or "-P" in options:
        raise ValueError("--wait and --pipe are not supported")
    return Answer(err="" if {"-q", "--quiet"} & options.keys() else said)


TIMER_OPTIONS = {
    "--on-calendar": "OnCalendar",
    "--on-active": "OnActiveSec",
    "--on-boot": "OnBootSec",
    "--on-unit-active": "OnUnitActiveSec",
    "--on-unit-inactive": "OnUnitInactiveSec",
}
RUN_WITH_VALUE = (
    "--unit",
    "-u",
    "--property",
    "-p",
    "--setenv",
    "-E",
    "--description",
    "--uid",
    "--working-directory",
    "--slice",
)


def run_arguments(arguments: list[str]) -> tuple[Options, list[str]]:
    """Options up to the command, under their long names."""
    options: Options = {}
    short = {"-u": "--unit", "-p": "--property", "-E": "--setenv"}
    words = list(arguments)
    while words and words[0].startswith("-"):
        name, equals, value = words.pop(0).partition("=")
        if name == "--":
            break
        takes = name in RUN_WITH_VALUE or name in TIMER_OPTIONS
        options.setdefault(short.get(name, name), []).append(
            value if equals else words.pop(0) if takes and words else ""
        )
    for name in ("--wait", "--pipe", "-P", "--pty", "-t", "--scope", "--shell", "-S"):
        if name in options:
            raise ValueError(f"{name} is not supported")
    return options, words


def transient(name: str, options: Options, command: list[str]) -> Unit:
    unit = Unit(name)
    unit.add("Service", "ExecStart", shlex.join(command).replace("$", "$$"))
    unit.add("Unit", "Description", options.get("--description", [shlex.join(command)])[-1])
    for setting in options.get("--property", []):
        key, _, value = setting.partition("=")
        unit.add("Unit" if key in ("After", "Wants", "Requires", "Description") else "Service", key, value)
    for setting in options.get("--setenv", []):
        unit.add("Service", "Environment", shlex.quote(setting))
    for option, key in {"--uid": "User", "--working-directory": "WorkingDirectory"}.items():
        for value in options.get(option, []):
            unit.add("Service", key, value)
    return unit


async def journalctl(machine: Machine, request: Request) -> Answer:
    """The output of units; it has no time stamps and no other sources."""
    options, words = split_options(
        request.arguments, ("-u", "--unit", "-n", "--lines", "-o", "--output", "-S", "--since", "-t")
    )
    if request.uid != 0:
        return Answer(1, err=NOT_ROOT)
    if "-k" in options or "--dmesg" in options:
        log = Path("/run/gpucloud-sim/kmsg")
        return Answer(out=log.read_text() if log.exists() else "")
    names = [full_name(name) for key in ("-u", "--unit") for name in options.get(key, [])]
    files = [services.JOURNAL / name for name in names] or sorted(services.JOURNAL.glob("*"))
    text = [line for file in files if file.exists() for line in file.read_text(errors="replace").splitlines()]
    limit = [value for key in ("-n", "--lines") for value in options.get(key, [])]
    text = text[-int(limit[-1]) :] if limit and limit[-1].isdigit() else text
    return Answer(out="".join(line + "\n" for line in text) or "-- No entries --\n")


def power(machine: Machine, request: Request, how: str, at: float = 0.0) -> Answer:
    if request.uid != 0:
        return Answer(1, err=NOT_ROOT)
    machine.schedule_shutdown(how, at)
    return Answer()


async def shutdown(machine: Machine, request: Request) -> Answer:
    """`shutdown [-P|-h|-r|-c] [now|+N|HH:MM] [message]`; +1 when no time is given, as the real one."""
    options, words = split_options(request.arguments)
    if "-c" in options:
        if request.uid == 0:
            machine.cancel_shutdown()
        return Answer(0 if request.uid == 0 else 1, err="" if request.uid == 0 else NOT_ROOT)
    moment = times.shutdown_time(words[0] if words else "+1")
    how = "reboot" if {"-r", "--reboot"} & options.keys() else "poweroff"
    wait = (moment - times.now()).total_seconds()
    reply = power(machine, request, how, moment.timestamp() if wait > 0 else 0.0)
    if reply.code or wait <= 0:
        return reply
    return Answer(err=f"Shutdown scheduled for {moment:%a %Y-%m-%d %H:%M:%S} UTC, use 'shutdown -c' to cancel.\n")


async def power_program(machine: Machine, request: Request) -> Answer:
    return power(machine, request, POWER[request.program])


async def cloud_init(machine: Machine, request: Request) -> Answer:
    if request.arguments[:1] != ["status"]:
        raise ValueError("only `cloud-init status [--wait] [--format json]` is there")
    if "--wait" in request.arguments or "-w" in request.arguments:
        await machine.cloud_done()
    status = machine.cloud_status()
    code = {"error": 1}.get(status, 0)
    if "json" in request.arguments or "--format=json" in request.arguments:
        return Answer(
            code, f'{{"status": "{status}", "extended_status": "{status}", "datasource": "ec2 [simulated]"}}\n'
        )
    return Answer(code, f"status: {status}\n")


PROGRAMS: dict[str, Callable[[Machine, Request], Awaitable[Answer]]] = {
    "systemctl": systemctl,
    "systemd-run": systemd_run,
    "journalctl": journalctl,
    "shutdown": shutdown,
    **dict.fromkeys(POWER, power_program),
    "cloud-init": cloud_init,
}
