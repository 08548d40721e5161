"""What one command of the guest asks of the service manager, and what it is told."""

from __future__ import annotations

from typing import NamedTuple, Protocol

from .manager import Manager

NOT_ROOT = "Failed: access denied: this needs root; use sudo.\n"
POWER = {"poweroff": "poweroff", "halt": "poweroff", "reboot": "reboot"}
Options = dict[str, list[str]]


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


def power(machine: Machine, request: Request, how: str, at: float = 0.0) -> Answer:
    if request.uid != 0:
        return Answer(1, err=NOT_ROOT)
    machine.schedule_shutdown(how, at)
    return Answer()
