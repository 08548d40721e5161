"""What every use case needs: settings, local state, the clouds, a clock, and someone to tell."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from gpucloud import journal
from gpucloud.config import Config
from gpucloud.progress import Progress, Report, Status
from gpucloud.providers.base import Provider
from gpucloud.state import State, state_home
from gpucloud.waiting import Waiter

if TYPE_CHECKING:
    from gpucloud.sandbox.client import SandboxInfo

SANDBOX_REGION = "us-east-1"
DEFAULT_CLOUD = "aws"


@dataclass(frozen=True)
class Context:
    """One world (the real clouds, or the sandbox) as one command sees it.

    `settings` holds, by cloud, what that cloud's provider must know to reach it; nothing for the real ones.
    """

    config: Config
    state: State
    settings: Mapping[str, Mapping[str, Any]]
    report: Report
    simulated: bool = False
    waiter: Waiter = field(default_factory=Waiter)

    def provider(self, cloud: str = "", region: str = "", *, regions: Sequence[str] = ()) -> Provider:
        """The cloud (default: the configured one, else AWS).

        Machines are made in `region` (default: the configured one); listings look at `regions` too (default: every
        region that we know of).
        """
        from gpucloud.providers import registry

        cloud = cloud or self.cloud
        here = region or self.region(cloud)
        return registry.connect(cloud, self.settings.get(cloud, {}), here, regions or self.regions(here))

    @property
    def cloud(self) -> str:
        """Where to look and launch when nothing else decides."""
        return self.config.cloud or DEFAULT_CLOUD

    def region(self, cloud: str) -> str:
        """Where machines are made: as configured here, or in the cloud's own configuration. Raises ConfigError."""
        from gpucloud.providers import registry

        return self.config.region or registry.home_region(cloud, self.settings.get(cloud, {}))

    def regions(self, here: str) -> tuple[str, ...]:
        """Where our machines may be: here, the configured regions, and those of every run that was not undone."""
        used = [str(header["region"]) for header in journal.standing(self.state.journal_paths())]
        return tuple(dict.fromkeys(region for region in (here, *self.config.regions, *used) if region))

    def tell(self, machine: str, step: str, status: Status, text: str = "") -> None:
        self.report(Progress(machine, step, status, text))


def real(config: Config, report: Report) -> Context:
    """The real clouds, with the credentials that their SDKs find."""
    return Context(config, State(state_home()), {}, report)


def sandbox(config: Config, report: Report) -> Context:
    """The embedded cloud, started if it does not run. Its machines have local state of their own."""
    from gpucloud.sandbox import client

    home = state_home() / "sandbox"
    fresh = client.status(home) is None
    if fresh:
        report(Progress("sandbox", "sandbox", Status.START, "starting the embedded cloud"))
    info = client.ensure(config.scenario or None, home)
    if fresh:
        text = f"[simulated] cloud at {info.endpoint}, scenario {info.scenario}"
        report(Progress("sandbox", "sandbox", Status.DONE, text))
    here = replace(config, region=config.region or SANDBOX_REGION)
    return Context(here, State(home / "client"), _settings(info), report, simulated=True)


def _settings(info: SandboxInfo) -> dict[str, dict[str, Any]]:
    """How the providers reach the sandbox instead of the real clouds."""
    aws = {
        "endpoint_url": info.endpoint,
        "access_key": info.access_key,
        "secret_key": info.secret_key,
        "ssh_port": info.ssh_port,
        "checkip_url": info.checkip,
    }
    return {"aws": aws}
