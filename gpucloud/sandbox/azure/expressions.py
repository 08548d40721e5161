"""The template language of ARM as far as `az vm create` speaks it: `[concat('a', parameters('b'))]`."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

TOKEN = re.compile(r"\s*(?:(?P<text>'(?:[^']|'')*')|(?P<number>-?\d+)|(?P<word>[A-Za-z_]\w*)|(?P<mark>[(),.\[\]]))")
Function = Callable[..., Any]


class ExpressionError(Exception):
    """An expression that is wrong, or that calls a function which the sandbox does not have."""


def resolve(value: Any, functions: Mapping[str, Function]) -> Any:
    """A JSON value with every expression in it replaced by what it says. `functions` have lower-case names."""
    if isinstance(value, dict):
        return {name: resolve(inner, functions) for name, inner in value.items()}
    if isinstance(value, list):
        return [resolve(inner, functions) for inner in value]
    if not isinstance(value, str) or not (value.startswith("[") and value.endswith("]")):
        return value
    if value.startswith("[["):
        return value[1:]
    return _Parser(value[1:-1], functions).whole()


class _Parser:
    """Reads one expression from left to right and computes it on the way."""

    def __init__(self, text: str, functions: Mapping[str, Function]) -> None:
        self.text, self.functions, self.position = text, functions, 0

    def whole(self) -> Any:
        value = self._value()
        if self.text[self.position :].strip():
            raise ExpressionError(f"unexpected text at position {self.position} of '{self.text}'")
        return value

    def _value(self) -> Any:
        kind, token = self._take()
        if kind == "text":
            return token[1:-1].replace("''", "'")
        if kind == "number":
            return int(token)
        if kind != "word" or self._peek() != "(":
            raise ExpressionError(f"unexpected '{token}' in '{self.text}'")
        if token.lower() not in self.functions:
            raise ExpressionError(f"the template function '{token}' is not valid [simulated]")
        return self._members(self.functions[token.lower()](*self._arguments()))

    def _arguments(self) -> list[Any]:
        self._take()
        found: list[Any] = []
        while self._peek() != ")":
            found.append(self._value())
            if self._peek() == ",":
                self._take()
        self._take()
        return found

    def _members(self, value: Any) -> Any:
        """What follows a call: `.name` and `[0]`."""
        while (mark := self._peek()) in (".", "["):
            self._take()
            key = self._take()[1] if mark == "." else self._value()
            if mark == "[":
                self._take()
            try:
                value = value[key]
            except (KeyError, IndexError, TypeError) as error:
                raise ExpressionError(f"the property '{key}' does not exist in '{self.text}'") from error
        return value

    def _peek(self) -> str:
        return self.text[self.position :].lstrip()[:1]

    def _take(self) -> tuple[str, str]:
        found = TOKEN.match(self.text, self.position)
        if found is None:
            raise ExpressionError(f"unexpected end of '{self.text}'")
        self.position = found.end()
        return str(found.lastgroup), found[str(found.lastgroup)]
