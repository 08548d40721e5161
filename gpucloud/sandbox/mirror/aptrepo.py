"""APT archives: an index for each suite, its Release file and the signatures, as a mapping of paths to bytes."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping

from gpucloud.sandbox.mirror.deb import Package, stanza
from gpucloud.sandbox.mirror.signing import Signer

ARCHITECTURES = ("amd64", "arm64")
# apt refuses a Release from the future, so the date lies before any clock that runs this.
DATE = "Thu, 01 Jan 2026 00:00:00 UTC"

Files = dict[str, bytes]


def release(fields: Mapping[str, str], indices: Mapping[str, bytes], signer: Signer) -> Files:
    """Release, InRelease and Release.gpg over the index files, which are named relative to the Release file."""
    head = {**fields, "Date": DATE, "Architectures": " ".join(ARCHITECTURES)}
    sums = "".join(f" {hashlib.sha256(body).hexdigest()} {len(body)} {name}\n" for name, body in indices.items())
    text = ("".join(f"{key}: {value}\n" for key, value in head.items()) + f"SHA256:\n{sums}").encode()
    return {"Release": text, "InRelease": signer.clear(text), "Release.gpg": signer.detached(text)}


def suite(name: str, codename: str, origin: str, components: Mapping[str, Iterable[Package]], signer: Signer) -> Files:
    """One suite under dists/NAME with its packages under pool/NAME/COMPONENT."""
    indices, files = {}, Files()
    for component, packages in components.items():
        folder = f"pool/{name}/{component}/"
        listing = ""
        for package in packages:
            deb = files[folder + package.filename] = package.build()
            listing += stanza(package, deb, folder)
        for architecture in ARCHITECTURES:
            indices[f"{component}/binary-{architecture}/Packages"] = listing.encode()
    head = {"Origin": origin, "Label": f"{origin} [simulated]", "Suite": name, "Codename": codename}
    head["Components"] = " ".join(components)
    all_files = {**indices, **release(head, indices, signer)}
    return files | {f"dists/{name}/{path}": body for path, body in all_files.items()}


def flat(origin: str, packages: Iterable[Package], signer: Signer) -> Files:
    """A flat archive, as in `deb URL /`."""
    files, listing = Files(), ""
    for package in packages:
        deb = files[package.filename] = package.build()
        listing += stanza(package, deb, "./")
    indices = {"Packages": listing.encode()}
    head = {"Origin": origin, "Label": f"{origin} [simulated]"}
    return files | indices | release(head, indices, signer)
