from __future__ import annotations

import hashlib
import re
import shutil
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from gpucloud.sandbox.mirror import Mirror, guest_files
from gpucloud.sandbox.mirror.deb import Package
from gpucloud.sandbox.mirror.server import split, trickle
from tests.sandbox_mirror.machines import hardware

AREAS = ("ubuntu", "docker", "toolkit", "cuda", "pypi", "torch")


def get(url: str) -> bytes:
    with urllib.request.urlopen(url, timeout=10) as answer:
        body: bytes = answer.read()
    return body


def stanzas(listing: bytes) -> dict[str, dict[str, str]]:
    """Packages by name."""
    entries = [
        dict(line.split(": ", 1) for line in text.splitlines()) for text in listing.decode().split("\n\n") if text
    ]
    return {entry["Package"]: entry for entry in entries}


def test_the_whole_mirror_is_built_fast(tmp_path: Path) -> None:
    """0.3 s alone on a 2-core machine, 0.5 s with uv's wheel; the limit leaves room for a busy one."""
    mirror, begin = Mirror(tmp_path), time.monotonic()
    assert all(mirror.files(area) for area in AREAS)
    assert time.monotonic() - begin < 5


def test_a_package_is_the_same_bytes_each_time() -> None:
    package = Package(
        "nvidia-utils-580-server", "580.95.05-0ubuntu0.22.04.1", files={"/usr/bin/nvidia-smi": "#!/bin/sh\n"}
    )
    assert package.build() == package.build()


@pytest.mark.skipif(not shutil.which("dpkg-deb"), reason="no dpkg here")
def test_dpkg_reads_a_package(tmp_path: Path) -> None:
    deb = tmp_path / "x.deb"
    deb.write_bytes(Package("x", "1", "libc6", {"/usr/bin/x": "#!/bin/sh\n"}, {"postinst": "#!/bin/sh\n"}).build())
    listing = subprocess.run(["dpkg-deb", "--contents", deb], capture_output=True, text=True, check=True).stdout
    fields = subprocess.run(["dpkg-deb", "--field", deb], capture_output=True, text=True, check=True).stdout
    assert re.search(r"-rwxr-xr-x 0/0 +10 .* \./usr/bin/x\n", listing)
    assert "Depends: libc6\n" in fields
    assert "Description: [simulated]" in fields


def test_every_simulated_package_says_so(mirror: Mirror) -> None:
    for area, name in (("ubuntu", "dists/jammy/restricted/binary-amd64/Packages"), ("cuda", "Packages")):
        body = mirror.files(area)[name]
        assert isinstance(body, bytes)
        found = stanzas(body)
        assert found
        assert all(entry["Description"].startswith("[simulated]") for entry in found.values())


@pytest.mark.parametrize("cloud", ["aws", "azure"])
@pytest.mark.parametrize("branch", ["470", "535", "570", "580", "595"])
def test_every_branch_has_modules_for_the_running_and_the_newest_kernel(
    mirror_url: str, branch: str, cloud: str
) -> None:
    found = stanzas(get(f"{mirror_url}/ubuntu/dists/jammy/main/binary-amd64/Packages"))
    stem = f"linux-modules-nvidia-{branch}-server"
    assert {f"{stem}-6.8.0-1035-{cloud}", f"{stem}-6.8.0-1036-{cloud}", f"{stem}-{cloud}"} <= set(found)
    assert (f"{stem}-open-6.8.0-1035-{cloud}" in found) is (branch != "470")
    for line in (cloud, f"{cloud}-6.8"):
        assert f"linux-modules-nvidia-{branch}-server-6.8.0-1036-{cloud}" in found[f"{stem}-{line}"]["Depends"]


@pytest.mark.parametrize(
    ("codename", "versions"),
    [
        ("jammy", {"aws": "6.8.0-1036.38~22.04.1", "azure": "6.8.0-1036.41~22.04.1"}),
        ("noble", {"aws": "6.8.0-1036.38", "azure": "6.8.0-1036.41"}),
    ],
)
def test_the_metapackages_of_a_kernel_have_its_version(
    mirror_url: str, codename: str, versions: dict[str, str]
) -> None:
    found = stanzas(get(f"{mirror_url}/ubuntu/dists/{codename}/main/binary-amd64/Packages"))
    for cloud, version in versions.items():
        for name in (f"linux-{cloud}", f"linux-image-{cloud}-6.8", f"linux-image-6.8.0-1036-{cloud}"):
            assert found[name]["Version"] == version


def test_noble_has_its_own_versions(mirror_url: str) -> None:
    found = stanzas(get(f"{mirror_url}/ubuntu/dists/noble/restricted/binary-arm64/Packages"))
    assert found["nvidia-utils-580-server"]["Version"] == "580.95.05-0ubuntu0.24.04.1"


def test_all_dependencies_within_the_archive_are_met(mirror: Mirror) -> None:
    files = mirror.files("ubuntu")
    listings = [files[f"dists/jammy/{component}/binary-amd64/Packages"] for component in ("main", "restricted")]
    found = stanzas(b"".join(listing for listing in listings if isinstance(listing, bytes)))
    provided = {"kmod", "systemd", "libc6", *found}
    for entry in found.values():
        for clause in filter(None, entry.get("Depends", "").split(", ")):
            names = [choice.split(" ")[0] for choice in clause.split(" | ")]
            assert set(names) & provided, f"{entry['Package']} needs {clause}"


def test_a_misnamed_file_is_not_found(mirror_url: str) -> None:
    with pytest.raises(urllib.error.HTTPError) as caught:
        get(f"{mirror_url}/pypi/simple/pytorch/")
    assert caught.value.code == 404
    caught.value.close()


def test_fault_no_module_for_kernel_takes_modules_and_headers_away(mirror_url: str) -> None:
    found = stanzas(get(f"{mirror_url}/with/fault=no-module-for-kernel/ubuntu/dists/jammy/main/binary-amd64/Packages"))
    assert "linux-image-6.8.0-1035-aws" in found
    assert not [name for name in found if name.startswith(("linux-modules-nvidia", "linux-headers"))]


def test_fault_toolkit_missing_serves_packages_without_programs(mirror_url: str) -> None:
    address = "toolkit/stable/deb/amd64/nvidia-container-toolkit-base_1.18.0-1_all.deb"
    whole, hollow = get(f"{mirror_url}/{address}"), get(f"{mirror_url}/with/fault=toolkit-missing/{address}")
    assert len(hollow) < len(whole)


def test_the_index_names_the_hash_of_each_wheel(mirror_url: str) -> None:
    page = get(f"{mirror_url}/torch/cu126/torch/").decode()
    name, digest = re.findall(r'href="([^"#]+)#sha256=([0-9a-f]+)"', page)[0]
    assert hashlib.sha256(get(f"{mirror_url}/torch/cu126/torch/{name}")).hexdigest() == digest
    assert "%2Bcu126" in name


def test_package_lists_that_have_not_changed_are_not_sent_again(mirror_url: str) -> None:
    address = f"{mirror_url}/ubuntu/dists/jammy/InRelease"
    with urllib.request.urlopen(address, timeout=10) as answer:
        headers = {"If-Modified-Since": answer.headers["Last-Modified"]}
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(urllib.request.Request(address, headers=headers), timeout=10)
    assert caught.value.code == 304
    caught.value.close()


def test_options_are_the_first_part_of_the_path() -> None:
    path = "/with/fault=cpu-wheel,torch=45.0/pypi/simple/torch/"
    assert split(path) == ({"fault": "cpu-wheel", "torch": "45.0"}, "pypi", "simple/torch/")
    assert split("/toolkit/stable/deb/amd64/./x.deb") == ({}, "toolkit", "stable/deb/amd64/x.deb")


def test_a_guest_is_told_its_fault_and_delays_through_the_addresses(mirror_url: str) -> None:
    files = guest_files(mirror_url, hardware("cpu-wheel", latency={"apt": 12.0, "torch": 45.0, "driver": 25.0}))
    settings = dict(line.split("=", 1) for line in files["/etc/gpucloud/mirrors.env"][0].decode().splitlines())
    base = f"{mirror_url}/with/fault=cpu-wheel,apt=12.0,torch=45.0"
    assert settings["GPUCLOUD_PYPI_URL"] == f"{base}/pypi/simple"
    assert f" {base}/ubuntu jammy main" in files["/etc/apt/sources.list"][0].decode()
    assert files["/sys/bus/pci/devices/0000:00:1e.0/device"][0] == b"0x1eb8\n"


def test_the_signing_key_is_private_and_lasts(tmp_path: Path) -> None:
    first, second = Mirror(tmp_path).signer, Mirror(tmp_path).signer
    assert first.public_key() == second.public_key()
    assert (tmp_path / "mirror.pgp").stat().st_mode & 0o777 == 0o600
    assert b"BEGIN PGP PUBLIC KEY BLOCK" in first.public_key()


def test_a_slow_download_comes_in_pieces_and_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []
    monkeypatch.setattr("gpucloud.sandbox.mirror.server.time.sleep", slept.append)
    pieces = list(trickle([b"abc" * 100, b"d"], 45.0))
    assert b"".join(pieces) == b"abc" * 100 + b"d"
    assert len(pieces) == 45
    assert sum(slept) == pytest.approx(45.0)
    assert b"".join(trickle([b""], 3.0)) == b""
