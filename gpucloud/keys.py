"""SSH keys of one machine: made here, so that its host key is known before the first connection."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass


class Secret(str):
    """Text that shows as `***` wherever it would be printed; `reveal` is the only way to see it."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "***"

    __str__ = __repr__

    def __format__(self, spec: str) -> str:
        return format("***", spec)

    def reveal(self) -> str:
        """The text itself."""
        return "".join(self)


@dataclass(frozen=True)
class KeyPair:
    """An ed25519 pair: `private` as OpenSSH PEM without a passphrase, `public` as `ssh-ed25519 AAAA…`."""

    private: Secret
    public: str


def new_keypair() -> KeyPair:
    """A fresh ed25519 pair."""
    # Imported on use: cryptography costs 0.1 s, and most commands make no key.
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

    key = Ed25519PrivateKey.generate()
    private = key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption())
    public = key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH)
    return KeyPair(Secret(private.decode()), public.decode())


def fingerprint(public: str) -> str:
    """The fingerprint of a public key line, as `ssh-keygen -l` shows it: `SHA256:…`."""
    blob = base64.b64decode(public.split()[1])
    return "SHA256:" + base64.b64encode(hashlib.sha256(blob).digest()).decode().rstrip("=")
