"""verify over a Remote: one round trip, the right arguments, clear errors."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from gpucloud.errors import GpucloudError
from gpucloud.remote.base import Result
from gpucloud.verify.checks.pci import NO_GPU
from gpucloud.verify.expectation import DRIVER, Expectation
from gpucloud.verify.run import parse, probe_source, verify

pytestmark = pytest.mark.slow  # each test starts processes of its own

BARE = Expectation(layers=frozenset({DRIVER}))


class Here:
    """A Remote that runs commands on this machine, as whoever runs the tests, and counts them."""

    def __init__(self) -> None:
        self.calls: list[tuple[tuple[str, ...], bool]] = []

    def run(
        self,
        argv: Sequence[str],
        *,
        timeout: float,
        stdin: bytes = b"",
        sudo: bool = False,
        on_line: Callable[[str], None] | None = None,
    ) -> Result:
        self.calls.append((tuple(argv), sudo))
        done = subprocess.run(argv, input=stdin, capture_output=True, timeout=timeout, check=False)
        return Result(tuple(argv), done.returncode, done.stdout, done.stderr)

    def put(self, data: bytes, path: str, mode: int = 0o644) -> None:
        raise AssertionError("verify uploads nothing")

    def get(self, path: str) -> bytes:
        raise AssertionError("verify downloads nothing")

    def close(self) -> None:
        pass


def test_a_verify_is_one_round_trip_with_sudo() -> None:
    here = Here()
    facts, report = verify(here, BARE, machine="demo")
    assert here.calls == [(("python3", "-", "--skip", "torch,container"), True)]
    assert facts["skipped"] == ["container", "torch"]
    assert report.machine == "demo"


def test_deep_and_the_image_reach_the_probe() -> None:
    here = Here()
    facts, _ = verify(here, BARE, deep=True, image="registry.local/cuda:13")
    assert here.calls[0][0][2:] == ("--deep", "--skip", "torch,container", "--image", "registry.local/cuda:13")
    assert facts["deep"] is True


def test_on_a_machine_without_a_gpu_the_pci_bus_is_the_first_failure() -> None:
    facts, report = verify(Here(), BARE)
    if facts["pci"]:
        pytest.skip("this machine has an NVIDIA GPU")
    assert report.first_failure is not None
    assert report.first_failure.what == NO_GPU


def test_what_a_login_prints_before_the_facts_does_no_harm() -> None:
    stdout = b"Welcome to Ubuntu\n{not json}\n" + json.dumps({"schema": 1}).encode() + b"\n"
    assert parse(Result(("python3",), 0, stdout, b"")) == {"schema": 1}


@pytest.mark.parametrize(
    ("rc", "stdout", "stderr", "why", "remedy"),
    [
        (127, b"", b"sudo: python3: command not found", "sudo: python3: command not found", "install python3"),
        (1, b"", b"sudo: a password is required", "sudo: a password is required", "sudo without a password"),
        (0, b"hello", b"", "hello", "`python3 --version`"),
        (0, b"[]", b"", "[]", "`python3 --version`"),
        (1, b"", b"", "it printed nothing", "`python3 --version`"),
    ],
)
def test_output_that_is_no_facts_document_is_a_clear_error(
    rc: int, stdout: bytes, stderr: bytes, why: str, remedy: str
) -> None:
    with pytest.raises(GpucloudError) as caught:
        parse(Result(("python3", "-"), rc, stdout, stderr))
    assert caught.value.what == f"the probe gave no facts (exit code {rc})"
    assert caught.value.why == why
    assert remedy in caught.value.remedy


def test_the_probe_that_is_sent_is_the_one_in_bootstrap() -> None:
    source: Any = compile(probe_source(), "probe.py", "exec")
    assert source.co_filename == "probe.py"
