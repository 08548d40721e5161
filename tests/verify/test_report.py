"""The report as text, JSON and JUnit."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any
from xml.etree import ElementTree

from gpucloud.verify.expectation import Expectation
from gpucloud.verify.junit import to_junit
from gpucloud.verify.report import Layer, Report, failed
from gpucloud.verify.run import judge

Recorded = Callable[[str], dict[str, Any]]


def test_the_summary_says_that_a_machine_is_simulated(recorded: Recorded) -> None:
    facts = recorded("ok-t4-g4dn") | {"simulated": True}
    assert judge(facts, Expectation(), "demo").summary == "demo: verified: 14 ok [simulated]"


def test_the_summary_counts_warnings_and_skipped_layers(recorded: Recorded) -> None:
    facts = recorded("pending-kernel-without-module")
    report = judge(facts, Expectation(layers=frozenset({"driver"})))
    assert report.summary == "verified: 11 ok, 1 warn, 2 skip"


def test_the_json_form_is_plain_and_complete(recorded: Recorded) -> None:
    form = judge(recorded("cpu-wheel"), Expectation(), "demo").to_dict()
    assert json.loads(json.dumps(form)) == form
    assert set(form) == {"machine", "ok", "simulated", "summary", "first_failure", "checks"}
    failure = form["first_failure"]
    assert isinstance(failure, dict) and failure["layer"] == "torch"
    assert set(failure) == {"layer", "status", "what", "cause", "remedy"}


def test_junit_has_one_testcase_per_check(recorded: Recorded) -> None:
    report = judge(recorded("uvm-missing"), Expectation(), "demo")
    (suite,) = ElementTree.fromstring(to_junit([report]))
    cases = suite.findall("testcase")
    assert len(cases) == len(report.checks) == int(suite.attrib["tests"])
    assert (suite.attrib["failures"], suite.attrib["skipped"]) == ("1", "2")
    (failure,) = suite.findall("testcase/failure")
    assert failure.attrib["message"] == "the nvidia-uvm module is not loaded"
    assert failure.text is not None and "fix: `sudo modprobe nvidia-uvm`" in failure.text


def test_a_warning_passes_in_junit_and_tells_its_story(recorded: Recorded) -> None:
    report = judge(recorded("pending-kernel-without-module"), Expectation())
    root = ElementTree.fromstring(to_junit([report]))
    assert root.findall(".//failure") == []
    assert "before the next reboot" in root.findtext(".//system-out", "")


def test_junit_takes_every_machine_and_what_tools_print() -> None:
    coloured = Report((failed(Layer.TORCH, "it <broke>", "\x1b[31mred & \x00black", "none"),), True, "one")
    root = ElementTree.fromstring(to_junit([coloured, Report(())]))
    assert [suite.attrib["name"] for suite in root] == ["one [simulated]", "machine"]
    failure = root.find(".//failure")
    assert failure is not None and failure.attrib["message"] == "[31mred & black"
