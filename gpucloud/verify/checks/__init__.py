"""Facts and expectation in, checks out: pure functions, one module per layer."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from gpucloud.verify.checks.container import check_container
from gpucloud.verify.checks.devices import check_devices
from gpucloud.verify.checks.health import check_health
from gpucloud.verify.checks.module import check_module
from gpucloud.verify.checks.pci import check_pci
from gpucloud.verify.checks.smi import check_smi
from gpucloud.verify.checks.torch import check_torch
from gpucloud.verify.expectation import DOCKER, DRIVER, TORCH, Expectation
from gpucloud.verify.facts import Facts
from gpucloud.verify.report import Check, Layer, Status, skipped


@dataclass(frozen=True)
class Rule:
    """How a layer is checked, which layer it rests on, and what part of the profile's stack it belongs to."""

    check: Callable[[Facts, Expectation], list[Check]]
    rests_on: Layer | None = None
    part: str = ""


RULES = {
    Layer.PCI: Rule(check_pci),
    Layer.MODULE: Rule(check_module, Layer.PCI, DRIVER),
    Layer.SMI: Rule(check_smi, Layer.MODULE, DRIVER),
    Layer.DEVICES: Rule(check_devices, Layer.SMI, DRIVER),
    Layer.TORCH: Rule(check_torch, Layer.DEVICES, TORCH),
    Layer.CONTAINER: Rule(check_container, Layer.DEVICES, DOCKER),
    Layer.HEALTH: Rule(check_health, Layer.SMI, DRIVER),
}


def check_all(facts: Facts, expected: Expectation) -> Iterator[Check]:
    """Every check, in the order of the layers. A layer whose foundation is broken is skipped, with that reason."""
    broken: set[Layer] = set()
    for layer, rule in RULES.items():
        if rule.part and rule.part not in expected.layers:
            yield skipped(layer, f"the profile installs no {rule.part}")
        elif rule.rests_on in broken:
            broken.add(layer)
            yield skipped(layer, f"it needs the {rule.rests_on} layer, which is broken")
        else:
            checks = rule.check(facts, expected)
            broken |= {check.layer for check in checks if check.status is Status.FAIL}
            yield from checks
