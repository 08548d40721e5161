"""nvidia-smi: -L, the table, --query-gpu, -q, persistence and MIG mode, with the real texts and exit codes."""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from . import modules, state

if TYPE_CHECKING:
    Gpu = dict[str, Any]
    Field = Callable[[Gpu], tuple[str, str]]

SETTINGS = "/run/gpucloud-sim/nvidia-smi.json"


def settings() -> dict[str, Any]:
    """What was set with -pm and -mig: gone with the driver, as on a real machine."""
    file = state.path(SETTINGS)
    found: dict[str, Any] = json.loads(file.read_text()) if file.exists() else {}
    return found


def set_(key: str, value: str) -> None:
    state.path(SETTINGS).write_text(json.dumps(dict(settings(), **{key: value})))


def persistence() -> str:
    daemon = state.path("/run/nvidia-persistenced/nvidia-persistenced.pid").exists()
    return "Enabled" if daemon or settings().get("persistence") == "1" else "Disabled"


def ecc(gpu: Gpu) -> bool:
    """Data-center GPUs from Turing on report ECC; M60 and K80 are left out for simplicity."""
    return state.compute_capability(gpu) >= (7, 0)


def has_mig(gpu: Gpu) -> bool:
    return state.compute_capability(gpu) in ((8, 0), (9, 0), (10, 0), (10, 3), (12, 0)) and gpu["memory_mib"] > 30000


def pcie(gpu: Gpu) -> tuple[str, str]:
    """Newest generation and width of the slot: T4, A10G and L40S sit on 8 lanes."""
    narrow = any(name in gpu["name"] for name in ("T4", "A10G", "L40S"))
    return ("4" if "L40S" in gpu["name"] else "3"), ("8" if narrow else "16")


def plain(value: Callable[[Gpu], object]) -> Field:
    return lambda gpu: (str(value(gpu)), "")


FIELDS: dict[str, Field] = {
    "index": plain(lambda gpu: gpu["index"]),
    "count": plain(lambda gpu: len(state.gpus())),
    "name": plain(lambda gpu: gpu["name"]),
    "uuid": plain(lambda gpu: gpu["uuid"]),
    "serial": plain(lambda gpu: "[N/A]"),
    "timestamp": plain(lambda gpu: time.strftime("%Y/%m/%d %H:%M:%S.000")),
    "pci.bus_id": plain(lambda gpu: gpu["bus_id"]),
    "pci.device_id": plain(lambda gpu: "0x{}10DE".format(gpu["pci_device_id"][2:].upper())),
    "driver_version": plain(lambda gpu: state.loaded()["nvidia"]),
    "compute_cap": plain(lambda gpu: gpu["compute_cap"]),
    "persistence_mode": plain(lambda gpu: persistence()),
    "compute_mode": plain(lambda gpu: "Default"),
    "mig.mode.current": plain(lambda gpu: settings().get("mig", "Disabled") if has_mig(gpu) else "[N/A]"),
    "mig.mode.pending": plain(lambda gpu: settings().get("mig", "Disabled") if has_mig(gpu) else "[N/A]"),
    "ecc.mode.current": plain(lambda gpu: "Enabled" if ecc(gpu) else "[N/A]"),
    "ecc.mode.pending": plain(lambda gpu: "Enabled" if ecc(gpu) else "[N/A]"),
    "ecc.errors.uncorrected.volatile.sram": plain(lambda gpu: 0 if ecc(gpu) else "[N/A]"),
    "ecc.errors.uncorrected.volatile.dram": plain(lambda gpu: 0 if ecc(gpu) else "[N/A]"),
    "ecc.errors.uncorrected.volatile.total": plain(lambda gpu: 0 if ecc(gpu) else "[N/A]"),
    "pcie.link.gen.current": plain(lambda gpu: pcie(gpu)[0]),
    "pcie.link.gen.max": plain(lambda gpu: pcie(gpu)[0]),
    "pcie.link.width.current": plain(lambda gpu: pcie(gpu)[1]),
    "pcie.link.width.max": plain(lambda gpu: pcie(gpu)[1]),
    "clocks_event_reasons.active": plain(lambda gpu: "0x0000000000000001"),
    "clocks_throttle_reasons.active": plain(lambda gpu: "0x0000000000000001"),
    "pstate": plain(lambda gpu: "P8"),
    "temperature.gpu": plain(lambda gpu: 31),
    "fan.speed": plain(lambda gpu: "[N/A]"),
    "memory.total": lambda gpu: (str(gpu["memory_mib"]), "MiB"),
    "memory.used": lambda gpu: ("0", "MiB"),
    "memory.free": lambda gpu: (str(gpu["memory_mib"]), "MiB"),
    "utilization.gpu": lambda gpu: ("0", "%"),
    "utilization.memory": lambda gpu: ("0", "%"),
    "power.draw": lambda gpu: ("9.53", "W"),
    "power.limit": lambda gpu: ("70.00", "W"),
}
ALIASES = {"gpu_name": "name", "gpu_uuid": "uuid", "gpu_bus_id": "pci.bus_id", "utilization": "utilization.gpu"}
EVENT_REASONS_SINCE = (535, 54)  # before, the fields were called clocks_throttle_reasons


def known_field(name: str) -> Field | None:
    if (
        name.startswith("clocks_event_reasons")
        and state.version_key(state.loaded()["nvidia"])[:2] < EVENT_REASONS_SINCE
    ):
        return None
    return FIELDS.get(ALIASES.get(name, name))


def query(gpus: list[Gpu], names: list[str], layout: list[str]) -> int:
    fields = []
    for name in names:
        field = known_field(name)
        if field is None:
            state.say(f'Field "{name}" is not a valid field to query.\n')
            return 2
        fields.append(field)
    if "noheader" not in layout:
        state.say(", ".join(heading(name, field(gpus[0])[1]) for name, field in zip(names, fields, strict=False)))
    for gpu in gpus:
        state.say(", ".join(cell(*field(gpu), layout) for field in fields))
    return 0


def heading(name: str, unit: str) -> str:
    return f"{name} [{unit}]" if unit else name


def cell(value: str, unit: str, layout: list[str]) -> str:
    return f"{value} {unit}" if unit and "nounits" not in layout else value


def boxed(text: str) -> str:
    return f"| {text:<87} |"


def table(gpus: list[Gpu]) -> None:
    version = state.loaded()["nvidia"]
    rule = "+" + "-" * 89 + "+"
    state.say(time.strftime("%a %b %d %H:%M:%S %Y       [simulated]"))
    state.say(rule)
    head = f"NVIDIA-SMI {version:<22} Driver Version: {version:<14} CUDA Version: {state.driver_cuda()}"
    state.say(boxed(head))
    state.say(rule)
    for gpu in gpus:
        mode = "On" if persistence() == "Enabled" else "Off"
        memory = f"0MiB / {gpu['memory_mib']}MiB"
        row = f"{gpu['index']:>3}  {gpu['name']:<28} {mode:<8} {gpu['bus_id']}   {memory:>20}"
        state.say(boxed(row))
    state.say(rule)
    state.say(boxed("Processes: No running processes found"))
    state.say(rule)


def details(gpus: list[Gpu]) -> None:
    version = state.loaded()["nvidia"]
    state.say("\n==============NVSMI LOG==============  [simulated]\n")
    for key, value in (
        ("Driver Version", version),
        ("CUDA Version", state.driver_cuda()),
        ("Attached GPUs", len(gpus)),
    ):
        state.say(f"{key:<42}: {value}")
    firmware = version if modules.gsp_enabled(version) else "N/A"
    for gpu in gpus:
        state.say(f"GPU {gpu['bus_id']}")
        for key, value in (
            ("Product Name", gpu["name"]),
            ("Persistence Mode", persistence()),
            ("GSP Firmware Version", firmware),
        ):
            state.say(f"    {key:<38}: {value}")


def mig(gpus: list[Gpu], argv: list[str]) -> int:
    """Only what scripts ask before they go on; a guest cannot reset a GPU."""
    if not any(has_mig(gpu) for gpu in gpus):
        state.say("No MIG-supported devices found.")
        return 6
    if settings().get("mig") != "Enabled":
        state.say("No MIG-enabled devices found.")
        return 6
    state.say("[simulated] mig {}: nothing was changed".format(" ".join(argv)))
    return 0


def set_mig(gpus: list[Gpu], value: str) -> int:
    if not all(has_mig(gpu) for gpu in gpus):
        state.say("Unable to enable MIG Mode for GPU {}: Not Supported".format(gpus[0]["bus_id"]))
        return 3
    set_("mig", "Enabled" if value in ("1", "ENABLED") else "Disabled")
    state.say("{} MIG Mode for GPU {}\nAll done.".format(settings()["mig"], gpus[0]["bus_id"]))
    return 0


def set_persistence(gpus: list[Gpu], value: str) -> int:
    set_("persistence", value)
    for gpu in gpus:
        state.say("{} persistence mode for GPU {}.".format("Enabled" if value == "1" else "Disabled", gpu["bus_id"]))
    state.say("All done.")
    return 0


def parse(argv: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="nvidia-smi", description="[simulated]")
    parser.add_argument("-L", "--list-gpus", action="store_true", dest="list")
    parser.add_argument("-q", "--query", action="store_true", dest="details")
    parser.add_argument("-d", "--display")
    parser.add_argument("-i", "--id", default="")
    parser.add_argument("-pm", "--persistence-mode", dest="persistence")
    parser.add_argument("-mig", "--multi-instance-gpu", dest="mig")
    parser.add_argument("--query-gpu", default="")
    parser.add_argument("--query-compute-apps", default="")
    parser.add_argument("--format", default="")
    parser.add_argument("--version", action="store_true")
    return parser.parse_args(argv)


def selected(wanted: str) -> list[Gpu]:
    """The GPUs that -i names by index, UUID or bus id; all without it."""
    names = [name.strip().lower() for name in wanted.split(",") if name.strip()]
    keys = [
        (gpu, {str(gpu["index"]), gpu["uuid"].lower(), gpu["bus_id"].lower(), modules.pci_address(gpu)})
        for gpu in state.gpus()
    ]
    return [gpu for gpu, identities in keys if not names or identities & set(names)]


def main(argv: list[str]) -> int:
    state.mark()
    error = state.driver_error()
    if error:
        state.say(error.text)
        return error.code
    if argv[:1] == ["mig"]:
        return mig(state.gpus(), argv[1:])
    options = parse(argv)
    gpus = selected(options.id)
    if not gpus:
        state.say("No devices were found")
        return 6
    return answer(options, gpus)


def answer(options: argparse.Namespace, gpus: list[Gpu]) -> int:
    layout = options.format.split(",")
    if options.persistence:
        return set_persistence(gpus, options.persistence)
    if options.mig:
        return set_mig(gpus, options.mig)
    if options.query_gpu:
        return query(gpus, [name.strip() for name in options.query_gpu.split(",")], layout)
    if options.query_compute_apps:
        if "noheader" not in layout:
            state.say(options.query_compute_apps.replace(",", ", "))
        return 0
    show(options, gpus)
    return 0


def show(options: argparse.Namespace, gpus: list[Gpu]) -> None:
    if options.list:
        for gpu in gpus:
            state.say(f"GPU {gpu['index']}: {gpu['name']} (UUID: {gpu['uuid']})")
    elif options.version:
        version = state.loaded()["nvidia"]
        rows = (
            ("NVIDIA-SMI version", version),
            ("NVML version", version),
            ("DRIVER version", version),
            ("CUDA Version", state.driver_cuda()),
        )
        for key, value in rows:
            state.say(f"{key:<20}: {value}")
    elif options.details:
        details(gpus)
    else:
        table(gpus)
