"""The Ubuntu packages of this machine's driver, for remedies that can be typed as they are."""

from __future__ import annotations

from gpucloud.verify.expectation import Expectation
from gpucloud.verify.facts import Facts

# The branch that drives everything from Maxwell to B300, supported to June 2028.
UNIVERSAL_BRANCH = "580"


def branch(facts: Facts, expected: Expectation) -> str:
    """The driver branch in use (580 of 580.95.05), else the expected one, else the universal one."""
    version = facts.loaded_version or facts.userspace_version
    return version.split(".")[0] or expected.driver_branch or UNIVERSAL_BRANCH


def uses_open_module(facts: Facts, expected: Expectation) -> bool:
    """The flavour of the module on this machine, else the expected one, else open, which NVIDIA recommends."""
    installed = facts.text("module.licence") + facts.text("module.proc_version")
    if installed:
        return "MIT" in installed or "Open Kernel Module" in installed
    return expected.driver_flavour != "proprietary"


def module_package(facts: Facts, expected: Expectation, kernel: str = "") -> str:
    """The precompiled module's package for a kernel (default: the running one)."""
    flavour = "-open" if uses_open_module(facts, expected) else ""
    return f"linux-modules-nvidia-{branch(facts, expected)}-server{flavour}-{kernel or facts.kernel}"
