"""Rules of single checks, on a healthy machine's facts with one thing changed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from gpucloud.verify.checks.health import XID_BUCKETS, XID_HARMLESS
from gpucloud.verify.checks.torch import runs_on
from gpucloud.verify.expectation import DRIVER, Expectation, is_same_gpu
from gpucloud.verify.report import Check, Layer, Report, Status
from gpucloud.verify.run import judge

Recorded = Callable[[str], dict[str, Any]]
Sold = Callable[[str], Expectation]


@pytest.fixture
def t4(recorded: Recorded) -> dict[str, Any]:
    return recorded("ok-t4-g4dn")


def of(report: Report, layer: Layer, status: Status) -> list[Check]:
    return [check for check in report.checks if (check.layer, check.status) == (layer, status)]


def test_what_rests_on_a_broken_layer_is_skipped_and_says_why(recorded: Recorded, sold: Sold) -> None:
    report = judge(recorded("nouveau-loaded"), sold("t4"))
    skipped = {check.layer: check.cause for check in report.checks if check.status is Status.SKIP}
    assert set(skipped) == {Layer.SMI, Layer.DEVICES, Layer.TORCH, Layer.CONTAINER, Layer.HEALTH}
    assert skipped[Layer.SMI] == "it needs the kernel module layer, which is broken"
    assert skipped[Layer.TORCH] == "it needs the device nodes layer, which is broken"


def test_a_broken_torch_does_not_hide_the_container_layer(recorded: Recorded, sold: Sold) -> None:
    report = judge(recorded("cpu-wheel"), sold("t4"))
    assert of(report, Layer.CONTAINER, Status.OK) and of(report, Layer.HEALTH, Status.OK)


def test_a_part_that_the_profile_does_not_install_is_skipped(t4: dict[str, Any], sold: Sold) -> None:
    del t4["torch"], t4["container"]
    report = judge(t4, replace(sold("t4"), layers=frozenset({DRIVER})))
    assert report.ok
    assert [check.cause for check in report.checks if check.status is Status.SKIP] == [
        "the profile installs no torch",
        "the profile installs no docker",
    ]


def test_nothing_expected_means_whatever_the_machine_has(t4: dict[str, Any]) -> None:
    assert judge(t4, Expectation()).ok


@pytest.mark.parametrize(
    ("expected", "cause"),
    [
        ({"gpu": "A10G"}, "expected A10G"),
        ({"gpu_memory_mib": 40960}, "expected 40960 MiB"),
        ({"gpu_count": 4}, "the host attached only 0x1eb8 at 0000:00:1e.0"),
        ({"compute_capability": "8.6"}, "expected 8.6"),
    ],
)
def test_another_gpu_than_the_one_paid_for_fails(
    t4: dict[str, Any], sold: Sold, expected: dict[str, Any], cause: str
) -> None:
    failure = judge(t4, replace(sold("t4"), **expected)).first_failure
    assert failure is not None and cause in failure.cause


def test_another_torch_than_the_pinned_one_is_a_warning(t4: dict[str, Any], sold: Sold) -> None:
    report = judge(t4, replace(sold("t4"), torch_version="2.10.0"))
    assert report.ok and of(report, Layer.TORCH, Status.WARN)[0].cause == "expected torch 2.10.0"


@pytest.mark.parametrize(
    ("sold_as", "driver_says", "same"),
    [
        ("T4", "Tesla T4", True),
        ("T4", "NVIDIA T4G", False),
        ("L4", "NVIDIA L40S", False),
        ("A10", "NVIDIA A10G", False),
        ("A100", "NVIDIA A100-SXM4-40GB", True),
        ("A100-80", "NVIDIA A100-SXM4-80GB", True),
        ("H100 NVL", "NVIDIA H100 NVL", True),
        ("H100 NVL", "NVIDIA H100 80GB HBM3", False),
        ("RTX PRO 6000 Blackwell Server", "NVIDIA RTX PRO 6000 Blackwell Server Edition", True),
    ],
)
def test_gpu_names_are_compared_by_whole_words(sold_as: str, driver_says: str, same: bool) -> None:
    assert is_same_gpu(sold_as, driver_says) is same


@pytest.mark.parametrize(
    ("archs", "capability", "runs"),
    [
        (["sm_80", "sm_86"], "8.6", True),
        (["sm_80"], "8.9", True),  # machine code of the same major version
        (["sm_86"], "8.0", False),
        (["sm_75", "sm_80"], "7.0", False),
        (["sm_90", "compute_90"], "10.0", True),  # PTX is compiled for newer GPUs
        (["sm_100", "sm_120"], "10.3", True),
    ],
)
def test_which_gpus_a_wheel_has_code_for(archs: list[str], capability: str, runs: bool) -> None:
    assert runs_on(archs, capability) is runs


@pytest.mark.parametrize(
    ("code", "status"), [(54, "fail"), (79, "fail"), (119, "fail"), (48, "warn"), (999, "warn"), (31, "ok")]
)
def test_each_xid_gets_what_its_bucket_says(t4: dict[str, Any], sold: Sold, code: int, status: str) -> None:
    t4["kernel_log"]["xids"] = [{"code": code, "bus": "PCI:0000:00:1e", "text": "pid=1, name=python"}]
    assert of(judge(t4, sold("t4")), Layer.HEALTH, Status(status))


def test_no_xid_is_in_two_buckets() -> None:
    buckets = [*(bucket for _, _, bucket, _ in XID_BUCKETS), XID_HARMLESS]
    assert sum(map(len, buckets)) == len(frozenset().union(*buckets))


def test_a_torch_whose_second_run_differs_fails(t4: dict[str, Any], sold: Sold) -> None:
    t4["torch"]["gpus"][0]["kernel"]["repeats"] = False
    failure = judge(t4, sold("t4")).first_failure
    assert failure is not None and failure.what == "GPU 0 does not repeat itself"


def test_a_nan_is_a_wrong_number(t4: dict[str, Any], sold: Sold) -> None:
    t4["torch"]["gpus"][0]["kernel"]["max_abs_error"] = float("nan")
    failure = judge(t4, sold("t4")).first_failure
    assert failure is not None and failure.what == "GPU 0 computes wrong numbers"


@pytest.mark.parametrize(
    ("field", "value", "what"),
    [
        ("clocks_event_reasons.active", "0x0000000000000040", "the GPU's clocks are held down"),
        ("persistence_mode", "Disabled", "persistence mode is off"),
    ],
)
def test_what_slows_a_gpu_down_is_a_warning(t4: dict[str, Any], sold: Sold, field: str, value: str, what: str) -> None:
    t4["smi"]["gpus"][0][field] = value
    assert of(judge(t4, sold("t4")), Layer.HEALTH, Status.WARN)[0].what == what


def test_packages_that_nothing_holds_are_a_warning(t4: dict[str, Any], sold: Sold) -> None:
    t4["holds"]["stdout"] = "linux-aws"
    assert of(judge(t4, sold("t4")), Layer.HEALTH, Status.WARN)[0].what == "driver packages are not held"


def test_the_cdi_way_counts_when_the_runtime_way_fails(t4: dict[str, Any], sold: Sold) -> None:
    ran = t4["container"]["run"]
    t4["container"].update(run={"rc": 125, "stdout": "", "stderr": "could not select device driver"}, run_cdi=ran)
    (check,) = of(judge(t4, sold("t4")), Layer.CONTAINER, Status.OK)
    assert "--device nvidia.com/gpu=all" in check.what


def test_docker_29_without_a_cdi_description_is_told_to_make_one(t4: dict[str, Any], sold: Sold) -> None:
    said = "docker: Error response from daemon: failed to discover GPU vendor from CDI: no known GPU vendor found"
    t4["container"].update(run={"rc": 125, "stdout": "", "stderr": said})
    failure = judge(t4, sold("t4")).first_failure
    assert failure is not None and "nvidia-ctk cdi generate" in failure.remedy
    assert "no known GPU vendor found" in failure.cause


def test_a_container_that_sees_fewer_gpus_fails(recorded: Recorded, sold: Sold) -> None:
    facts = recorded("ok-a100x8-p4d")
    facts["container"]["run"]["stdout"] = facts["container"]["run"]["stdout"].splitlines()[0]
    failure = judge(facts, sold("a100")).first_failure
    assert failure is not None and failure.what == "a container with `--gpus all` sees 1 GPUs, the machine has 8"


def test_the_remedy_for_a_bare_machine_names_the_flavour_that_the_catalogue_chose(
    recorded: Recorded, sold: Sold
) -> None:
    expected = replace(sold("v100"), driver_branch="570", driver_flavour="proprietary")
    failure = judge(recorded("driver-not-installed"), expected).first_failure
    assert failure is not None and "linux-modules-nvidia-570-server-6.8.0-1035-aws" in failure.remedy


def test_an_empty_document_fails_at_the_first_layer() -> None:
    failure = judge({"schema": 1}, Expectation()).first_failure
    assert failure is not None and failure.what == "no NVIDIA device on the PCI bus"
