"""Wheels in pure Python, and the simple indexes that serve them (PEP 503, with hashes and PEP 658 metadata)."""

from __future__ import annotations

import base64
import hashlib
import io
import zipfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from html import escape
from importlib import resources
from importlib.metadata import Distribution, distribution
from pathlib import Path
from urllib.parse import quote

Files = dict[str, bytes]
EPOCH = (1980, 1, 1, 0, 0, 0)
SIMULATED = resources.files("gpucloud.sandbox.mirror")


@dataclass(frozen=True)
class Wheel:
    """A pure Python wheel. `files` are by path in site-packages."""

    name: str
    version: str
    files: Mapping[str, bytes] = field(default_factory=dict)
    requires_python: str = ">=3.8"

    @property
    def filename(self) -> str:
        return f"{self.name}-{self.version}-py3-none-any.whl"

    def metadata(self) -> bytes:
        head = {"Metadata-Version": "2.1", "Name": self.name, "Version": self.version}
        head |= {"Summary": f"[simulated] {self.name}", "Requires-Python": self.requires_python}
        return "".join(f"{key}: {value}\n" for key, value in head.items()).encode()

    def build(self) -> bytes:
        """The .whl file: the same input gives the same bytes."""
        info = f"{self.name}-{self.version}.dist-info"
        tags = b"Wheel-Version: 1.0\nGenerator: gpucloud\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        return pack({**self.files, f"{info}/METADATA": self.metadata(), f"{info}/WHEEL": tags}, info)


def pack(files: Mapping[str, bytes], info: str, executables: Iterable[str] = ()) -> bytes:
    """A zip of the files with their RECORD; stored, because unpacking time counts and size does not."""
    lines = [f"{name},sha256={record_hash(body)},{len(body)}\n" for name, body in files.items()]
    record = "".join([*lines, f"{info}/RECORD,,\n"]).encode()
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name, body in {**files, f"{info}/RECORD": record}.items():
            entry = zipfile.ZipInfo(name, EPOCH)
            entry.external_attr = (0o755 if name in executables else 0o644) << 16
            archive.writestr(entry, body)
    return buffer.getvalue()


def record_hash(body: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(body).digest()).rstrip(b"=").decode()


def project(wheels: Iterable[Wheel], folder: str) -> Files:
    """The page of one project and its wheels, under FOLDER/NAME/."""
    files, links, name = Files(), "", ""
    for wheel in wheels:
        name, body, metadata = wheel.name, wheel.build(), wheel.metadata()
        files |= {f"{folder}/{name}/{wheel.filename}": body, f"{folder}/{name}/{wheel.filename}.metadata": metadata}
        links += link(wheel.filename, body, wheel.requires_python, metadata)
    return {f"{folder}/{name}/": page(name, links)} | files


def link(filename: str, body: bytes, requires_python: str, metadata: bytes) -> str:
    digest, about = (hashlib.sha256(data).hexdigest() for data in (body, metadata))
    return (
        f'<a href="{quote(filename)}#sha256={digest}" data-requires-python="{escape(requires_python)}" '
        f'data-core-metadata="sha256={about}" data-dist-info-metadata="sha256={about}">{filename}</a><br>\n'
    )


def page(title: str, links: str) -> bytes:
    head = f'<meta name="pypi:repository-version" content="1.0"><title>{title} [simulated]</title>'
    return f"<!DOCTYPE html><html><head>{head}</head><body>\n{links}</body></html>".encode()


def uv_wheel(cache: Path) -> Path:
    """The installed uv packed as the wheel that it came from: the real binary. Kept in `cache` by version.

    Raises PackageNotFoundError where uv is not installed.
    """
    found = distribution("uv")
    tags = [line.split(": ")[1] for line in (found.read_text("WHEEL") or "").splitlines() if line.startswith("Tag: ")]
    platforms = ".".join(tag.rsplit("-", 1)[1] for tag in tags)
    target = cache / f"uv-{found.version}-py3-none-{platforms}.whl"
    if not target.exists():
        cache.mkdir(parents=True, exist_ok=True)
        part = target.with_suffix(".part")
        part.write_bytes(repack(found))
        part.replace(target)
    return target


def repack(found: Distribution) -> bytes:
    """An installed distribution as a wheel. What lies outside site-packages are its scripts."""
    info, scripts = f"uv-{found.version}.dist-info", f"uv-{found.version}.data/scripts/"
    left_out = ("RECORD", "INSTALLER", "REQUESTED", "direct_url.json", "uv_cache.json")
    files, executables = Files(), set()
    for path in found.files or ():
        if path.name in left_out or path.suffix == ".pyc":
            continue
        name = scripts + path.name if path.parts[0] == ".." else str(path)
        files[name] = Path(str(path.locate())).read_bytes()
        if name.startswith(scripts):
            executables.add(name)
    return pack(files, info, executables)
