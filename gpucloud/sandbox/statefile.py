"""What a cloud keeps on disk from one daemon to the next."""

from __future__ import annotations

import os
import pickle
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class StateFile:
    """A cloud's whole state in one file. Another `version` is another format, which is not read."""

    path: Path
    version: int

    def write(self, state: dict[str, Any]) -> None:
        """Replace what is there, atomically."""
        fresh = self.path.with_suffix(".new")
        # User data holds the machines' private host keys: for the owner's eyes only.
        with open(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            pickle.dump({"version": self.version, **state}, file)
        os.replace(fresh, self.path)

    def read(self) -> dict[str, Any] | None:
        """The state of an earlier daemon; None when there is none of this version."""
        if not self.path.exists():
            return None
        state: dict[str, Any] = pickle.loads(self.path.read_bytes())
        return state if state["version"] == self.version else None
