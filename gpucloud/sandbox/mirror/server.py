"""The mirror's WSGI application: every address that a bootstrap script fetches from, with simulated contents."""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from gpucloud.sandbox.mirror import aptrepo, ubuntu, vendors
from gpucloud.sandbox.mirror.signing import Signer
from gpucloud.sandbox.mirror.torch_wheels import INDEXES, TorchWheels
from gpucloud.sandbox.mirror.wheels import page, uv_wheel

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

Files = dict[str, bytes | Path]
# What each area of the mirror looks like depends on these faults only.
FAULTS = {
    "ubuntu": ("no-module-for-kernel", "stage-driver-fails"),
    "cuda": ("stage-driver-fails",),
    "toolkit": ("toolkit-missing",),
    "pypi": ("cpu-wheel",),
    "torch": ("cpu-wheel",),
}
MODIFIED = "Thu, 01 Jan 2026 00:00:00 GMT"
CHUNK = 1 << 20
PIECE = 1.0
"""Seconds between two pieces of a slow download; uv gives up after 30 s of silence, apt after 30."""


class Mirror:
    """Serves the archives; builds each when it is first asked for. `root` keeps the key and what is costly to make.

    A path may begin with /with/KEY=VALUE,…/: `fault` breaks the archive in one of the known ways; `apt` and `torch`
    are the seconds that the package lists and a torch wheel take.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.signer = Signer(root / "mirror.pgp")
        self._areas: dict[tuple[str, str], Files] = {}
        self._lock = threading.Lock()

    def app(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer GET and HEAD."""
        options, area, name = split(str(environ.get("PATH_INFO", "")))
        found = self.files(area, options.get("fault", "")).get(name)
        if found is None:
            return answer(start_response, "404 Not Found", b"no such file in the sandbox's mirror [simulated]\n")
        if environ.get("HTTP_IF_MODIFIED_SINCE") == MODIFIED and isinstance(found, bytes) and "dists/" in name:
            return answer(start_response, "304 Not Modified", b"")
        body = deliver(start_response, found, name, environ["REQUEST_METHOD"])
        seconds = delay(area, name, options)
        return trickle(body, seconds) if seconds else body

    def files(self, area: str, fault: str = "") -> Files:
        """All files of one area (`ubuntu`, `docker`, …) under a fault; empty for an area that does not exist."""
        fault = fault if fault in FAULTS.get(area, ()) else ""
        with self._lock:
            if (area, fault) not in self._areas:
                self._areas[area, fault] = self._build(area, fault)
            return self._areas[area, fault]

    def _build(self, area: str, fault: str) -> Files:
        makers: dict[str, Callable[[str], aptrepo.Files]] = {
            "ubuntu": self._ubuntu,
            "docker": self._docker,
            "toolkit": self._toolkit,
            "cuda": self._cuda,
            "torch": lambda fault: merged(TorchWheels(bool(fault)).index(build) for build in INDEXES),
        }
        if area == "pypi":
            return self._pypi(fault)
        return {**makers[area](fault)} if area in makers else {}

    def _ubuntu(self, fault: str) -> aptrepo.Files:
        suites = merged(self._ubuntu_suites(codename, fault) for codename in ubuntu.UBUNTU)
        return suites | {"archive-key.asc": self.signer.public_key()}

    def _ubuntu_suites(self, codename: str, fault: str) -> aptrepo.Files:
        """Everything is in the release pocket; the others are there because every sources.list names them."""
        main = [*vendors.base(), *ubuntu.kernel_archive(codename, fault)]
        restricted = ubuntu.restricted(codename, fault)
        components = {"main": main, "restricted": restricted, "universe": (), "multiverse": ()}
        files = aptrepo.suite(codename, codename, "Ubuntu", components, self.signer)
        for pocket in ("updates", "security"):
            empty: dict[str, tuple[()]] = dict.fromkeys(components, ())
            files |= aptrepo.suite(f"{codename}-{pocket}", codename, "Ubuntu", empty, self.signer)
        return files

    def _docker(self, fault: str) -> aptrepo.Files:
        suites = (
            aptrepo.suite(name, name, "Docker", {"stable": vendors.docker(name)}, self.signer) for name in ubuntu.UBUNTU
        )
        return merged(suites) | {"gpg": self.signer.public_key()}

    def _toolkit(self, fault: str) -> aptrepo.Files:
        files = aptrepo.flat("https://nvidia.github.io/libnvidia-container", vendors.toolkit(fault), self.signer)
        every = {f"stable/deb/{arch}/{name}": body for arch in aptrepo.ARCHITECTURES for name, body in files.items()}
        return every | {"gpgkey": self.signer.public_key()}

    def _cuda(self, fault: str) -> aptrepo.Files:
        return aptrepo.flat("NVIDIA", vendors.cuda(fault), self.signer) | {"3bf863cc.pub": self.signer.public_key()}

    def _pypi(self, fault: str) -> Files:
        wheel = uv_wheel(self.root / "wheels")
        with wheel.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        link = f'<a href="{wheel.name}#sha256={digest}">{wheel.name}</a>\n'
        uv: Files = {"simple/uv/": page("uv", link), f"simple/uv/{wheel.name}": wheel}
        return {**TorchWheels(bool(fault)).pypi(), **uv}


def merged(parts: Iterable[aptrepo.Files]) -> aptrepo.Files:
    return {name: body for part in parts for name, body in part.items()}


def split(path: str) -> tuple[dict[str, str], str, str]:
    """/with/fault=cpu-wheel/pypi/simple/ -> ({fault: cpu-wheel}, pypi, simple/)."""
    parts, options = path.lstrip("/").split("/"), {}
    if parts[0] == "with" and len(parts) > 2:
        options = dict(part.partition("=")[::2] for part in parts[1].split(","))
        parts = parts[2:]
    return options, parts[0], "/".join(part for part in parts[1:] if part != ".")


def delay(area: str, name: str, options: dict[str, str]) -> float:
    """Seconds that a file takes: `apt` for Ubuntu's package lists as a whole, `torch` for a wheel."""
    if area == "ubuntu" and name in [f"dists/{codename}/InRelease" for codename in ubuntu.UBUNTU]:
        return float(options.get("apt", 0))
    is_torch = area in ("pypi", "torch") and "/torch-" in name and name.endswith(".whl")
    return float(options.get("torch", 0)) if is_torch else 0.0


def answer(start_response: StartResponse, status: str, body: bytes) -> list[bytes]:
    start_response(status, [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
    return [body]


def deliver(start_response: StartResponse, found: bytes | Path, name: str, method: str) -> Iterable[bytes]:
    size = found.stat().st_size if isinstance(found, Path) else len(found)
    kind = "text/html" if name.endswith("/") else "application/octet-stream"
    start_response("200 OK", [("Content-Type", kind), ("Content-Length", str(size)), ("Last-Modified", MODIFIED)])
    if method == "HEAD":
        return []
    return chunks(found) if isinstance(found, Path) else [found]


def trickle(body: Iterable[bytes], seconds: float) -> Iterator[bytes]:
    """The body spread over the time it takes, as a slow download is: clients give up on a server that says nothing."""
    data = b"".join(body)
    pieces = max(1, min(len(data), round(seconds / PIECE)))
    for number in range(pieces):
        time.sleep(seconds / pieces)  # the duration that the scenario asks for, not a wait for something
        yield data[number * len(data) // pieces : (number + 1) * len(data) // pieces]


def chunks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while block := file.read(CHUNK):
            yield block
