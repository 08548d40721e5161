"""Look-ups in the facts document of `bootstrap/probe.py`. It may lack anything: a section may have been skipped."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

Document = Mapping[str, Any]
# What the sandbox's commands write to stderr.
SIMULATED = "[simulated]"
KERNEL_TIME = re.compile(r"^\[ *[\d.]+\] ")


@dataclass(frozen=True)
class Command:
    """How a command of the probe ended. rc None: not run; 127: there is no such command; 124: no answer in time."""

    rc: int | None
    stdout: str = ""
    stderr: str = ""

    @property
    def ok(self) -> bool:
        return self.rc == 0

    @property
    def text(self) -> str:
        """Everything that it said. nvidia-smi writes its errors to stdout, docker to stderr."""
        return "\n".join(part for part in (self.stdout, self.stderr) if part)

    @property
    def last_line(self) -> str:
        """The last line that it said, which is where most tools put the reason. A sandbox's own mark is no reason."""
        lines = [line.strip() for line in self.text.splitlines()]
        return next((line for line in reversed(lines) if line not in ("", SIMULATED)), "")


class Facts:
    """One facts document, addressed by dotted paths: ``facts.text("kernel.running")``.

    What is not there is empty: "", None, a Command with rc None, an empty list. Checks decide what that means.
    """

    def __init__(self, document: Document) -> None:
        self.document = document

    def get(self, path: str) -> Any:
        value: Any = self.document
        for key in path.split("."):
            value = value.get(key) if isinstance(value, Mapping) else None
        return value

    def text(self, path: str) -> str:
        value = self.get(path)
        return value if isinstance(value, str) else ""

    def rows(self, path: str) -> list[Any]:
        value = self.get(path)
        return value if isinstance(value, list) else []

    def command(self, path: str) -> Command:
        value = self.get(path)
        if not isinstance(value, Mapping):
            return Command(None)
        return Command(value.get("rc"), value.get("stdout", ""), value.get("stderr", ""))

    @property
    def simulated(self) -> bool:
        """The machine's GPU is a sandbox's."""
        return bool(self.get("simulated"))

    @property
    def kernel(self) -> str:
        return self.text("kernel.running")

    @property
    def gpus(self) -> list[dict[str, str]]:
        """One mapping per GPU that nvidia-smi listed, keyed by the names of its query fields."""
        return self.rows("smi.gpus")

    @property
    def loaded_version(self) -> str:
        return self.text("module.loaded_version")

    @property
    def userspace_version(self) -> str:
        return self.text("module.userspace_version")

    def is_loaded(self, module: str) -> bool:
        return module in self.rows("module.loaded")

    def xids(self, codes: frozenset[int]) -> list[Mapping[str, Any]]:
        """The kernel log's Xid events with one of these codes, oldest first."""
        return [xid for xid in self.rows("kernel_log.xids") if xid["code"] in codes]

    def logged(self, text: str, *, last: bool = False) -> str:
        """The first (or last) line of the kernel log that contains `text`, without its time, or an empty string."""
        found = [line for line in self.rows("kernel_log.lines") if text in line]
        return KERNEL_TIME.sub("", found[-1 if last else 0]) if found else ""
