"""Verify one machine over a Remote: one round trip, then pure checks."""

from __future__ import annotations

import json
from importlib.resources import files
from pathlib import Path
from typing import Any

from gpucloud.errors import GpucloudError
from gpucloud.remote.base import Remote, Result
from gpucloud.verify.checks import check_all
from gpucloud.verify.expectation import DOCKER, TORCH, Expectation
from gpucloud.verify.facts import Document, Facts
from gpucloud.verify.report import Report

# Seconds. The probe limits each of its commands; these only catch a machine that stopped answering.
QUICK_LIMIT, DEEP_LIMIT = 420.0, 900.0
SCHEMA = 1


def verify(
    remote: Remote, expectation: Expectation, *, deep: bool = False, machine: str = "", image: str = ""
) -> tuple[Document, Report]:
    """The machine's facts and the report on them. `image` is what to run nvidia-smi in, instead of the default.

    Raises RemoteUnreachable when the transport is lost, GpucloudError when the probe gives no facts.
    """
    argv = ["python3", "-", *options(expectation, deep, image)]
    limit = DEEP_LIMIT if deep else QUICK_LIMIT
    facts = parse(remote.run(argv, timeout=limit, stdin=probe_source(), sudo=True))
    return facts, judge(facts, expectation, machine)


def judge(facts: Document, expectation: Expectation, machine: str = "") -> Report:
    """The report on a facts document. Pure."""
    view = Facts(facts)
    return Report(tuple(check_all(view, expectation)), view.simulated, machine)


def options(expectation: Expectation, deep: bool, image: str) -> list[str]:
    """The probe's arguments: what is not expected is not probed."""
    skip = [section for layer, section in ((TORCH, "torch"), (DOCKER, "container")) if layer not in expectation.layers]
    chosen = ["--deep"] if deep else []
    chosen += ["--skip", ",".join(skip)] if skip else []
    return chosen + (["--image", image] if image else [])


def probe_source() -> bytes:
    """bootstrap/probe.py: inside the package once installed, beside it in a checkout."""
    installed = files("gpucloud") / "bootstrap" / "probe.py"
    if installed.is_file():
        return installed.read_bytes()
    return (Path(__file__).parents[2] / "bootstrap" / "probe.py").read_bytes()


def parse(result: Result) -> dict[str, Any]:
    """The facts document in the probe's output: its last line, since a login may print before it."""
    last = result.stdout.decode(errors="replace").strip().rpartition("\n")[2]
    try:
        document = json.loads(last)
    except ValueError as error:
        raise no_facts(result) from error
    if not isinstance(document, dict) or document.get("schema") != SCHEMA:
        raise no_facts(result)
    return document


def no_facts(result: Result) -> GpucloudError:
    said = (result.stderr or result.stdout).decode(errors="replace").strip().splitlines()
    why = said[-1] if said else "it printed nothing"
    if result.rc == 127:
        remedy = "install python3 (3.8 or newer) on the machine"
    else:
        remedy = "check that the login may use sudo without a password and that `python3 --version` is 3.8 or newer"
    return GpucloudError(f"the probe gave no facts (exit code {result.rc})", why, remedy)
