"""Reports as JUnit XML, the form that CI systems read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from xml.etree import ElementTree

from gpucloud.verify.report import Check, Report, Status


def to_junit(reports: Sequence[Report]) -> bytes:
    """One testsuite per machine, one testcase per check. A warning passes, with its cause and remedy as output."""
    root = ElementTree.Element("testsuites", name="gpucloud verify")
    for report in reports:
        root.append(suite(report))
    ElementTree.indent(root)
    document: bytes = ElementTree.tostring(root, encoding="utf-8", xml_declaration=True)
    return document


def suite(report: Report) -> ElementTree.Element:
    counts = Counter(check.status for check in report.checks)
    name = f"{report.machine or 'machine'}{' [simulated]' if report.simulated else ''}"
    element = ElementTree.Element(
        "testsuite",
        name=name,
        tests=str(len(report.checks)),
        failures=str(counts[Status.FAIL]),
        errors="0",
        skipped=str(counts[Status.SKIP]),
    )
    element.extend(case(name, check) for check in report.checks)
    return element


def case(machine: str, check: Check) -> ElementTree.Element:
    element = ElementTree.Element("testcase", classname=f"{machine}.{check.layer}", name=printable(check.what))
    story = printable("\n".join(part for part in (check.cause, check.remedy and f"fix: {check.remedy}") if part))
    if check.status is Status.FAIL:
        ElementTree.SubElement(element, "failure", message=printable(check.cause), type=check.layer.value).text = story
    elif check.status is Status.SKIP:
        ElementTree.SubElement(element, "skipped", message=printable(check.cause))
    elif check.status is Status.WARN:
        ElementTree.SubElement(element, "system-out").text = f"warning: {story}"
    return element


def printable(text: str) -> str:
    """Without the control characters that XML cannot hold: causes quote what tools printed, colours included."""
    return "".join(char for char in text if char >= " " or char in "\t\n")
