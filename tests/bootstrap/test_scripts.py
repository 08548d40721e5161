"""What holds for every script of the bootstrap."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from tests.bootstrap.conftest import SOURCE

SCRIPTS = sorted(SOURCE.glob("**/*.sh"))
STAGES = sorted(SOURCE.glob("stages/*.sh"))


def names(paths: list[Path]) -> list[str]:
    return [path.name for path in paths]


@pytest.mark.parametrize("script", SCRIPTS, ids=names(SCRIPTS))
def test_shellcheck_has_nothing_to_say(script: Path) -> None:
    shellcheck = Path(sys.executable).with_name("shellcheck")

    result = subprocess.run([shellcheck, "-x", script], capture_output=True, text=True)

    assert result.returncode == 0, result.stdout


@pytest.mark.parametrize("stage", STAGES, ids=names(STAGES))
def test_a_stage_is_strict_and_can_be_asked_whether_there_is_something_to_do(stage: Path) -> None:
    text = stage.read_text()

    assert text.startswith("#!/usr/bin/env bash\n") and "\nset -euo pipefail\n" in text
    assert text.endswith('if [[ "${1:-}" == --check ]]; then check; else main; fi\n')


@pytest.mark.parametrize("source", sorted(SOURCE.glob("*.py")), ids=names(sorted(SOURCE.glob("*.py"))))
def test_the_python_files_import_the_standard_library_and_each_other_only(source: Path) -> None:
    own = {path.stem for path in SOURCE.glob("*.py")}
    imported: set[str] = set()
    for node in ast.walk(ast.parse(source.read_text())):
        if isinstance(node, ast.Import):
            imported.update(alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            imported.add((node.module or "").split(".")[0])

    assert imported <= own | set(sys.stdlib_module_names)
