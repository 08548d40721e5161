"""What README.md, CONTRIBUTING.md and CHANGELOG.md say is so."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
import typer

from gpucloud import __version__, config, profile
from gpucloud.catalog import listing
from gpucloud.cli import show
from gpucloud.cli.app import app
from gpucloud.cli.live import quiet
from gpucloud.cli.main import globals_first, split_command
from gpucloud.cli.render import Format
from gpucloud.config import Config
from gpucloud.errors import ExitStatus
from gpucloud.machine import Machine, Resource, State
from gpucloud.ops import planning, reap
from gpucloud.ops.context import Context
from gpucloud.ops.down import Receipt
from gpucloud.ops.request import Request
from gpucloud.ops.up import Outcome
from gpucloud.state import State as LocalState
from gpucloud.verify.report import Layer, Report, passed

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
PAGES = {name: (ROOT / name).read_text(encoding="utf-8") for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")}

FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
CODE = re.compile(r"(?<!`)`([^`\n]+)`(?!`)")
BEFORE_A_COMMAND = re.compile(r"-|run:|\$|\w+=.*")
MACHINE = Machine("demo", "i-1", "r1", "aws", "us-east-1", "us-east-1a", "g4dn.xlarge", State.RUNNING)
REPORT = Report((passed(Layer.PCI, "fine"),))
COMMANDS = typer.main.get_command(app)


def written_commands() -> Iterator[str]:
    """Every line of a README block that a user would type, and every command in running text."""
    for language, text in FENCE.findall(README):
        for line in text.replace("\\\n", " ").splitlines():
            if language in ("sh", "yaml") or line.startswith("$ "):
                yield line
    yield from (code for code in CODE.findall(FENCE.sub("", README)) if code.startswith("gpucloud "))


def gpucloud_commands(line: str) -> Iterator[list[str]]:
    """The arguments of each gpucloud call in a line of shell, or in one of YAML that holds shell."""
    lexer = shlex.shlex(line, posix=True, punctuation_chars=True)
    lexer.whitespace_split = True
    words: list[str] = []
    for token in [*lexer, ";"]:
        if token[0] not in "();<>|&":
            words.append(token)
            continue
        while words and BEFORE_A_COMMAND.fullmatch(words[0]):
            words.pop(0)
        if words[:1] == ["gpucloud"]:
            yield words[1:]
        words = []


CALLS = [call for line in written_commands() if "gpucloud" in line for call in gpucloud_commands(line)]


def parse(arguments: list[str]) -> list[str]:
    """The verbs of a command line, which the real parser accepts; no callback runs. Raises what the parser raises."""
    words, command = split_command(globals_first(arguments))
    found: Any = COMMANDS
    parent: Any = None
    verbs: list[str] = []
    while True:
        acting = {name for option in found.params if option.is_eager or option.callback for name in option.opts}
        words = [word for word in words if word not in acting]  # parsing would install shell completion
        if not words and hasattr(found, "commands"):
            return verbs
        parent = found.make_context(found.name, words, parent=parent, obj=command)
        if not hasattr(found, "commands"):
            return verbs
        name, found, words = found.resolve_command(parent, [*parent._protected_args, *parent.args])
        verbs.append(name)


def all_verbs(group: Any, before: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from all_verbs(command, (*before, name))
        elif not command.hidden:
            yield (*before, name)


def block_after(mark: str) -> str:
    return README.split(f"<!-- {mark} -->\n", 1)[1].split("\n", 1)[1].split("\n```\n", 1)[0] + "\n"


def table(name: str) -> list[list[str]]:
    """The rows of the table called so, without its heading."""
    text = README.split(f"<!-- table: {name} -->\n", 1)[1].split("\n\n", 1)[0]
    return [[cell.strip() for cell in row.strip("|").split("|")] for row in text.splitlines()[2:]]


def keys(name: str) -> list[str]:
    return [key for row in table(name) for key in CODE.findall(row[0])]


@pytest.mark.parametrize("call", CALLS, ids=" ".join)
def test_command_in_the_readme_is_one_that_the_program_takes(call: list[str]) -> None:
    assert parse(call) is not None


@pytest.mark.parametrize("call", [["upp"], ["up", "--nope"], ["ssh"], ["sandbox", "begin"], ["up", "--disk", "big"]])
def test_the_check_itself_refuses_what_the_program_refuses(call: list[str]) -> None:
    with pytest.raises(Exception, match="No such|Missing|not a valid"):
        parse(call)


def test_readme_uses_every_verb() -> None:
    assert {tuple(parse(call)) for call in CALLS} >= set(all_verbs(COMMANDS))


def test_readme_describes_every_verb_of_the_overview() -> None:
    described = {code for row in re.findall(r"^\| (`.+?) \|", README, re.MULTILINE) for code in CODE.findall(row)}
    assert described >= {verbs[0] for verbs in all_verbs(COMMANDS)}


def test_overview_is_not_cut_off() -> None:
    assert "..." not in block_after("paste: gpucloud --help").split("Commands:")[1]


def test_pasted_blocks_are_up_to_date() -> None:
    done = subprocess.run([sys.executable, ROOT / "scripts/sync-docs", "--check"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_exit_codes() -> None:
    rows = [(int(code), name.strip("`")) for code, name, _ in table("exit codes")]
    assert rows == [(status.value, status.name) for status in ExitStatus]


@pytest.fixture
def context(tmp_path: Path) -> Context:
    return Context(Config(region="us-east-1"), LocalState(tmp_path), {}, quiet)


Shown = Callable[..., Any]


@pytest.fixture
def shown(capsys: pytest.CaptureFixture[str]) -> Shown:
    """What a function of `show` prints as JSON."""

    def run(function: Callable[..., None], *arguments: Any) -> Any:
        function(*arguments, Format.JSON)
        return json.loads(capsys.readouterr().out)

    return run


def test_keys_of_a_machine(context: Context, shown: Shown) -> None:
    assert set(keys("keys of a machine")) == shown(show.machines, context, [MACHINE])[0].keys()


def test_states_of_a_machine() -> None:
    row = next(row for row in table("keys of a machine") if row[0] == "`state`")
    assert CODE.findall(row[1]) == [state.value for state in State]


def test_keys_of_up(shown: Shown) -> None:
    printed = shown(show.outcome, Outcome(MACHINE, {}, REPORT, None, 1.0))
    assert {*keys("keys of a machine"), *keys("further keys of up")} == printed.keys()


def test_keys_of_a_report(shown: Shown) -> None:
    report = shown(show.reports, [REPORT])[0]
    assert set(keys("keys of a report")) == report.keys()
    assert set(keys("keys of a check")) == report["checks"][0].keys()


def test_layers_of_a_check() -> None:
    row = next(row for row in table("keys of a check") if row[0] == "`layer`")
    assert CODE.findall(row[1]) == [layer.value for layer in Layer]


def test_keys_of_a_receipt(shown: Shown) -> None:
    resource = Resource("volume", "vol-1", "us-east-1", "r1", costs=True)
    receipt = shown(show.receipts, [Receipt("demo", "r1", "us-east-1", (resource,), ((resource, "busy"),))])[0]
    assert set(keys("keys of a receipt")) == receipt.keys()
    inner = {row[0].strip("`"): set(CODE.findall(row[1])) for row in table("keys of a receipt")}
    assert inner["gone"] == receipt["gone"][0].keys()
    assert inner["remains"] == receipt["remains"][0].keys()


def test_keys_of_a_finding() -> None:
    found = reap.Finding(reap.Kind.HALTED, "demo", "r1", "azure", "eastus", "me", "it is off", 0.5, True)
    assert set(keys("keys of a finding")) == reap.Result(found).to_dict().keys()


def test_keys_of_a_type() -> None:
    assert set(keys("keys of a type")) == {field.name for field in fields(listing.Row)}


def test_keys_of_a_plan(context: Context, shown: Shown) -> None:
    plan = planning.make(context, Request(type="g4dn.xlarge"))
    assert set(keys("keys of a plan")) == shown(show.prepared, plan, False).keys()


def test_config_example_has_every_key_with_its_default(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    text = block_after("config.yaml")
    (tmp_path / "gpucloud").mkdir()
    (tmp_path / "gpucloud/config.yaml").write_text(text)
    assert re.findall(r"^(\w+):", text, re.MULTILINE) == [*config.KEYS]
    assert config.load({}, environ={}) == Config()


def test_environment_variables() -> None:
    named = set(re.findall(r"`(GPUCLOUD_[A-Z_]+)`", README))
    assert named == {f"GPUCLOUD_{key.upper()}" for key in config.IN_ENVIRONMENT}


def test_mirror_settings() -> None:
    library = (ROOT / "bootstrap/lib.sh").read_text(encoding="utf-8")
    setting = re.compile(r"^(GPUCLOUD_\w+_URL)=", re.MULTILINE)
    assert setting.findall(README) == setting.findall(library)


def test_profile_example_is_valid_and_names_every_key(tmp_path: Path) -> None:
    text = block_after("paste: profiles/default.yaml")
    path = tmp_path / "example.yaml"
    path.write_text(text)
    assert profile.load(str(path)).stages
    for key in [*profile.Profile.model_fields, *profile.Stage.model_fields]:
        assert re.search(rf"\b{key}:", text), key


def test_changelog_and_package_have_the_same_version() -> None:
    headings = re.findall(r"^## \[(.+?)\]", PAGES["CHANGELOG.md"], re.MULTILINE)
    assert headings[:2] == ["Unreleased", __version__]


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_somewhere(page: str) -> None:
    headings = re.findall(r"^#+ (.+)$", PAGES[page], re.MULTILINE)
    anchors = {"#" + heading.lower().replace(" ", "-") for heading in headings}
    for target in re.findall(r"\]\(([^)]+)\)", PAGES[page]):
        assert target.startswith("https://") or target in anchors or (ROOT / target).exists(), target


@pytest.mark.parametrize("page", PAGES)
def test_make_targets_exist(page: str) -> None:
    targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    assert set(re.findall(r"(?:^|`|\$ )make ([a-z-]+)", PAGES[page], re.MULTILINE)) <= set(targets)
