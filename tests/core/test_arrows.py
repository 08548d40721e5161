"""The import arrows: cli → ops → the working rooms → the plain ones. Whoever breaks them should have to say so here."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "gpucloud"
PLAIN = {"errors", "machine", "durations", "resources", "waiting", "progress", "keys", "state", "parallel"}
MAY_IMPORT: dict[str, set[str]] = {
    **{room: set(PLAIN) for room in PLAIN},
    "catalog": PLAIN,
    "profile": PLAIN | {"catalog", "profile_errors"},
    "profile_errors": PLAIN,
    "plan": PLAIN | {"catalog", "profile"},
    "config": PLAIN,
    "signals": PLAIN,
    "journal": PLAIN,
    "saga": PLAIN | {"signals"},
    "money": PLAIN | {"catalog"},
    "userdata": PLAIN,
    "remote": PLAIN,
    "guest": PLAIN | {"remote"},
    "verify": PLAIN | {"remote"},
    "providers": PLAIN | {"saga", "catalog"},
    "sandbox": PLAIN | {"catalog"},
}
SDKS = {"boto3", "botocore", "paramiko", "azure", "moto", "asyncssh", "flask", "rich", "typer", "pydantic", "yaml"}
SDKS_AT_HOME = {
    "providers": {"boto3", "botocore", "azure"},
    "remote": {"paramiko"},
    "sandbox": SDKS,
    "cli": {"typer"},
    "profile": {"pydantic", "yaml"},
    "profile_errors": {"pydantic"},
}


def modules() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


def room_of(path: Path) -> str:
    parts = path.relative_to(PACKAGE).parts
    return parts[0].removesuffix(".py")


def imports(path: Path, *, only_top: bool = False) -> Iterator[str]:
    """Dotted names that a module imports; with `only_top` those that importing the module itself loads."""
    tree = ast.parse(path.read_text())
    for node in _top_level(tree) if only_top else ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module == "gpucloud":
            yield from (f"gpucloud.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module


def _top_level(tree: ast.Module) -> Iterator[ast.stmt]:
    """Statements that run on import, but not under `if TYPE_CHECKING`."""
    for node in tree.body:
        if not (isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)):
            yield node


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_arrows_point_one_way(path: Path) -> None:
    room = room_of(path)
    ours = {name.split(".")[1] for name in imports(path) if name.startswith("gpucloud.")} - {room, "__version__"}
    match room:
        case "cli" | "__init__" | "__main__":
            forbidden = ours & ({"providers", "remote"} if room == "cli" else set())
        case "ops":
            forbidden = ours & {"cli"}
        case _:
            forbidden = ours - MAY_IMPORT[room]
    assert not forbidden, f"{path.relative_to(ROOT)} must not import {forbidden}"


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_slow_libraries_are_imported_only_where_they_belong(path: Path) -> None:
    heavy = {name.split(".")[0] for name in imports(path, only_top=True)} & SDKS
    assert heavy <= SDKS_AT_HOME.get(room_of(path), set())


@pytest.mark.parametrize("path", sorted((ROOT / "bootstrap").rglob("*.py")), ids=lambda path: path.name)
def test_what_runs_on_the_machine_needs_only_the_standard_library(path: Path) -> None:
    neighbours = {each.stem for each in (ROOT / "bootstrap").glob("*.py")}
    foreign = {name.split(".")[0] for name in imports(path)} - set(sys.stdlib_module_names) - neighbours
    # The embedded torch script is text: it runs in the torch environment, not in the probe.
    assert not foreign
