"""What the questions of a preflight came to: answers, and problems."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

from gpucloud.errors import GpucloudError, Problem

T = TypeVar("T")


class Answers:
    """Collects answers from futures; a GpucloudError in one becomes a Problem, and each Problem counts once."""

    def __init__(self) -> None:
        self._problems: dict[Problem, GpucloudError | None] = {}  # with the error behind it

    @property
    def problems(self) -> tuple[Problem, ...]:
        return tuple(self._problems)

    def add(self, *problems: Problem) -> None:
        self._problems.update(dict.fromkeys(problems))

    def of(self, question: Future[T]) -> T | None:
        """The answer; None if it is an error, which is a problem now."""
        try:
            return question.result()
        except GpucloudError as error:
            self._problems[problem_of(error)] = error
            return None

    def drop(self, is_told: Callable[[GpucloudError], bool]) -> None:
        """Forget errors whose reason another Problem tells, and better."""
        self._problems = {
            problem: error for problem, error in self._problems.items() if error is None or not is_told(error)
        }


def problem_of(error: GpucloudError) -> Problem:
    """What is to be told of an error that ends a preflight, or a question of it."""
    return Problem(error.what, error.why, error.remedy, error.status)
