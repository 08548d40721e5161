"""systemctl: its verbs, with its own texts and exit codes."""

from __future__ import annotations

import signal
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

from . import services, times, units
from .manager import Manager, UnitError
from .request import NOT_ROOT, POWER, Answer, Machine, Options, Request, power, split_options
from .services import Timer
from .units import full_name

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
