"""Tells what is wrong with a profile in the words of its file: the path to the key, and the key that was meant."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pydantic import ValidationError
    from pydantic_core import ErrorDetails

_QUOTED = "must be a string: write it in quotes"
_WORDS = {"string_type": _QUOTED, "int_type": "must be a whole number", "list_type": "must be a list"}
_WORDS |= {"dict_type": "must be a mapping", "missing": "is missing"}


def describe(error: ValidationError, keys: Mapping[str, Iterable[str]]) -> list[str]:
    """Every fault, as `stages[2].tiemout: unknown key (did you mean timeout?)`.

    `keys` are the allowed ones: of the document under the empty name, of the items of a list under that of the list.
    """
    return [_fault(details, keys) for details in error.errors(include_url=False)]


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """` (did you mean X?)`, or nothing if no known word is near."""
    near = get_close_matches(word, list(known), 1)
    return f" (did you mean {near[0]}?)" if near else ""


def _fault(details: ErrorDetails, keys: Mapping[str, Iterable[str]]) -> str:
    loc = details["loc"]
    if details["type"] == "extra_forbidden":
        known = keys[str(loc[0]) if len(loc) > 1 else ""]
        return f"{_path(loc)}: unknown key{did_you_mean(str(loc[-1]), known)}"
    words = _WORDS.get(details["type"]) or details["msg"].removeprefix("Value error, ")
    return f"{_path(loc)}: {words[:1].lower()}{words[1:]}"


def _path(loc: tuple[int | str, ...]) -> str:
    """`("stages", 2, "timeout")` → `stages[2].timeout`."""
    parts = (f"[{part}]" if isinstance(part, int) else f".{part}" for part in loc)
    return "".join(parts).removeprefix(".")
