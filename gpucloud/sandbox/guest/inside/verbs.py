"""The programs that talk to the service manager: arguments in, exit code and texts out."""

from __future__ import annotations

import shlex
import uuid
from collections.abc import Awaitable, Callable
from pathlib import Path

from . import services, times
from .manager import UnitError
from .request import NOT_ROOT, POWER, Answer, Machine, Options, Request, power, split_options
from .systemctl import systemctl
from .units import Unit, full_name

HELP = "{0} of a gpucloud sandbox guest [simulated]: the common verbs and options of the real program.\n"


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
