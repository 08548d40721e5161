"""Ask every cloud at once, and tell which ones could not be asked: that is never an error of the others."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from gpucloud import journal
from gpucloud.catalog import types
from gpucloud.errors import (
    ConfigError,
    CredentialsError,
    GpucloudError,
    NoCredentials,
    NotConfigured,
    Unreachable,
    UsageError,
)
from gpucloud.machine import Machine
from gpucloud.ops.context import Context, may_be_meant
from gpucloud.parallel import in_parallel
from gpucloud.providers.base import Provider

T = TypeVar("T")

NOT_SET_UP = (NoCredentials, NotConfigured)
"""Errors by which a cloud says that it is not in use here: no credentials, no region, no subscription. A login that has
expired or is refused says the contrary, and machines of ours may well be behind it."""


@dataclass(frozen=True)
class Answers(Generic[T]):
    """What the clouds said, by cloud.

    `left_out` are those that are not set up here; `missing` are those that should have answered and did not.
    """

    given: Mapping[str, T]
    left_out: Mapping[str, GpucloudError]
    missing: Mapping[str, GpucloudError]

    def unasked(self, context: Context) -> dict[str, GpucloudError]:
        """Clouds in which machines of ours may well be: the missing ones, and those where this computer made some."""
        used = {str(header["cloud"]) for header in journal.standing(context.state.journal_paths())}
        return {**self.missing, **{cloud: why for cloud, why in self.left_out.items() if cloud in used}}


def ask(context: Context, question: Callable[[Provider], T], among: Sequence[str] = ()) -> Answers[T]:
    """Put the question to every cloud at once, or to those of `among`. One remark for each that does not answer.

    Raises the error of a single cloud that fails, one error for all of them if none answers, and UsageError at once.
    """

    def one(cloud: str) -> T | GpucloudError:
        try:
            return question(context.provider(cloud))
        except UsageError:
            raise
        except GpucloudError as error:
            return error

    clouds = among or context.clouds
    return sorted_out(context, dict(zip(clouds, in_parallel(one, clouds), strict=True)))


def sorted_out(context: Context, said: Mapping[str, T | GpucloudError]) -> Answers[T]:
    """Answers and errors apart. One remark for each cloud that gave none; raises if none gave any, as `ask` does."""
    given = {cloud: answer for cloud, answer in said.items() if not isinstance(answer, GpucloudError)}
    failed = {cloud: error for cloud, error in said.items() if isinstance(error, GpucloudError)}
    left_out = {cloud: error for cloud, error in failed.items() if isinstance(error, NOT_SET_UP)}
    missing = {cloud: error for cloud, error in failed.items() if cloud not in left_out}
    if not given and len(missing) != 1:
        raise _all_of(failed)
    for cloud in left_out:
        context.remark(_line(f"{cloud}: left out", failed[cloud]))
    if not given:
        raise next(iter(missing.values()))
    for cloud in missing:
        context.remark(_line(f"{cloud}: could not be asked", failed[cloud]))
    return Answers(given, left_out, missing)


def regions(context: Context) -> Mapping[str, str]:
    """Where each cloud makes machines. Leaves out clouds that do not say so, and those of which --region names none.

    Raises ConfigError if no cloud has a region, UsageError if --cloud and --region are of different ones, or if
    --cloud makes no machines.
    """
    config = context.config
    if not context.makers:
        raise UsageError(f"no machine can be made in {config.cloud}", "", "name another --cloud, or leave it out")
    fits = [cloud for cloud in context.makers if may_be_meant(config, cloud)]
    if not fits:
        home = types.cloud_of_region(config.region)
        raise UsageError(f"{config.region} is a region of {home}", f"`cloud` is {config.cloud}", f"add --cloud {home}")

    def one(cloud: str) -> str | GpucloudError:
        try:
            return context.region(cloud)
        except UsageError:
            raise
        except GpucloudError as error:
            return error

    return sorted_out(context, {cloud: one(cloud) for cloud in fits}).given


def machines(context: Context, among: Sequence[str] = ()) -> Answers[list[Machine]]:
    """Our machines in every cloud, or in those of `among`, in every region that we know of."""
    return ask(context, lambda provider: provider.list(), among)


def together(answers: Mapping[str, Sequence[T]]) -> list[T]:
    """What the clouds listed, one after the other."""
    return [item for listed in answers.values() for item in listed]


def _all_of(failed: Mapping[str, GpucloudError]) -> GpucloudError:
    """One error for all: the only one itself, or one that names each. Exit code 3 if nothing but configuration is
    wrong, 4 if nothing but that and credentials, else 6."""
    if len(failed) == 1:
        return next(iter(failed.values()))
    errors = failed.values()
    kind: type[GpucloudError] = Unreachable
    if all(isinstance(error, (ConfigError, CredentialsError)) for error in errors):
        kind = ConfigError if all(isinstance(error, ConfigError) for error in errors) else CredentialsError
    why = "; ".join(f"{cloud}: {error}" for cloud, error in failed.items())
    remedies = {cloud: error.remedy for cloud, error in failed.items() if error.remedy}
    return kind("no cloud can be asked", why, "; ".join(f"{cloud}: {remedy}" for cloud, remedy in remedies.items()))


def _line(what: str, error: GpucloudError) -> str:
    return f"{what}: {error}" + (f"; fix: {error.remedy}" if error.remedy else "")
