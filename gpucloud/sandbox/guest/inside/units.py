"""systemd unit files: where they are, what they say, which are enabled or masked."""

from __future__ import annotations

import shlex
from dataclasses import dataclass, field
from pathlib import Path

ETC = Path("/etc/systemd/system")
RUN = Path("/run/systemd/system")
FOLDERS = (
    ETC,
    RUN,
    Path("/usr/local/lib/systemd/system"),
    Path("/usr/lib/systemd/system"),
    Path("/lib/systemd/system"),
)
TARGETS = ("multi-user.target", "default.target", "graphical.target", "timers.target", "sysinit.target", "basic.target")


@dataclass
class Unit:
    """A unit file with its drop-ins. A repeated key keeps every value; an empty value forgets those before it."""

    name: str
    path: Path | None = None
    values: dict[tuple[str, str], list[str]] = field(default_factory=dict)

    @property
    def kind(self) -> str:
        return self.name.rsplit(".", 1)[1]

    def all(self, section: str, key: str) -> list[str]:
        return self.values.get((section, key), [])

    def get(self, section: str, key: str, default: str = "") -> str:
        return (self.all(section, key) or [default])[-1]

    def names(self, section: str, key: str) -> list[str]:
        """A list of unit names, such as Wants=."""
        return " ".join(self.all(section, key)).split()

    def is_set(self, section: str, key: str) -> bool:
        return self.get(section, key).lower() in ("yes", "true", "on", "1")

    def read(self, text: str, instance: str = "") -> None:
        section = ""
        for line in text.replace("\\\n", " ").splitlines():
            line = line.strip()
            if line.startswith("["):
                section = line.strip("[]")
            elif "=" in line and line[0] not in "#;":
                key, value = (part.strip() for part in line.split("=", 1))
                self.add(section, key, self.expand(value, instance))

    def add(self, section: str, key: str, value: str) -> None:
        if value:
            self.values.setdefault((section, key), []).append(value)
        else:
            self.values.pop((section, key), None)

    def expand(self, value: str, instance: str) -> str:
        stem = self.name.rsplit(".", 1)[0]
        for specifier, text in {
            "%i": instance,
            "%I": instance,
            "%n": self.name,
            "%N": stem,
            "%p": stem.split("@")[0],
        }.items():
            value = value.replace(specifier, text)
        return value.replace("%%", "%")


def full_name(name: str) -> str:
    """`docker` is `docker.service`."""
    return name if "." in name and name.rsplit(".", 1)[1] in KINDS else name + ".service"


KINDS = ("service", "timer", "target", "socket", "path", "mount", "slice", "device", "scope", "swap", "automount")


def find_file(name: str) -> Path | None:
    return next((folder / name for folder in FOLDERS if (folder / name).exists()), None)


def template(name: str) -> tuple[str, str]:
    """`a@b.service` -> (`a@.service`, `b`)."""
    stem, kind = name.rsplit(".", 1)
    base, _, instance = stem.partition("@")
    return f"{base}@.{kind}", instance


def is_masked(name: str) -> bool:
    return any((folder / name).is_symlink() and (folder / name).readlink() == Path("/dev/null") for folder in FOLDERS)


def load(name: str) -> Unit | None:
    """The unit, or None when there is no file of it (an alias is followed)."""
    file, instance = find_file(name), ""
    if file is None and "@" in name:
        pattern, instance = template(name)
        file = find_file(pattern)
    if file is None or is_masked(name):
        return None
    unit = Unit(file.resolve().name if file.is_symlink() and "@" not in name else name, file)
    unit.read(file.read_text(errors="replace"), instance)
    for folder in reversed(FOLDERS):
        for drop_in in sorted((folder / (name + ".d")).glob("*.conf")):
            unit.read(drop_in.read_text(errors="replace"), instance)
    return unit


def links(unit: Unit) -> list[Path]:
    """The links that enabling the unit makes."""
    wanted = [ETC / f"{target}.wants" / unit.name for target in unit.names("Install", "WantedBy")]
    required = [ETC / f"{target}.requires" / unit.name for target in unit.names("Install", "RequiredBy")]
    return wanted + required + [ETC / alias for alias in unit.names("Install", "Alias")]


def enabled_at_boot() -> list[str]:
    """Names of the units that the boot targets want."""
    found = [link.name for target in TARGETS for link in sorted((ETC / f"{target}.wants").glob("*"))]
    return list(dict.fromkeys(found))


def file_state(name: str) -> str:
    """What `systemctl is-enabled` prints; empty when there is no such unit."""
    if is_masked(name):
        return "masked"
    unit = load(name)
    if unit is None:
        return ""
    places = links(unit) + [ETC / f"{target}.wants" / name for target in TARGETS]
    if any(place.is_symlink() for place in places):
        return "enabled"
    return "disabled" if links(unit) else "static"


def split_command(line: str) -> tuple[list[str], bool]:
    """An Exec line as argv, and whether its failure is to be ignored (the prefix `-`)."""
    bare = line.lstrip("-@:+!")
    return shlex.split(bare), "-" in line[: len(line) - len(bare)]
