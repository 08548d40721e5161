"""The sandbox's own certificate authority and the certificate of its HTTPS server, kept beside the state."""

from __future__ import annotations

import os
import ssl
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
    from cryptography.x509 import Certificate, KeyUsage

VALID = timedelta(days=825)  # what Apple's verifiers accept at most of a private CA's certificate
RENEW_SECONDS = 30 * 86400.0


def context(folder: Path) -> ssl.SSLContext:
    """What the server needs to speak TLS; makes CA and certificate in `folder` if there are none that are valid yet."""
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    if not _still_good(folder / "server.pem"):
        _make(folder)
    made.load_cert_chain(folder / "server.pem", folder / "server.key")
    return made


def ca_file(folder: Path) -> Path:
    """The authority's certificate, for clients to trust."""
    return folder / "ca.pem"


def _still_good(certificate: Path) -> bool:
    # Its age says it too, without loading a library at every start.
    return certificate.exists() and datetime.now(UTC).timestamp() - certificate.stat().st_mtime < (
        VALID.total_seconds() - RENEW_SECONDS
    )


def _make(folder: Path) -> None:
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    authority_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    authority = _certificate("gpucloud sandbox CA [simulated]", authority_key, None, authority_key)
    certificate = _certificate("127.0.0.1", key, authority, authority_key)
    pem = serialization.Encoding.PEM
    secret = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    # The authority's key is forgotten: nothing else can ever be signed with it.
    for name, data, mode in (
        ("ca.pem", authority.public_bytes(pem), 0o644),
        ("server.key", secret, 0o600),
        ("server.pem", certificate.public_bytes(pem), 0o644),
    ):
        with open(os.open(folder / name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode), "wb") as file:
            file.write(data)


def _certificate(
    name: str,
    key: EllipticCurvePrivateKey,
    issuer: Certificate | None,
    issuer_key: EllipticCurvePrivateKey,
) -> Certificate:
    """A certificate with what strict verifiers ask for; without `issuer` that of the authority itself."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes
    from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

    subject, now = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]), datetime.now(UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + VALID)
        .add_extension(x509.BasicConstraints(ca=issuer is None, path_length=None), critical=True)
        .add_extension(_usage(authority=issuer is None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()), critical=False)
    )
    if issuer is not None:
        names = [x509.IPAddress(ip_address("127.0.0.1")), x509.DNSName("localhost")]
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        builder = builder.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
    return builder.sign(issuer_key, hashes.SHA256())


def _usage(authority: bool) -> KeyUsage:
    from cryptography import x509

    return x509.KeyUsage(
        digital_signature=not authority,
        key_cert_sign=authority,
        crl_sign=authority,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )
