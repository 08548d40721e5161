"""What verify found: one Check per statement, and the Report that they make together."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from enum import StrEnum, unique


@unique
class Layer(StrEnum):
    """The layers of the stack, in the order in which each rests on the ones before it."""

    PCI = "pci"
    MODULE = "kernel module"
    SMI = "nvidia-smi"
    DEVICES = "device nodes"
    TORCH = "torch"
    CONTAINER = "container"
    HEALTH = "health"


@unique
class Status(StrEnum):
    OK = "ok"
    WARN = "warn"
    FAIL = "fail"
    SKIP = "skip"


@dataclass(frozen=True)
class Check:
    """One statement about the machine. `cause` and `remedy` are set whenever it is a warning or a failure."""

    layer: Layer
    status: Status
    what: str
    cause: str = ""
    remedy: str = ""

    def to_dict(self) -> dict[str, str]:
        return {
            "layer": self.layer.value,
            "status": self.status.value,
            "what": self.what,
            "cause": self.cause,
            "remedy": self.remedy,
        }


def passed(layer: Layer, what: str) -> Check:
    return Check(layer, Status.OK, what)


def warned(layer: Layer, what: str, cause: str, remedy: str) -> Check:
    return Check(layer, Status.WARN, what, cause, remedy)


def failed(layer: Layer, what: str, cause: str, remedy: str) -> Check:
    return Check(layer, Status.FAIL, what, cause, remedy)


def skipped(layer: Layer, cause: str) -> Check:
    return Check(layer, Status.SKIP, f"{layer} was not checked", cause)


@dataclass(frozen=True)
class Report:
    """Every check of one machine, in the order of the layers."""

    checks: tuple[Check, ...]
    simulated: bool = False
    machine: str = ""

    @property
    def ok(self) -> bool:
        """Proven: no check failed. Warnings and skipped checks do not count against it."""
        return self.first_failure is None

    @property
    def first_failure(self) -> Check | None:
        """The lowest broken layer, which is the one to mend first."""
        return next((check for check in self.checks if check.status is Status.FAIL), None)

    @property
    def summary(self) -> str:
        """One line for people. Says `[simulated]` when the GPU is a sandbox's."""
        tag = " [simulated]" if self.simulated else ""
        failure = self.first_failure
        counts = Counter(check.status for check in self.checks)
        parts = [f"{counts[Status.OK]} ok"]
        parts += [f"{counts[status]} {status.value}" for status in (Status.WARN, Status.SKIP) if counts[status]]
        verdict = f"{failure.layer}: {failure.what}: {failure.cause}" if failure else f"verified: {', '.join(parts)}"
        return (f"{self.machine}: " if self.machine else "") + verdict + tag

    def to_dict(self) -> dict[str, object]:
        """The report for JSON: machine, ok, simulated, summary, first_failure (a check or null), checks.

        Each check: layer, status (ok, warn, fail, skip), what, cause, remedy. The keys are an interface.
        """
        failure = self.first_failure
        return {
            "machine": self.machine,
            "ok": self.ok,
            "simulated": self.simulated,
            "summary": self.summary,
            "first_failure": failure.to_dict() if failure else None,
            "checks": [check.to_dict() for check in self.checks],
        }
