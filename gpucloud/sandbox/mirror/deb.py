"""Debian packages in pure Python: the same input gives the same bytes."""

from __future__ import annotations

import gzip
import hashlib
import io
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath

MAINTAINER = "gpucloud sandbox <sandbox@gpucloud.invalid>"
EXECUTABLE = 0o755


@dataclass(frozen=True)
class Package:
    """A binary package. `files` and `scripts` (postinst, …) are text by absolute path or script name.

    Files under a bin or sbin folder are executable. Every package is `Architecture: all`: what it holds is simulated
    and runs anywhere.
    """

    name: str
    version: str
    depends: str = ""
    files: Mapping[str, str] = field(default_factory=dict)
    scripts: Mapping[str, str] = field(default_factory=dict)
    fields: Mapping[str, str] = field(default_factory=dict)
    summary: str = ""
    section: str = "misc"

    @property
    def filename(self) -> str:
        return f"{self.name}_{self.version.replace(':', '%3a')}_all.deb"

    def control(self) -> str:
        """The package's control stanza."""
        lines = {
            "Package": self.name,
            "Version": self.version,
            "Architecture": "all",
            "Maintainer": MAINTAINER,
            "Section": self.section,
            "Priority": "optional",
            "Installed-Size": "1",
            "Depends": self.depends,
            **self.fields,
            "Description": f"[simulated] {self.summary or self.name}",
        }
        return "".join(f"{key}: {value}\n" for key, value in lines.items() if value)

    def build(self) -> bytes:
        """The .deb file."""
        control = {"/control": (self.control(), 0o644)}
        control |= {f"/{name}": (text, EXECUTABLE) for name, text in self.scripts.items()}
        document = f"/usr/share/doc/{self.name}/README.simulated"
        files = {document: "[simulated] This package stands in for the real one in a gpucloud sandbox.\n", **self.files}
        data = {path: (text, file_mode(path)) for path, text in files.items()}
        members = {"debian-binary": b"2.0\n", "control.tar.gz": tar_gz(control), "data.tar.gz": tar_gz(data)}
        return b"!<arch>\n" + b"".join(ar_member(name, body) for name, body in members.items())


def file_mode(path: str) -> int:
    return EXECUTABLE if PurePosixPath(path).parent.name in ("bin", "sbin") else 0o644


def ar_member(name: str, body: bytes) -> bytes:
    head = f"{name:<16}{0:<12}{0:<6}{0:<6}{100644:<8}{len(body):<10}`\n"
    return head.encode() + body + b"\n" * (len(body) % 2)


def tar_gz(files: Mapping[str, tuple[str, int]]) -> bytes:
    """A gzipped tar of the files with all their parent folders, owned by root, dated 1970."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        folders = {str(parent) for path in files for parent in PurePosixPath(path).parents} - {"/"}
        for folder in sorted(folders):
            entry = tarfile.TarInfo(f".{folder}")
            entry.type, entry.mode = tarfile.DIRTYPE, 0o755
            tar.addfile(entry)
        for path, (text, mode) in sorted(files.items()):
            entry, body = tarfile.TarInfo(f".{path}"), text.encode()
            entry.size, entry.mode = len(body), mode
            tar.addfile(entry, io.BytesIO(body))
    return gzip.compress(buffer.getvalue(), compresslevel=1, mtime=0)


def stanza(package: Package, deb: bytes, folder: str) -> str:
    """The package's entry in a Packages index; `folder` is relative to the archive's root."""
    return (
        package.control()
        + f"Filename: {folder}{package.filename}\nSize: {len(deb)}\nSHA256: {hashlib.sha256(deb).hexdigest()}\n\n"
    )
