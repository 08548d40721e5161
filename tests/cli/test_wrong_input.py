"""Wrong input: one clear error with its remedy, the right exit code, and no cloud was asked."""

from __future__ import annotations

from pathlib import Path

import pytest

from gpucloud.errors import ExitStatus
from tests.cli.conftest import Cli

CASES = {
    "unknown type": (["up", "g4dn.xlrge"], ExitStatus.USAGE, "unknown instance type g4dn.xlrge", "g4dn.xlarge"),
    "no type": (["up"], ExitStatus.USAGE, "what machine?", "gpucloud up g4dn.xlarge"),
    "AMD": (["up", "g4ad.xlarge"], ExitStatus.PREFLIGHT, "AMD GPU: no CUDA", "gpucloud types"),
    "retired": (["up", "p2.xlarge"], ExitStatus.PREFLIGHT, "retired", "take"),
    "no credentials": (
        ["up", "Standard_NC4as_T4_v3", "--region", "eastus"],
        ExitStatus.CREDENTIALS,
        "no Azure credentials",
        "az login",
    ),
    "a region of another cloud": (
        ["up", "g4dn.xlarge", "--region", "eastus"],
        ExitStatus.USAGE,
        "eastus: that is a region of azure, and g4dn.xlarge a type of aws",
        "--region us-east-1",
    ),
    "a type of another cloud": (
        ["up", "Standard_NC4as_T4_v3", "--cloud", "aws"],
        ExitStatus.USAGE,
        "it is a type of azure, and `cloud` is aws",
        "--cloud azure",
    ),
    "cloud and region do not fit": (
        ["up", "--gpu", "T4", "--cloud", "aws", "--region", "eastus"],
        ExitStatus.USAGE,
        "eastus is a region of azure",
        "--cloud azure",
    ),
    "no such cloud": (["ls", "--cloud", "gcp"], ExitStatus.USAGE, "the cloud gcp is not supported", "aws, azure"),
    "no such cloud for types": (["types", "--cloud", "gcp"], ExitStatus.USAGE, "the cloud gcp is not supported", "aws"),
    "no region anywhere": (
        ["up", "--gpu", "T4"],
        ExitStatus.CREDENTIALS,
        "no cloud can be asked",
        "aws: add `--region",
    ),
    "no cloud anywhere": (["ls"], ExitStatus.CREDENTIALS, "no cloud can be asked", "azure: `az login`"),
    "bad duration": (["up", "g4dn.xlarge", "--ttl", "soon"], ExitStatus.USAGE, "bad duration 'soon'", "30m, 8h"),
    "disk too small": (
        ["up", "g4dn.xlarge", "--disk", "8"],
        ExitStatus.USAGE,
        "disk of 8 GB is too small",
        "--disk 64",
    ),
    "bad name": (["up", "g4dn.xlarge", "-n", "My Box"], ExitStatus.USAGE, "'My Box' cannot be a name", "lower-case"),
    "bad --gpu": (["up", "--gpu", "T4:none"], ExitStatus.USAGE, "bad --gpu", "T4:4"),
    "nothing fits": (
        ["up", "--gpu", "T4", "--max-price", "0.01", "--region", "us-east-1"],
        ExitStatus.USAGE,
        "no instance type fits",
        "loosen",
    ),
    "no such profile": (["up", "g4dn.xlarge", "-p", "defualt"], ExitStatus.PREFLIGHT, "no profile", "default"),
    "no region": (["up", "g4dn.xlarge"], ExitStatus.PREFLIGHT, "no AWS region", "--region"),
    "down what": (["down", "--region", "us-east-1"], ExitStatus.USAGE, "take down what?", "--all"),
    "watch as json": (["ls", "--watch", "-o", "json"], ExitStatus.USAGE, "--watch", "leave out"),
    "verify what": (["verify"], ExitStatus.USAGE, "verify what?", "--local"),
    "reset unasked": (["sandbox", "reset"], ExitStatus.USAGE, "no terminal", "--yes"),
    "sandbox is off": (["sandbox", "status"], ExitStatus.NOT_FOUND, "not running", "gpucloud sandbox start"),
    "no policy": (["doctor", "--policy", "gcp"], ExitStatus.USAGE, "gcp", "aws"),
}


@pytest.mark.parametrize(("arguments", "code", "what", "remedy"), CASES.values(), ids=CASES)
def test_one_error_with_remedy_and_code(cli: Cli, arguments: list[str], code: int, what: str, remedy: str) -> None:
    ran = cli(*arguments)
    assert (ran.code, ran.out) == (code, "")
    assert ran.err.count("error: ") == 1
    assert what in ran.err
    assert remedy in ran.err


@pytest.mark.parametrize("arguments", [["nope"], ["ls", "--nope"], ["ls", "-o", "xml"], ["extend", "box"]])
def test_typing_errors_exit_2(cli: Cli, arguments: list[str]) -> None:
    ran = cli(*arguments)
    assert ran.code == ExitStatus.USAGE
    assert ran.err


def test_a_bad_profile_key_is_named_with_its_path(cli: Cli, tmp_path: Path) -> None:
    profile = tmp_path / "mine.yaml"
    profile.write_text("stages: [{id: driver, tiemout: 3}]\n")
    ran = cli("up", "g4dn.xlarge", "--region", "us-east-1", "-p", str(profile))
    assert ran.code == ExitStatus.PREFLIGHT
    assert "stages[0].tiemout: unknown key" in ran.err


def test_a_bad_config_key_is_named_with_its_file(cli: Cli, home: Path) -> None:
    folder = home / ".config" / "gpucloud"
    folder.mkdir(parents=True)
    (folder / "config.yaml").write_text("regoin: us-east-1\n")
    ran = cli("ls")
    assert ran.code == ExitStatus.PREFLIGHT
    assert "config.yaml: regoin: unknown key" in ran.err


def test_nothing_is_written_for_a_request_that_cannot_be(cli: Cli, home: Path) -> None:
    cli("up", "g4dn.xlrge", "--region", "us-east-1")
    assert not list(home.rglob("*"))
