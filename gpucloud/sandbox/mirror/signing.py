"""The mirror's OpenPGP key: one for each sandbox, so that apt's `signed-by` is exercised with real signatures."""

from __future__ import annotations

import os
from pathlib import Path

KEY_OWNER = "gpucloud sandbox mirror [simulated] <sandbox@gpucloud.invalid>"


class Signer:
    """Signs with the key in `path`; makes the key (mode 0600) when there is none yet."""

    def __init__(self, path: Path) -> None:
        from pysequoia import Tsk

        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
                file.write(bytes(Tsk.generate(KEY_OWNER)))
        self._key = Tsk.from_bytes(path.read_bytes())

    def public_key(self) -> bytes:
        """The ASCII-armoured public key, as a vendor's `gpg` file has it."""
        return str(self._key.extract_certificate()).encode()

    def clear(self, text: bytes) -> bytes:
        """`text` inside a clear-text signature: an InRelease file."""
        from pysequoia import SignatureMode, sign

        return sign(self._key.signer(), text, mode=SignatureMode.CLEAR)

    def detached(self, text: bytes) -> bytes:
        """The armoured signature alone: a Release.gpg file."""
        from pysequoia import SignatureMode, sign

        return sign(self._key.signer(), text, mode=SignatureMode.DETACHED)
