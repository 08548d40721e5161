"""Start-up loads nothing slow: checked by the list of modules, not by the clock."""

from __future__ import annotations

import subprocess
import sys

import pytest

SLOW = {
    "boto3",
    "botocore",
    "paramiko",
    "azure",
    "moto",
    "asyncssh",
    "flask",
    "rich",
    "pydantic",
    "yaml",
    "cryptography",
}


def loaded_after(code: str) -> set[str]:
    program = f"import sys\n{code}\nprint('\\n'.join(sys.modules))"
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return {name.split(".")[0] for name in ran.stdout.splitlines()}


def test_the_command_line_imports_no_sdk_and_no_rich() -> None:
    assert not loaded_after("import gpucloud.cli.app") & SLOW


@pytest.mark.parametrize("arguments", [["--help"], ["up", "--help"], ["nope"]])
def test_help_and_typing_errors_import_no_sdk_and_no_rich(arguments: list[str]) -> None:
    quiet = "import io, contextlib\nfrom gpucloud.cli.main import main\n"
    code = f"{quiet}with contextlib.redirect_stdout(io.StringIO()): main({arguments!r})"
    assert not loaded_after(code) & SLOW


def test_version_does_not_even_import_typer() -> None:
    quiet = "import io, contextlib\nfrom gpucloud.cli.main import main\n"
    code = f"{quiet}with contextlib.redirect_stdout(io.StringIO()): main(['--version'])"
    assert "typer" not in loaded_after(code)
