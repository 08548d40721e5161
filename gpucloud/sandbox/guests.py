"""What the daemon asks of the machines behind its API, and the implementation that has none."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal, Protocol

from gpucloud.errors import NotFound

RUN_SECONDS = 5400.0  # the time limit of Azure's run-command
OnPower = Callable[[str, Literal["poweroff", "reboot"]], None]


class Guests(Protocol):
    """The machines behind the instances. Every method but `create` and `start` accepts an unknown id and does nothing.

    A guest keeps its files from `stop` to `start`, and over a restart of the daemon as long as `list` names it.
    """

    def create(
        self,
        instance_id: str,
        address: str,
        port: int,
        user_data: bytes,
        hardware: Mapping[str, Any],
        on_power: OnPower,
    ) -> None:
        """Make and boot a guest that answers SSH on `address`:`port`; `on_power` hears what it does to itself."""
        ...

    def start(self, instance_id: str, address: str) -> None:
        """Boot a stopped guest under a new address."""
        ...

    def stop(self, instance_id: str) -> None:
        """Shut the guest down and keep its files."""
        ...

    def reboot(self, instance_id: str) -> None:
        """Boot the guest again under the same address."""
        ...

    def destroy(self, instance_id: str) -> None:
        """Remove the guest and its files."""
        ...

    def run(
        self, instance_id: str, script: str, parameters: Mapping[str, str], seconds: float = RUN_SECONDS
    ) -> tuple[int, str, str]:
        """Run a script as root inside the guest: its exit code (-9: killed after `seconds`), output and errors.

        It gets the values of the parameters as arguments, and all of them as variables. Of both outputs the last 4096
        bytes come back. A guest that boots runs it as soon as it can. Raises NotFound where no guest runs, CloudError
        when the guest ends before the script does.
        """
        ...

    def console(self, instance_id: str) -> str:
        """The boot log; empty when there is none."""
        ...

    def list(self) -> list[str]:
        """Ids of the guests that exist, running or not."""
        ...

    def close(self) -> None:
        """Shut down every guest; files are kept where the implementation can."""
        ...


class NullGuests:
    """No machines at all: for clients that only want the API. A marker file stands for each guest's disk."""

    def __init__(self, root: Path) -> None:
        self.root = root
        root.mkdir(parents=True, exist_ok=True)

    def create(
        self,
        instance_id: str,
        address: str,
        port: int,
        user_data: bytes,
        hardware: Mapping[str, Any],
        on_power: OnPower,
    ) -> None:
        (self.root / instance_id).write_text(f"[simulated] {hardware['instance_type']} without a guest\n")

    def start(self, instance_id: str, address: str) -> None:
        pass

    def stop(self, instance_id: str) -> None:
        pass

    def reboot(self, instance_id: str) -> None:
        pass

    def destroy(self, instance_id: str) -> None:
        (self.root / instance_id).unlink(missing_ok=True)

    def run(
        self, instance_id: str, script: str, parameters: Mapping[str, str], seconds: float = RUN_SECONDS
    ) -> tuple[int, str, str]:
        raise NotFound(f"there is no guest behind {instance_id} [simulated]", "this sandbox serves the API alone")

    def console(self, instance_id: str) -> str:
        marker = self.root / instance_id
        return marker.read_text() if marker.exists() else ""

    def list(self) -> list[str]:
        return sorted(marker.name for marker in self.root.iterdir())

    def close(self) -> None:
        pass
