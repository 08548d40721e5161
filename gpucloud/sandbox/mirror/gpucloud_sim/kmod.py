"""modprobe, rmmod, insmod, lsmod, modinfo, depmod, with kmod's own texts and exit codes."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

from . import modules, state

VALUED = {"-C", "--config", "-d", "--dirname", "-S", "--set-version", "-b", "--basedir"}


def names_of(argv: list[str]) -> list[str]:
    """The words that are neither options nor their values nor module parameters."""
    words, skip = [], False
    for word in argv:
        if not skip and not word.startswith("-") and "=" not in word:
            words.append(word)
        skip = word in VALUED
    return words


def flags_of(argv: list[str]) -> str:
    """The letters of all short options, long ones translated."""
    short = {"--remove": "r", "--dry-run": "n", "--show": "n", "--quiet": "q", "--all": "a", "--use-blacklist": "b"}
    letters = [short.get(word, word[1:] if not word.startswith("--") else "") for word in argv if word.startswith("-")]
    return "".join(letters)


def modprobe(argv: list[str]) -> int:
    flags, names = flags_of(argv), names_of(argv)
    if "n" in flags and "r" not in flags:
        return 0 if all(known(name) for name in names) else missing("modprobe", names[0], flags)
    chosen = names if "a" in flags or "r" in flags else names[:1]
    results = [remove(name, flags) if "r" in flags else insert(name, flags) for name in chosen]
    return max(results, default=1)


def known(name: str) -> bool:
    return modules.plain_name(name) in modules.PLAIN or modules.find(name) is not None


def missing(command: str, name: str, flags: str = "") -> int:
    if "q" not in flags:
        state.complain(f"{command}: FATAL: Module {name} not found in directory /lib/modules/{state.kernel()}")
    return 1


def insert(name: str, flags: str) -> int:
    if "b" in flags and modules.blacklisted(modules.plain_name(name)):
        return 0
    state.pause("modprobe")
    try:
        modules.load(name)
    except FileNotFoundError:
        return missing("modprobe", name, flags)
    except modules.ModuleError as error:
        state.complain(f"modprobe: ERROR: could not insert '{modules.plain_name(name)}': {error}")
        return 1
    return 0


def remove(name: str, flags: str) -> int:
    """modprobe -r takes what depends on the module away first, and is quiet about one that is not loaded."""
    if modules.plain_name(name) not in state.loaded():
        return 0 if known(name) else missing("modprobe", name, flags)
    for user in modules.users(modules.plain_name(name)):
        remove(user, flags)
    try:
        modules.unload(name)
    except modules.ModuleError as error:
        state.complain(f"modprobe: FATAL: {error}.")
        return 1
    return 0


def rmmod(argv: list[str]) -> int:
    return max(unload(name) for name in names_of(argv))


def unload(name: str) -> int:
    """rmmod goes on with the next module after one that it could not unload."""
    try:
        modules.unload(name)
    except modules.ModuleError as error:
        state.complain(f"rmmod: ERROR: {error}")
        return 1
    return 0


def insmod(argv: list[str]) -> int:
    file = state.path(argv[0])
    if not file.exists():
        state.complain(f"insmod: ERROR: could not load module {argv[0]}: No such file or directory")
        return 1
    try:
        modules.load(Path(argv[0]).stem)
    except modules.ModuleError as error:
        state.complain(f"insmod: ERROR: could not insert module {argv[0]}: {error}")
        return 1
    return 0


def lsmod(argv: list[str]) -> int:
    state.say("Module                  Size  Used by")
    for line in modules.proc_lines():
        name, size, count, used = line.split()[:4]
        state.say(f"{name:<19} {size:>8}  {count} {used.strip('-,')}".rstrip())
    return 0


def modinfo(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="modinfo")
    parser.add_argument("-F", "--field")
    parser.add_argument("-k", "--set-version", default="")
    parser.add_argument("-n", "--filename", action="store_const", const="filename", dest="field")
    parser.add_argument("names", nargs="+")
    options = parser.parse_args(argv)
    codes = [describe(name, options.set_version, options.field) for name in options.names]
    return max(codes)


def describe(name: str, release: str, field: str) -> int:
    file = modules.find(name, release)
    if file is None:
        state.complain(f"modinfo: ERROR: Module {name} not found.")
        return 1
    fields: dict[str, str] = dict({"filename": file.path}, **file.fields)
    if field:
        if field in fields:
            state.say(fields[field])
        return 0
    for key, value in fields.items():
        state.say(f"{key + ':':<15} {value}")
    return 0


def depmod(argv: list[str]) -> int:
    return 0


COMMANDS: dict[str, Callable[[list[str]], int]] = {
    "modprobe": modprobe,
    "rmmod": rmmod,
    "insmod": insmod,
    "lsmod": lsmod,
    "modinfo": modinfo,
    "depmod": depmod,
}
