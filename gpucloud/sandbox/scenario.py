"""How the embedded cloud behaves: a scenario file says what is slow, scarce, denied or broken."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from importlib import resources
from pathlib import Path
from typing import Annotated, Literal

import yaml
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveInt,
    ValidationError,
)

from gpucloud.errors import ConfigError

Fault = Literal[
    "",
    "nouveau-loaded",
    "no-module-for-kernel",
    "version-mismatch",
    "uvm-missing",
    "cpu-wheel",
    "toolkit-missing",
    "gsp-xid",
    "stage-driver-fails",
]
Step = Literal["apt", "torch", "modprobe", "pull"]
Seconds = NonNegativeFloat
Glob = Annotated[str, Field(min_length=1)]


def _expression(text: str) -> str:
    try:
        re.compile(text)
    except re.error as error:
        raise ValueError(f"not a regular expression: {error}") from error
    return text


class Part(BaseModel):
    """Every part of a scenario refuses keys that it does not know."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class StateTimes(Part):
    """Seconds that an instance spends in each state of passage."""

    pending: Seconds = 0.2
    stopping: Seconds = 0.2
    shutting_down: Seconds = 0.2


class Capacity(Part):
    """At most `machines` of the types that match `type` fit into the zones that match `zone`, each for itself."""

    type: Glob = "*"
    zone: Glob = "*"
    machines: NonNegativeInt


class Offering(Part):
    """Whether the types that match are offered in the zones that match; the last entry that matches wins."""

    type: Glob
    zone: Glob = "*"
    offered: bool


class Throttle(Part):
    """Throttling of the `first` calls of an action, or of every `every`-th one.

    AWS answers RequestLimitExceeded, Azure 429 with Retry-After `retry_after` (seconds).
    """

    action: Glob = "*"
    first: NonNegativeInt = 0
    every: PositiveInt | None = None
    retry_after: NonNegativeInt = 1

    def hits(self, number: int) -> bool:
        """Whether the `number`-th call of the action (from 1) is throttled."""
        return number <= self.first or (self.every is not None and number % self.every == 0)


class AzureCapacity(Part):
    """At most `machines` of the sizes that match `type` fit into the zones that match `zone` ("" is no zone).

    `how` says whether the request itself is refused (SkuNotAvailable) or the operation that it starts fails
    (AllocationFailed, ZonalAllocationFailed).
    """

    type: Glob = "*"
    zone: str = "*"
    machines: NonNegativeInt
    how: Literal["sync", "async"] = "async"


class AzureRestriction(Part):
    """The sizes that match `type` are not available for the subscription: in `zone`, or in the whole region ("")."""

    type: Glob
    zone: str = ""


class AzureFault(Part):
    """An error of ARM for the requests whose `METHOD path` the regular expression `match` finds, in any case.

    At once with HTTP `status` (and Retry-After `retry_after`, seconds), or with `async` as the end of the operation
    that the request starts. `times` limits how often (null: always). `nested` puts an error of that code into
    `details`, as services do whose own code says little.
    """

    match: Annotated[str, AfterValidator(_expression)]
    code: str
    message: str = "[simulated]"
    status: int = Field(default=409, ge=400, le=599)
    asynchronous: bool = Field(default=False, alias="async")
    times: PositiveInt | None = None
    retry_after: NonNegativeInt | None = None
    nested: str = ""


class Azure(Part):
    """How Azure behaves where AWS has nothing alike.

    `quota`: the limit in vCPUs by family name, `cores` or `lowPriorityCores`. `unregistered`: resource providers that
    the subscription has not registered. `features`: preview features that it has (`Microsoft.Compute/
    EncryptionAtHost`). `operation_seconds`: how long the operations take that match (`PUT virtualMachines`); the last
    entry wins. `poll_seconds`: the Retry-After of an operation under way; 0 sends none. `page_size`: entries of a
    list's page.
    """

    quota: dict[str, NonNegativeInt] = {}
    capacity: list[AzureCapacity] = []
    restricted: list[AzureRestriction] = []
    faults: list[AzureFault] = []
    unregistered: list[str] = []
    features: list[str] = []
    operation_seconds: dict[Glob, Seconds] = {}
    poll_seconds: NonNegativeInt = 0
    page_size: PositiveInt = 100


class Scenario(Part):
    """One way for the clouds to behave. Times in seconds, latency in milliseconds, quota in vCPUs by quota code.

    `latency_ms` and `denied` take action names with wildcards (AWS: `RunInstances`, Azure: `PUT virtualMachines`); the
    last entry that matches wins. `ssh_delay` is the
    time from `running` until SSH answers. `install` slows the simulated work on a guest down, by step: `apt` (package
    lists), `torch` (a wheel), `modprobe`, `pull` (a container image). `fault` breaks the driver in one of the known
    ways. `guests: none` serves the API without machines behind it. `offerings`, `quota`, `capacity`, `consistency_lag`
    and `no_default_vpc` are about AWS; `azure` has what is Azure's alone.
    """

    description: str = ""
    guests: Literal["real", "none"] = "real"
    latency_ms: dict[Glob, NonNegativeFloat] = {}
    state_times: StateTimes = StateTimes()
    ssh_delay: Seconds = 0.0
    boot: Seconds = 0.0
    consistency_lag: Seconds = 0.0
    quota: dict[str, NonNegativeInt] = {}
    capacity: list[Capacity] = []
    offerings: list[Offering] = []
    throttling: list[Throttle] = []
    denied: list[Glob] = []
    credentials: Literal["valid", "expired", "invalid"] = "valid"
    no_default_vpc: bool = False
    install: dict[Step, Seconds] = {}
    fault: Fault = ""
    azure: Azure = Azure()

    def throttle(self, action: str, number: int) -> Throttle | None:
        """What throttles the `number`-th call of an action (from 1), if anything does."""
        hits = (entry for entry in self.throttling if fnmatchcase(action, entry.action) and entry.hits(number))
        return next(hits, None)

    def denies(self, *names: str) -> bool:
        """Whether a call of any of these names, an action's or a permission's, is not allowed."""
        return any(fnmatchcase(name, pattern) for name in names for pattern in self.denied)

    def latency(self, action: str) -> float:
        """Seconds that the API takes over `action`."""
        answer = 0.0
        for pattern, milliseconds in self.latency_ms.items():
            if fnmatchcase(action, pattern):
                answer = milliseconds / 1000
        return answer


def critical_path(
    scenario: Scenario, calls: Sequence[str] = ("RunInstances",), installs: Sequence[Sequence[Step]] = ()
) -> float:
    """Seconds that the scenario itself spends on the way to a ready machine, whatever the client does.

    `calls` are the API actions that must follow one another; `installs` are the chains of `install` steps that can
    run side by side, of which the longest counts.
    """
    api = sum(scenario.latency(action) for action in calls)
    longest = max((sum(scenario.install.get(step, 0.0) for step in chain) for chain in installs), default=0.0)
    return api + scenario.state_times.pending + scenario.ssh_delay + longest


def bundled() -> list[str]:
    """Names of the scenarios that ship with the product."""
    folder = resources.files("gpucloud.sandbox") / "scenarios"
    return sorted(entry.name.removesuffix(".yaml") for entry in folder.iterdir() if entry.name.endswith(".yaml"))


def load(name: str) -> Scenario:
    """The bundled scenario of that name, or the one in the file of that path. Raises ConfigError."""
    if name in bundled():
        text = (resources.files("gpucloud.sandbox") / "scenarios" / f"{name}.yaml").read_text()
    else:
        try:
            text = Path(name).read_text()
        except OSError as error:
            known = ", ".join(bundled())
            raise ConfigError(f"no scenario {name}", error.strerror or "", f"use one of: {known}, or a file") from error
    return parse(text, name)


def parse(text: str, origin: str = "scenario") -> Scenario:
    """The scenario in a YAML text. Raises ConfigError that names each wrong key by its path."""
    try:
        document = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ConfigError(f"{origin} is not YAML", str(error)) from error
    if document is not None and not isinstance(document, Mapping):
        raise ConfigError(f"{origin} is wrong", "a scenario is a mapping of keys")
    try:
        return Scenario.model_validate(document or {})
    except ValidationError as error:
        wrong = [f"{'.'.join(map(str, item['loc']))}: {item['msg']}" for item in error.errors()]
        raise ConfigError(f"{origin} is wrong", "; ".join(wrong)) from error
