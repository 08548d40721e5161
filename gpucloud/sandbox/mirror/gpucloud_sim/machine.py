"""lspci, dmesg and mokutil: what shows the machine itself."""

from __future__ import annotations

import argparse
from typing import Any

from . import modules, state


def dmesg(argv: list[str]) -> int:
    log = state.path("/run/gpucloud-sim/kmsg")
    if log.exists():
        state.say(log.read_text().rstrip("\n"))
    return 0


def mokutil(argv: list[str]) -> int:
    """`mokutil --sb-state`: the texts and codes are mokutil's own."""
    enabled = state.secure_boot()
    if enabled is None:
        state.complain("EFI variables are not supported on this system")
        return 1
    state.say("SecureBoot " + ("enabled" if enabled else "disabled"))
    return 0


def lspci(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="lspci")
    parser.add_argument("-n", action="count", default=0)
    parser.add_argument("-d", default="")
    parser.add_argument("-D", "-m", "-k", "-v", action="store_true")
    options, _ = parser.parse_known_args(split_letters(argv))
    for gpu in state.gpus():
        device = gpu["pci_device_id"][2:]
        if matches(options.d, device):
            state.say(line(gpu, device, options.n))
    return 0


def split_letters(argv: list[str]) -> list[str]:
    """`-Dnn` as `-D -n -n`: argparse takes no counted flags in a bundle with others."""
    words: list[str] = []
    for word in argv:
        bundle = word[:1] == "-" and word[:2] != "-d" and len(word) > 2
        words += ["-" + letter for letter in word[1:]] if bundle else [word]
    return words


def matches(wanted: str, device: str) -> bool:
    vendor, _, model = wanted.partition(":")
    return vendor in ("", "10de") and model.split(":")[0] in ("", device)


def line(gpu: dict[str, Any], device: str, numeric: int) -> str:
    short = modules.pci_address(gpu).removeprefix("0000:")
    if numeric == 1:
        return f"{short} 0302: 10de:{device} (rev a1)"
    ids = (" [0302]", f" [10de:{device}]") if numeric else ("", "")
    return "{} 3D controller{}: NVIDIA Corporation {}{} (rev a1)".format(short, ids[0], gpu["name"], ids[1])


COMMANDS = {"lspci": lspci, "dmesg": dmesg, "mokutil": mokutil}
