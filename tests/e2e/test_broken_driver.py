"""Every way in which a GPU stack breaks: `up` says which one it was, and leaves no machine behind."""

from __future__ import annotations

import re

import pytest

from tests.e2e.support import Sandbox

pytestmark = pytest.mark.slow

STAGE_FAILED, VERIFY_FAILED = 7, 8

SABOTAGE = """
description: takes a module away again
stages: [system, driver, docker, torch, {id: sabotage, run: rmmod nvidia_uvm, needs: [driver, docker, torch]}]
"""


@pytest.mark.parametrize(
    ("scenario", "cause"),
    [
        ("no-module-for-kernel", "6.8.0-1035-aws"),
        ("stage-driver-fails", "dpkg: error processing package libnvidia-compute-580-server"),
        ("version-mismatch", "Driver/library version mismatch: the loaded module is version 580.82.05"),
        ("uvm-missing", "nvidia-uvm is not loaded"),
        ("gsp-xid", "Xid (PCI:0000:00:1e): 119"),
        ("cpu-wheel", "CPU-only wheel"),
        ("toolkit-missing", "nvidia-ctk is not installed"),
    ],
)
def test_a_stage_that_fails_names_the_cause_and_is_rolled_back(clean: Sandbox, scenario: str, cause: str) -> None:
    clean.use(scenario)
    done = clean.run("up", "g4dn.xlarge", "-n", "broken")

    assert (done.rc, cause in done.told) == (STAGE_FAILED, True), done.told
    assert "\nfix: " in done.told
    assert done.out == ""
    assert (clean.left(), clean.identities()) == ({}, [])
    assert clean.events(clean.journals()[0])[-1] == "rolled_back"


def test_nouveau_goes_with_one_reboot(clean: Sandbox) -> None:
    clean.use("nouveau-loaded")
    done = clean.ok("up", "g4dn.xlarge", "-n", "nouveau", "-o", "json")

    assert done.document["verify"]["ok"] is True
    events = clean.ok("logs", "nouveau").out
    assert len(re.findall(r"^driver +rebooting", events, re.MULTILINE)) == 1
    assert "nouveau" not in clean.ok("exec", "nouveau", "--", "lsmod").out
    clean.ok("down", "nouveau", "--yes")
    assert clean.left() == {}


def test_a_broken_machine_is_kept_on_request(clean: Sandbox) -> None:
    clean.use("uvm-missing")
    done = clean.run("up", "g4dn.xlarge", "-n", "kept", "--keep-on-failure")

    assert done.rc == STAGE_FAILED, done.told
    assert "kept was kept and costs 0.526 USD/h" in done.told
    assert "`gpucloud --sandbox down kept`" in done.told
    assert clean.machine("kept")["state"] == "running"
    assert "no interrupted run" in clean.ok("recover").err

    verify = clean.run("verify", "kept", "-o", "json")
    assert verify.rc == VERIFY_FAILED
    (report,) = verify.document
    assert report["ok"] is False
    assert "uvm" in report["first_failure"]["what"]

    clean.ok("down", "kept", "--yes")
    assert (clean.left(), clean.identities()) == ({}, [])


def test_up_does_not_trust_stages_that_say_they_are_done(clean: Sandbox) -> None:
    """A stage of the user's own breaks what the others have built: only verify can see that."""
    profile = clean.home / "saboteur.yaml"
    profile.write_text(SABOTAGE)
    done = clean.run("up", "g4dn.xlarge", "-n", "broken", "--profile", str(profile))

    assert (done.rc, "nvidia-uvm" in done.told) == (VERIFY_FAILED, True), done.told
    assert "[simulated]" in done.told
    assert "\nfix: " in done.told
    assert (clean.left(), clean.identities()) == ({}, [])
