"""Every error that a user can meet, and the exit code that each one ends in.

GpucloudError                  what went wrong, why, and what to do about it
├── UsageError            2    the command line makes no sense
├── ConfigError           3    a profile, config file or local tool is wrong
│   └── NotConfigured          a cloud's configuration does not say where to work in it
├── PreflightFailed       3    the plan cannot work; carries every problem found
├── CredentialsError      4    none, expired, or not allowed
│   └── NoCredentials          none on this computer, as against expired or refused
├── CapacityError         5    the cloud has none left just now; carries the attempts
├── QuotaError            5    the account may not have that many
├── Unreachable           6    no network, no SSH, host key changed
├── StageFailed           7    a bootstrap stage ended badly
├── VerifyFailed          8    the machine is up but not proven
├── NotFound              9    no such machine, run or resource
├── CloudError            1    the cloud refused for a reason that we have no better class for
├── SomeFailed            *    of several machines some failed; 10 if one of them may remain, else the first one's code
└── MayStillCost         10    something billable may remain
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum, unique


@unique
class ExitStatus(IntEnum):
    """The exit codes of every command. They are an interface: CI jobs branch on them."""

    OK = 0
    BUG = 1
    USAGE = 2
    PREFLIGHT = 3
    CREDENTIALS = 4
    CAPACITY = 5
    UNREACHABLE = 6
    STAGE_FAILED = 7
    VERIFY_FAILED = 8
    NOT_FOUND = 9
    MAY_STILL_COST = 10
    INTERRUPTED = 130
    TERMINATED = 143


class GpucloudError(Exception):
    """Something the user can act on, shown as ``error: what: why`` and ``fix: remedy``."""

    status = ExitStatus.BUG

    def __init__(self, what: str, why: str = "", remedy: str = "") -> None:
        super().__init__(f"{what}: {why}" if why else what)
        self.what, self.why, self.remedy = what, why, remedy


class UsageError(GpucloudError):
    """The command line makes no sense."""

    status = ExitStatus.USAGE


def not_made(name: str, deed: str) -> UsageError:
    """The refusal to do that to a machine which gpucloud did not make."""
    what = f"gpucloud did not make {name} and does not {deed} it"
    return UsageError(what, "it is a host of config.yaml", "do that where the machine is managed")


class ConfigError(GpucloudError):
    """A profile, config file or local tool is wrong."""

    status = ExitStatus.PREFLIGHT


class NotConfigured(ConfigError):
    """Nothing on this computer says in which region or subscription of a cloud to work: it is not in use here."""


class CredentialsError(GpucloudError):
    """There are no credentials, they have expired, or they do not allow the call."""

    status = ExitStatus.CREDENTIALS


class NoCredentials(CredentialsError):
    """There are none for this cloud on this computer: it is not in use here. An expired login is no such thing."""


class CapacityError(GpucloudError):
    """The cloud has no such machine left just now. `attempts` says what was tried: (zone, reason)."""

    status = ExitStatus.CAPACITY

    def __init__(self, what: str, why: str = "", remedy: str = "", attempts: Sequence[tuple[str, str]] = ()) -> None:
        super().__init__(what, why, remedy)
        self.attempts = tuple(attempts)


class QuotaError(GpucloudError):
    """The account's quota does not allow the machine, in any zone of the region."""

    status = ExitStatus.CAPACITY


class Unreachable(GpucloudError):
    """A host or an API cannot be reached, or is not the one that we know."""

    status = ExitStatus.UNREACHABLE


class StageFailed(GpucloudError):
    """A bootstrap stage ended badly. `stage` is empty if none is to blame; `tail` holds the last lines of output."""

    status = ExitStatus.STAGE_FAILED

    def __init__(self, what: str, why: str = "", remedy: str = "", stage: str = "", tail: Sequence[str] = ()) -> None:
        super().__init__(what, why, remedy)
        self.stage, self.tail = stage, tuple(tail)


class VerifyFailed(GpucloudError):
    """The machine is up, but at least one check failed."""

    status = ExitStatus.VERIFY_FAILED


class NotFound(GpucloudError):
    """No such machine, run or resource."""

    status = ExitStatus.NOT_FOUND


class CloudError(GpucloudError):
    """The cloud refused, for a reason that no other class describes."""


class MayStillCost(GpucloudError):
    """Something billable may remain; the message names it."""

    status = ExitStatus.MAY_STILL_COST


class SomeFailed(GpucloudError):
    """Of several machines some failed: `errors` by machine name. The others are what was asked for."""

    def __init__(self, errors: Mapping[str, GpucloudError], of: int) -> None:
        super().__init__(f"{len(errors)} of {of} machines failed", ", ".join(errors))
        self.errors = dict(errors)
        statuses = [error.status for error in errors.values()]
        self.status = ExitStatus.MAY_STILL_COST if ExitStatus.MAY_STILL_COST in statuses else statuses[0]


@dataclass(frozen=True)
class Problem:
    """One finding of a preflight. `status` is the exit code that it deserves on its own."""

    what: str
    why: str = ""
    remedy: str = ""
    status: ExitStatus = ExitStatus.PREFLIGHT


class PreflightFailed(GpucloudError):
    """The plan cannot work. Carries every problem; its exit code is the gravest one's own if they agree, else 3."""

    status = ExitStatus.PREFLIGHT

    def __init__(self, problems: Sequence[Problem]) -> None:
        first, more = problems[0], len(problems) - 1
        super().__init__(first.what + (f" (and {more} more)" if more else ""), first.why, first.remedy)
        self.problems = tuple(problems)
        statuses = {problem.status for problem in problems}
        self.status = statuses.pop() if len(statuses) == 1 else ExitStatus.PREFLIGHT
