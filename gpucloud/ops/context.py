"""What every use case needs: settings, local state, the clouds, a clock, and someone to tell."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from gpucloud import journal
from gpucloud.catalog import types
from gpucloud.config import Config
from gpucloud.errors import NotConfigured, UsageError
from gpucloud.progress import Progress, Report, Status
from gpucloud.providers.base import Provider
from gpucloud.state import State, state_home
from gpucloud.waiting import Waiter

if TYPE_CHECKING:
    from gpucloud.sandbox.client import SandboxInfo

Remark = Callable[[str], None]
"""Takes a line that a person must see even where only a result is shown."""


@dataclass(frozen=True)
class Context:
    """One world (the real clouds, or the sandbox) as one command sees it.

    `settings` holds, by cloud, what that cloud's provider must know to reach it; nothing for the real ones. Those of
    `hosts` are the machines themselves.
    """

    config: Config
    state: State
    settings: Mapping[str, Mapping[str, Any]]
    report: Report
    simulated: bool = False
    waiter: Waiter = field(default_factory=Waiter)
    remark: Remark = warnings.warn

    @property
    def clouds(self) -> tuple[str, ...]:
        """The clouds to ask: the configured one, or all. A sandbox has those that it emulates. Raises UsageError.

        What lists the machines of its settings only is not asked without any.
        """
        from gpucloud.providers import registry

        real = [cloud for cloud in registry.CLOUDS if cloud in self.settings or registry.makes_machines(cloud)]
        return chosen_clouds(self.config, self.settings if self.simulated else real)

    @property
    def makers(self) -> tuple[str, ...]:
        """Those of `clouds` in which machines can be made."""
        from gpucloud.providers import registry

        return tuple(cloud for cloud in self.clouds if registry.makes_machines(cloud))

    def provider(self, cloud: str, region: str = "", *, regions: Sequence[str] = ()) -> Provider:
        """A cloud. Machines are made in `region`; listings look at `regions` too.

        By default that is where machines of this cloud may be, as far as this computer knows. Raises NotConfigured
        if it knows of no region at all.
        """
        from gpucloud.providers import registry

        here = region or self._some_region(cloud)
        return registry.connect(cloud, self.settings.get(cloud, {}), here, regions or self.regions(cloud, here))

    def region(self, cloud: str) -> str:
        """Where machines are made: as configured here, or in the cloud's own configuration. Raises NotConfigured.

        A configured region of another cloud says nothing about this one.
        """
        from gpucloud.providers import registry

        for region in configured_regions(self.config, cloud):
            return region
        return registry.home_region(cloud, self.settings.get(cloud, {}))

    def regions(self, cloud: str, here: str) -> tuple[str, ...]:
        """Where our machines of a cloud may be: here, and wherever this computer knows of."""
        return tuple(dict.fromkeys([here, *configured_regions(self.config, cloud), *self._used(cloud)]))

    def _used(self, cloud: str) -> list[str]:
        """The regions of every run of this computer that was not undone."""
        headers = journal.standing(self.state.journal_paths())
        return [str(header["region"]) for header in headers if header["cloud"] == cloud]

    def _some_region(self, cloud: str) -> str:
        """A region to look for machines from: where they are made, or else where one was, or any if it does not matter.

        Raises NotConfigured if it is known of none, and NoCredentials where it would be looked for with them.
        """
        from gpucloud.providers import registry

        try:
            return self.region(cloud)
        except NotConfigured:
            anywhere = [types.REFERENCE_REGION[cloud]] if registry.lists_every_region(cloud) else []
            for region in (*self._used(cloud), *anywhere):
                return region
            raise

    def tell(self, machine: str, step: str, status: Status, text: str = "") -> None:
        self.report(Progress(machine, step, status, text))


def chosen_clouds(config: Config, every: Iterable[str]) -> tuple[str, ...]:
    """Of all clouds the configured one, or every one. Raises UsageError for one that is not among them."""
    if config.cloud and config.cloud not in every:
        raise UsageError(f"the cloud {config.cloud} is not supported", "", f"choose one of {', '.join(every)}")
    return (config.cloud,) if config.cloud else tuple(every)


def configured_regions(config: Config, cloud: str) -> Iterator[str]:
    """The configured regions that are not another cloud's, the first one that says where machines are made."""
    for region in (config.region, *config.regions):
        if region and types.cloud_of_region(region) in ("", cloud):
            yield region


def may_be_meant(config: Config, cloud: str) -> bool:
    """Can a machine be made in that cloud where `--region` was given? Not if that is a region of another one."""
    return "region" not in config.flags or types.cloud_of_region(config.region) in ("", cloud)


def real(config: Config, report: Report, remark: Remark = warnings.warn) -> Context:
    """The real clouds, with the credentials that their SDKs find, and the hosts of the configuration."""
    hosts = {name: asdict(host) for name, host in config.hosts.items()}
    return Context(config, State(state_home()), {"hosts": hosts} if hosts else {}, report, remark=remark)


def sandbox(config: Config, report: Report, remark: Remark = warnings.warn) -> Context:
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
    return Context(config, State(home / "client"), _settings(info), report, simulated=True, remark=remark)


def _settings(info: SandboxInfo) -> dict[str, dict[str, Any]]:
    """How the providers reach the sandbox instead of the real clouds."""
    aws = {
        "endpoint_url": info.endpoint,
        "access_key": info.access_key,
        "secret_key": info.secret_key,
        "region": "us-east-1",
        "ssh_port": info.ssh_port,
        "checkip_url": info.checkip,
    }
    azure = {
        "endpoint_url": info.azure_endpoint,
        "authority": info.azure_endpoint,
        "ca_file": info.azure_ca,
        "tenant": info.azure_tenant,
        "client_id": info.azure_client_id,
        "client_secret": info.azure_client_secret,
        "subscription": info.azure_subscription,
        "region": "eastus",
        "ssh_port": info.ssh_port,
        "checkip_url": info.checkip,
        "poll_seconds": 0.2,
    }
    return {"aws": aws, "azure": azure}
