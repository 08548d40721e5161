#!/usr/bin/env python3
"""fetch_uv.py INDEX_URL TARGET: put the newest `uv` binary of a package index at TARGET.

Reads the index's simple HTML page (PEP 503), takes the wheel for this machine, and refuses it unless its sha256 is the
one that the index names. There is no pip on a stock cloud image, and this needs none.
"""

from __future__ import annotations

import hashlib
import io
import os
import platform
import re
import sys
import urllib.parse
import urllib.request
import zipfile
from html.parser import HTMLParser
from pathlib import Path
from typing import List, Optional, Tuple

TIMEOUT = 60
"""Seconds without an answer."""
WHEEL = re.compile(r"/uv-(\d+(?:\.\d+)*)-py3-none-\S*manylinux\S*\.whl$")


class _Links(HTMLParser):
    """The targets of every link that is not yanked."""

    def __init__(self) -> None:
        super().__init__()
        self.found: List[str] = []

    def handle_starttag(self, tag: str, attrs: List[Tuple[str, Optional[str]]]) -> None:
        values = dict(attrs)
        if tag == "a" and values.get("href") and "data-yanked" not in values:
            self.found.append(values["href"] or "")


def newest_wheel(page: str, base: str, machine: str) -> Tuple[str, str]:
    """The address and the sha256 of the newest release's wheel for `machine`. Raises LookupError if there is none."""
    links = _Links()
    links.feed(page)
    candidates = []
    for href in links.found:
        url, _, fragment = urllib.parse.urljoin(base, href).partition("#")
        match = WHEEL.search(url)
        if match and url.endswith(f"_{machine}.whl") and fragment.startswith("sha256="):
            release = tuple(int(part) for part in match.group(1).split("."))
            candidates.append((release, url, fragment[len("sha256=") :]))
    if not candidates:
        raise LookupError(f"{base} has no uv wheel with a sha256 for {machine}")
    return max(candidates)[1:]


def _get(url: str) -> bytes:
    request = urllib.request.Request(url, headers={"Accept": "text/html"})
    with urllib.request.urlopen(request, timeout=TIMEOUT) as answer:
        data: bytes = answer.read()
    return data


def _install(wheel: bytes, target: Path) -> None:
    with zipfile.ZipFile(io.BytesIO(wheel)) as archive:
        name = next(name for name in archive.namelist() if name.endswith(".data/scripts/uv"))
        binary = archive.read(name)
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_suffix(".part")
    part.write_bytes(binary)
    part.chmod(0o755)
    os.replace(part, target)


def main(index: str, target: str) -> int:
    """Fetch, check, install. Exit code 1 if the wheel is not the one that the index describes."""
    base = f"{index.rstrip('/')}/uv/"
    url, expected = newest_wheel(_get(base).decode(), base, platform.machine())
    wheel = _get(url)
    if hashlib.sha256(wheel).hexdigest() != expected:
        print(f"error: {url} does not have the sha256 that the index names", file=sys.stderr)
        return 1
    _install(wheel, Path(target))
    print(f"uv from {url}")
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main(*sys.argv[1:]))
    except (LookupError, OSError) as exc:
        sys.exit(f"error: {exc}")
