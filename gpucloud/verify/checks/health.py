"""The GPU's health: Xid events, ECC errors, clocks, PCIe, persistence, held packages and, when measured, speed."""

from __future__ import annotations

import re
from collections import Counter

from gpucloud.verify.checks.floors import FLOORS, Floor, floor_of
from gpucloud.verify.expectation import Expectation
from gpucloud.verify.facts import Facts
from gpucloud.verify.report import Check, Layer, Status, passed, warned


def codes(text: str) -> frozenset[int]:
    """`45 48 144-146` as a set of Xid codes."""
    found: set[int] = set()
    for word in text.split():
        first, _, last = word.partition("-")
        found |= set(range(int(first), int(last or first) + 1))
    return frozenset(found)


# What to do per Xid. Source: NVIDIA's Xid catalogue, as grouped by its recommended action.
XID_BUCKETS = (
    (
        Status.FAIL,
        "hardware fault",
        codes("54 142"),
        "replace the machine: stop and start it, or `gpucloud down` and up",
    ),
    (
        Status.FAIL,
        "the GPU is lost until a reboot",
        codes("79 151 168"),
        "reboot; if it comes back, replace the machine",
    ),
    (
        Status.FAIL,
        "the GPU needs a reset",
        codes("46 62 64 95 109 110 119 120 136 140 143 155 156 158"),
        "`sudo nvidia-smi --gpu-reset`, or reboot",
    ),
    (
        Status.WARN,
        "memory or NVLink error",
        codes("45 48 74 144-150 154"),
        "`nvidia-smi -q -d ECC,ROW_REMAPPER`; reset the GPU, and replace the machine if the errors go on",
    ),
)
# Written for errors of the program that used the GPU, or for information: the machine is fine.
XID_HARMLESS = codes("8 11 13 25 31 32 39-41 60 68-72 75-77 80 82-86 88 89 94 96-105 126-135 139") | codes(
    "37 38 43 44 63 66 67 92 93 106 107 121 137 141 152 153 157 160 161"
)
# Bits of clocks_event_reasons.active that mean trouble. Source: nvml.h, nvmlClocksEventReason*.
SLOW = {0x8: "hardware slowdown", 0x20: "software thermal limit", 0x40: "hardware thermal limit", 0x80: "power brake"}


def check_health(facts: Facts, expected: Expectation) -> list[Check]:
    return [*xids(facts), *ecc(facts), *clocks(facts), *persistence(facts), *holds(facts), *speed(facts)]


def xids(facts: Facts) -> list[Check]:
    seen = Counter(xid["code"] for xid in facts.rows("kernel_log.xids"))
    if not facts.command("kernel_log.command").ok:
        cause = facts.command("kernel_log.command").last_line or "dmesg failed"
        return [warned(Layer.HEALTH, "Xid events were not checked", cause, "verify as root")]
    checks = []
    for status, meaning, bucket, remedy in XID_BUCKETS:
        if events := facts.xids(bucket):
            found = " ".join(f"{code} (x{seen[code]})" for code in sorted({event["code"] for event in events}))
            cause = f"Xid {found}, last: {events[-1]['text']}"
            checks.append(Check(Layer.HEALTH, status, meaning, cause, remedy))
    known = frozenset().union(*(bucket for _, _, bucket, _ in XID_BUCKETS)) | XID_HARMLESS
    if strange := sorted(set(seen) - known):
        cause = f"Xid {' '.join(map(str, strange))}"
        checks.append(warned(Layer.HEALTH, "unknown GPU event", cause, "look it up in NVIDIA's Xid catalogue"))
    harmless = sum(count for code, count in seen.items() if code in XID_HARMLESS)
    note = f" ({harmless} application errors)" if harmless else ""
    return checks or [passed(Layer.HEALTH, f"no Xid event of the hardware in the kernel log{note}")]


def ecc(facts: Facts) -> list[Check]:
    counters = ("ecc.errors.uncorrected.volatile.sram", "ecc.errors.uncorrected.volatile.dram")
    errors = sum(int(gpu.get(key, "")) for gpu in facts.gpus for key in counters if gpu.get(key, "").isdigit())
    if errors:
        remedy = "reset the GPU (`sudo nvidia-smi --gpu-reset`); if they come back, replace the machine"
        return [
            Check(Layer.HEALTH, Status.FAIL, "uncorrected ECC errors", f"{errors} since the driver was loaded", remedy)
        ]
    if any(gpu.get("ecc.mode.current") == "Enabled" for gpu in facts.gpus):
        return [passed(Layer.HEALTH, "no uncorrected ECC error")]
    return []


def clocks(facts: Facts) -> list[Check]:
    active = 0
    for gpu in facts.gpus:
        value = gpu.get("clocks_event_reasons.active", "")
        active |= int(value, 16) if re.fullmatch("0x[0-9a-fA-F]+", value) else 0
    reasons = [reason for bit, reason in SLOW.items() if active & bit]
    if reasons:
        cause = f"{', '.join(reasons)} at {' and '.join(gpu.get('temperature.gpu', '?') for gpu in facts.gpus)} °C"
        return [
            warned(
                Layer.HEALTH, "the GPU's clocks are held down", cause, "stop and start the machine to change the host"
            )
        ]
    return [passed(Layer.HEALTH, "clocks are not held down")]


def persistence(facts: Facts) -> list[Check]:
    if all(gpu.get("persistence_mode") != "Disabled" for gpu in facts.gpus):
        return [passed(Layer.HEALTH, "persistence mode is on")]
    cause = "the driver unloads its state when the last program ends, so each start is slow (25 s on 8 GPUs)"
    remedy = "`sudo systemctl enable --now nvidia-persistenced`"
    return [warned(Layer.HEALTH, "persistence mode is off", cause, remedy)]


def holds(facts: Facts) -> list[Check]:
    command = facts.command("holds")
    if not command.ok:
        return []
    held = [line for line in command.stdout.splitlines() if "nvidia" in line]
    if held:
        return [passed(Layer.HEALTH, f"{len(held)} driver packages are held")]
    cause = "an unattended upgrade can replace the driver under the loaded module"
    remedy = "`sudo apt-mark hold $(dpkg-query -W -f '${Package} ' '*nvidia*')`"
    return [warned(Layer.HEALTH, "driver packages are not held", cause, remedy)]


def speed(facts: Facts) -> list[Check]:
    """What `--deep` measured against the floors. Too slow is a warning: the numbers are right."""
    checks = []
    for gpu in facts.rows("torch.gpus") if facts.get("deep") else []:
        floor = floor_of(gpu.get("name", ""), FLOORS)
        slowest = (floor.bandwidth_gb_s, floor.fp16_tflop_s) if floor else (None, None)
        checks += measured(gpu, "bandwidth_gb_s", "memory bandwidth", "GB/s", slowest[0])
        checks += measured(gpu, "fp16_tflop_s", "fp16 matrix product", "TFLOP/s", slowest[1])
        checks += pcie(gpu, floor)
    return checks


def measured(gpu: dict[str, object], key: str, name: str, unit: str, floor: float | None) -> list[Check]:
    value, where = gpu.get(key), f"GPU {gpu['index']}"
    if not isinstance(value, (int, float)):
        cause = str(gpu.get(f"{key}_error", "no value came back"))
        return [warned(Layer.HEALTH, f"{where}: {name} was not measured", cause, "free the GPU and verify again")]
    if floor is not None and value < floor:
        cause = f"{value:g} {unit}, at least {floor:g} is normal for {gpu.get('name')}"
        remedy = "free the GPU and verify again; if it stays slow, stop and start the machine to change the host"
        return [warned(Layer.HEALTH, f"{where}: {name} is low", cause, remedy)]
    known = f" (floor {floor:g})" if floor is not None else ""
    return [passed(Layer.HEALTH, f"{where}: {name} {value:g} {unit}{known}")]


def pcie(gpu: dict[str, object], floor: Floor | None) -> list[Check]:
    """The link while the GPU worked: at idle it drops its generation. Not every virtual machine shows it."""
    match = re.fullmatch(r"(\d+), (\d+)", str(gpu.get("pcie_under_load", "")))
    if not match or not floor:
        return []
    generation, width = int(match[1]), int(match[2])
    statement = f"GPU {gpu['index']}: PCIe gen {generation} x{width}"
    if generation < floor.pcie_generation or width < floor.pcie_width:
        cause = f"at least gen {floor.pcie_generation} x{floor.pcie_width} is normal for {gpu.get('name')}"
        return [warned(Layer.HEALTH, f"{statement} is slow", cause, "stop and start the machine to change the host")]
    return [passed(Layer.HEALTH, statement)]
