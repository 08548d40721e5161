"""Scenario files: what is bundled loads, what is wrong is refused by its path."""

from __future__ import annotations

import pytest

from gpucloud.errors import ConfigError
from gpucloud.sandbox import scenario


@pytest.mark.parametrize("name", scenario.bundled())
def test_every_bundled_scenario_is_valid_and_says_what_it_is(name: str) -> None:
    assert scenario.load(name).description.endswith(".")


def test_there_is_a_scenario_for_every_fault() -> None:
    from typing import get_args

    assert {fault for fault in get_args(scenario.Fault) if fault} <= set(scenario.bundled())
    assert scenario.load("uvm-missing").fault == "uvm-missing"


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("colour: red", "colour"),
        ("state_times: {pendng: 1}", "state_times.pendng"),
        ("capacity: [{machines: 1}, {machines: -1}]", "capacity.1.machines"),
        ("throttling: [{first: 1, evry: 2}]", "throttling.0.evry"),
        ("fault: broken", "fault"),
        ("ssh_delay: soon", "ssh_delay"),
        ("quota: {L-DB2E81BA: many}", "quota.L-DB2E81BA"),
    ],
)
def test_a_wrong_key_or_value_is_named_by_its_path(text: str, path: str) -> None:
    with pytest.raises(ConfigError) as error:
        scenario.parse(text, "mine.yaml")
    assert error.value.what == "mine.yaml is wrong"
    assert error.value.why.startswith(f"{path}: ")


@pytest.mark.parametrize("text", ["[1, 2]", "a: [", "just words"])
def test_what_is_no_mapping_is_refused(text: str) -> None:
    with pytest.raises(ConfigError):
        scenario.parse(text)


def test_an_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(ConfigError) as error:
        scenario.load("nightmare")
    assert "realistic" in error.value.remedy


def test_the_last_matching_latency_counts() -> None:
    slow = scenario.parse('latency_ms: {"*": 100, "Run*": 900}')
    assert (slow.latency("DescribeImages"), slow.latency("RunInstances")) == (0.1, 0.9)


def test_the_critical_path_adds_calls_boot_and_the_longest_chain_of_installs() -> None:
    slow = scenario.parse(
        "latency_ms: {RunInstances: 1500}\nstate_times: {pending: 10}\nssh_delay: 25\n"
        "install: {apt: 12, modprobe: 3, pull: 40, torch: 45}"
    )
    chains: list[list[scenario.Step]] = [["apt", "modprobe", "pull"], ["torch"]]
    assert scenario.critical_path(slow, ["RunInstances"], chains) == pytest.approx(1.5 + 10 + 25 + 55)
