"""The guest's service manager: starts, stops and enables units. Errors are systemctl's own exit codes and texts."""

from __future__ import annotations

import asyncio

from . import units
from .services import Service, Timer
from .units import Unit

# Units that every machine has and that are nothing here.
BUILT_IN = frozenset((*units.TARGETS, "network.target", "network-online.target", "ssh.service", "sshd.service"))


class UnitError(Exception):
    """A verb cannot be carried out."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(text)
        self.code = code


class Plain:
    """A unit with nothing to run: a target, a socket, a mount."""

    def __init__(self, unit: Unit) -> None:
        self.unit, self.state, self.result = unit, "inactive", "success"

    @property
    def active(self) -> bool:
        return self.state == "active"

    async def start(self) -> None:
        self.state = "active"

    async def stop(self) -> None:
        self.state = "inactive"


class Manager:
    """Every unit that was touched since the boot, by its full name."""

    def __init__(self) -> None:
        self.running: dict[str, Service | Timer | Plain] = {}
        self.jobs: set[asyncio.Task[None]] = set()

    def unit(self, name: str) -> Unit:
        """The unit file, or that of a transient unit. Raises UnitError 5 or 1."""
        if units.is_masked(name):
            raise UnitError(1, f"Unit {name} is masked.")
        unit = units.load(name)
        if unit is None and (known := self.running.get(name)):
            return known.unit
        if unit is None and name in BUILT_IN:
            return Unit(name)
        if unit is None:
            raise UnitError(5, f"Unit {name} not found.")
        return unit

    def state(self, name: str) -> str:
        """What `systemctl is-active` prints."""
        if name in BUILT_IN:
            return "active"
        known = self.running.get(self.alias(name))
        return known.state if known else "inactive"

    def alias(self, name: str) -> str:
        return (
            name
            if name in self.running
            else self.unit(name).name
            if units.find_file(name) and not units.is_masked(name)
            else name
        )

    async def start(self, name: str) -> None:
        """Start a unit and what it wants, and wait for it. Raises UnitError 1 when it fails."""
        unit = self.unit(name)
        known = self.running.get(unit.name)
        if known and known.active:
            return
        for key in ("Requires", "Wants", "BindsTo"):
            for other in unit.names("Unit", key):
                await self.start_wanted(other, needed=key != "Wants")
        await self.begin(unit)

    async def begin(self, unit: Unit) -> None:
        """Start a loaded unit, replacing what is known of an earlier run."""
        made = self.running[unit.name] = self.make(unit)
        await made.start()
        if made.state == "failed":
            raise UnitError(
                1,
                f"Job for {unit.name} failed because the control process exited with error code.\n"
                f'See "systemctl status {unit.name}" and "journalctl -u {unit.name}" for details.',
            )

    def make(self, unit: Unit) -> Service | Timer | Plain:
        if unit.kind == "timer":
            return Timer(unit, self.fire, self.ages)
        return Service(unit) if unit.kind == "service" and unit.name not in BUILT_IN else Plain(unit)

    async def start_wanted(self, name: str, *, needed: bool) -> None:
        """Start a dependency; one that does not exist matters only where it is required."""
        try:
            await self.start(name)
        except UnitError as error:
            if needed and error.code != 5:
                raise

    async def fire(self, name: str) -> None:
        """What a timer does: a failure is the unit's, and is in its state."""
        await self.start_wanted(name, needed=False)

    def ages(self, name: str) -> tuple[float, float]:
        known = self.running.get(name)
        return (known.last_started, known.last_ended) if isinstance(known, Service) else (0.0, 0.0)

    async def stop(self, name: str) -> None:
        """Stop a unit; one that is not running is left alone. Raises UnitError 5 for an unknown one."""
        known = self.running.get(name) or self.running.get(self.unit_or_masked(name))
        if known and known.state not in ("inactive", "failed"):
            await known.stop()

    def unit_or_masked(self, name: str) -> str:
        return name if units.is_masked(name) else self.unit(name).name

    def background(self, name: str) -> None:
        """Start a unit without waiting for it."""
        task = asyncio.create_task(self.start_wanted(name, needed=False))
        self.jobs.add(task)
        task.add_done_callback(self.jobs.discard)

    async def stop_all(self) -> None:
        """What a shutdown does first."""
        await asyncio.gather(*(known.stop() for known in self.running.values() if known.active))

    def enable(self, name: str) -> list[str]:
        """Make the links of [Install]; the lines that systemctl prints."""
        if units.is_masked(name):
            raise UnitError(1, f"Failed to enable unit: Unit file {units.ETC / name} is masked.")
        unit = units.load(name)
        if unit is None:
            raise UnitError(1, f"Failed to enable unit: Unit file {name} does not exist.")
        said = []
        for link in units.links(unit):
            if not link.is_symlink() and unit.path:
                link.parent.mkdir(parents=True, exist_ok=True)
                link.symlink_to(unit.path)
                said.append(f"Created symlink {link} → {unit.path}.")
        return said

    def disable(self, name: str) -> list[str]:
        if units.load(name) is None and not units.is_masked(name):
            raise UnitError(1, f"Failed to disable unit: Unit file {name} does not exist.")
        gone = [
            link
            for link in units.ETC.glob(f"*.*/{name}")
            if link.parent.suffix in (".wants", ".requires") and link.is_symlink()
        ]
        for link in gone:
            link.unlink()
        return [f"Removed {link}." for link in gone]

    def mask(self, name: str) -> list[str]:
        link = units.ETC / name
        if units.is_masked(name):
            return []
        if link.exists() and not link.is_symlink():
            raise UnitError(1, f"Failed to mask unit: File {link} already exists.")
        link.unlink(missing_ok=True)
        link.symlink_to("/dev/null")
        return [f"Created symlink {link} → /dev/null."]

    def unmask(self, name: str) -> list[str]:
        link = units.ETC / name
        if not units.is_masked(name) or not link.is_symlink():
            return []
        link.unlink()
        return [f"Removed {link}."]
