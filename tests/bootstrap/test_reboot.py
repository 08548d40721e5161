"""Reboots: asked for, proved by the boot id, and never for ever."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path

import pytest

from tests.bootstrap.conftest import Bench, one, story

ONCE = 'if [[ -z "$GPUCLOUD_REBOOTED" ]]; then request_reboot "nouveau holds the GPU" "blacklist it"; fi; echo works'


def machine_goes_down(bench: Bench) -> None:
    """A `systemctl reboot` that does what a reboot does to the runner: end it."""
    bench.command(
        "systemctl",
        'echo "$@" >> $HOME/systemctl; if [[ $1 == reboot ]]; then kill -TERM $PPID; fi',
    )


def test_a_stage_runs_again_after_the_reboot_that_it_asked_for(bench: Bench) -> None:
    machine_goes_down(bench)
    bench.plan(bench.stage("driver", ONCE, reboot="if-requested"), bench.stage("next", "true", needs=["driver"]))

    before = bench.run()
    bench.boot("second-boot")
    after = bench.run()

    assert story(before) == ["begin", "stage-started driver", "rebooting driver"]
    assert before[-1]["boot_id"] == "first-boot"
    assert story(after) == [
        "resumed", "stage-started driver", "stage-done driver", "stage-started next", "stage-done next", "end",
    ]  # fmt: skip
    assert after[0]["boot_id"] == "second-boot" and after[-1]["ok"]


def test_a_reboot_that_did_not_change_the_boot_id_is_a_failure(bench: Bench) -> None:
    machine_goes_down(bench)
    bench.plan(bench.stage("driver", ONCE, reboot="if-requested"))
    bench.run()

    events = bench.run()

    assert story(events) == ["stage-failed driver", "end"]
    assert events[0]["why"] == "the boot id is still first-boot"


def test_a_reboot_that_never_comes_is_a_failure(bench: Bench) -> None:
    bench.command("systemctl", "true")
    bench.plan(bench.stage("driver", ONCE, reboot="if-requested"), reboot_limit=0.1)

    assert story(bench.run())[-3:] == ["rebooting driver", "stage-failed driver", "end"]


def test_the_reboot_command_is_the_second_choice(bench: Bench) -> None:
    bench.command("systemctl", "exit 1")
    bench.command("reboot", "touch $HOME/rebooted")
    bench.plan(bench.stage("driver", ONCE, reboot="if-requested"), reboot_limit=0.1)

    bench.run()

    assert (bench.state.parents[3] / "rebooted").exists()


def test_a_second_request_of_the_same_stage_is_refused(bench: Bench) -> None:
    machine_goes_down(bench)
    bench.plan(bench.stage("driver", 'echo why > "$GPUCLOUD_REBOOT_FILE"', reboot="if-requested"))
    bench.run()
    bench.boot("second-boot")

    events = bench.run()

    assert story(events) == ["resumed", "stage-started driver", "stage-failed driver", "end"]
    assert "again" in events[2]["what"] and events[2]["why"] == "why"


def test_request_reboot_names_the_cause_when_a_reboot_did_not_help(bench: Bench) -> None:
    machine_goes_down(bench)
    bench.plan(bench.stage("driver", 'request_reboot "nouveau holds the GPU" "blacklist it"', reboot="if-requested"))
    bench.run()
    bench.boot("second-boot")

    failed = one(bench.run(), "stage-failed")

    assert (failed["why"], failed["remedy"]) == ("nouveau holds the GPU", "blacklist it")


def test_a_profile_that_allows_no_reboot_gets_none(bench: Bench) -> None:
    machine_goes_down(bench)
    bench.plan(bench.stage("driver", ONCE, reboot="never"))

    failed = one(bench.run(), "stage-failed")

    assert "does not allow" in failed["what"] and failed["why"] == "nouveau holds the GPU"
    assert not (bench.state.parents[3] / "systemctl").exists()


def test_the_reboot_waits_for_running_stages(bench: Bench) -> None:
    machine_goes_down(bench)
    bench.plan(
        bench.stage("driver", ONCE, reboot="if-requested"),
        bench.stage("torch", "read -t 0.3 <> <(:) || true"),
        bench.stage("late", "true", needs=["torch"]),
    )

    assert story(bench.run())[-2:] == ["stage-done torch", "rebooting driver"]


def test_a_unit_resumes_after_the_reboot_and_is_gone_at_the_end(bench: Bench) -> None:
    machine_goes_down(bench)
    units = bench.root / "etc/systemd/system"
    units.mkdir(parents=True)
    (bench.root / "run/systemd/system").mkdir(parents=True)
    bench.plan(bench.stage("driver", ONCE, reboot="if-requested"))

    bench.run()
    unit = (units / "gpucloud-resume.service").read_text()
    bench.boot("second-boot")
    bench.run()

    assert f"{bench.bundle}/runner.py run" in unit
    assert not list(units.iterdir())
    calls = (bench.state.parents[3] / "systemctl").read_text().splitlines()
    assert calls == ["enable gpucloud-resume.service", "reboot", "disable gpucloud-resume.service"]


def test_another_plan_after_the_reboot_begins_anew(bench: Bench) -> None:
    machine_goes_down(bench)
    bench.plan(bench.stage("driver", ONCE, reboot="if-requested"))
    bench.run()
    bench.boot("second-boot")
    bench.plan(bench.stage("driver", "true", env={"GPUCLOUD_DRIVER_BRANCH": "470"}))

    assert story(bench.run()) == ["begin", "stage-started driver", "stage-done driver", "end"]


@pytest.mark.parametrize("by", [signal.SIGTERM, signal.SIGKILL])
def test_a_shutdown_after_the_request_is_not_reported_as_a_crash(bench: Bench, by: signal.Signals) -> None:
    bench.command("systemctl", f"kill -{int(by)} $PPID")
    bench.plan(bench.stage("driver", ONCE, reboot="if-requested"))

    assert story(bench.run())[-1] == "rebooting driver"


def test_by_hand_a_needed_reboot_is_an_error_that_says_so(bench: Bench, tmp_path: Path) -> None:
    bench.stage("driver", 'request_reboot "nouveau holds the GPU" "blacklist it"')
    env = {**os.environ, "GPUCLOUD_BUNDLE": str(bench.bundle)}

    result = subprocess.run(["bash", bench.bundle / "driver.sh"], env=env, capture_output=True, text=True)

    assert result.returncode == 1
    assert "error: a reboot is needed: nouveau holds the GPU" in result.stderr
