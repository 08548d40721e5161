"""The entry point, and the only place that catches, prints and exits."""

from __future__ import annotations

import atexit
import gc
import sys
from collections.abc import Sequence
from contextlib import suppress

from gpucloud import __version__, signals
from gpucloud.errors import ExitStatus, GpucloudError

_GLOBAL_FLAGS = frozenset({"--sandbox", "--debug"})
_GLOBAL_VALUES = frozenset({"--cloud", "--region"})
BROKEN_PIPE = 128 + 13
"""What a shell reports of a program that SIGPIPE ended, as `gpucloud types | head -1` does."""
COLLECT_AFTER = 200_000
"""New objects. Python's own 700 are for programs that load little; this many take some 20 MB."""
_TAKE_COMMANDS = frozenset({"ssh", "exec"})


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    if arguments == ["--version"]:
        sys.stdout.write(f"gpucloud {__version__}\n")
        return ExitStatus.OK
    signals.install()
    _spare_the_collector()
    try:
        return _run(globals_first(arguments))
    except signals.Interrupted as exc:
        _say(f"interrupted by {exc}")
        return exc.status
    except GpucloudError as exc:
        return _explain(exc, arguments)
    except OSError as exc:
        return _system_error(exc)
    except Exception as exc:
        return _confess(exc, debug="--debug" in arguments)


def _spare_the_collector() -> None:
    """What is loaded stays loaded. To look through all of an SDK for garbage takes 0.1 s while it loads, and 0.2 s
    more at the end of the process."""
    gc.set_threshold(COLLECT_AFTER)
    atexit.register(gc.freeze)


def _run(arguments: Sequence[str]) -> int:
    from gpucloud.cli.app import app

    ours, command = split_command(arguments)
    try:
        app(args=ours, prog_name="gpucloud", obj=command)
    except SystemExit as exc:
        if isinstance(exc.__context__, BrokenPipeError):  # click turns it into a 1, which is our code for a bug
            return BROKEN_PIPE
        return exc.code if isinstance(exc.code, int) else ExitStatus.OK
    return ExitStatus.OK


def globals_first(arguments: Sequence[str]) -> list[str]:
    """Let global options stand anywhere before `--`: people write `gpucloud up T --sandbox`."""
    front: list[str] = []
    rest: list[str] = []
    remaining = iter(arguments)
    for argument in remaining:
        if argument == "--":
            rest += [argument, *remaining]
        elif argument in _GLOBAL_FLAGS or argument.split("=", 1)[0] in _GLOBAL_VALUES and "=" in argument:
            front.append(argument)
        elif argument in _GLOBAL_VALUES:
            value = next(remaining, None)
            if value is None:  # let the parser say that the option needs one
                return [argument]
            front.append(f"{argument}={value}")
        else:
            rest.append(argument)
    return front + rest


def split_command(arguments: Sequence[str]) -> tuple[list[str], list[str]]:
    """What stands after `--` in verbs that run a command elsewhere is not ours to parse."""
    words = list(arguments)
    if "--" in words and not _TAKE_COMMANDS.isdisjoint(words[: words.index("--")]):
        cut = words.index("--")
        return words[:cut], words[cut + 1 :]
    return words, []


def _explain(error: GpucloudError, arguments: Sequence[str]) -> int:
    from gpucloud.cli.render import error_text, for_world

    if "--debug" in arguments:
        _traceback(error)
    _say(for_world(error_text(error), simulated="--sandbox" in arguments))
    return error.status


def _system_error(error: OSError) -> int:
    """A full disk, a folder that cannot be written: the system's own words are the clearest."""
    where = f"{error.filename}: " if error.filename else ""
    _say(f"error: {where}{error.strerror or error}")
    return ExitStatus.BUG


def _confess(error: Exception, debug: bool) -> int:
    if debug:
        _traceback(error)
    _say(f"error: this is a bug in gpucloud: {type(error).__name__}: {error}")
    _say("fix: run it again with `--debug` and report the traceback")
    return ExitStatus.BUG


def _traceback(error: BaseException) -> None:
    import traceback

    traceback.print_exception(error, file=sys.stderr)


def _say(text: str) -> None:
    with suppress(OSError, ValueError):  # nobody listens any more: the exit code has to do
        sys.stderr.write(text + "\n")
