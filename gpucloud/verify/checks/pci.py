"""Is there a GPU at all, as far as the machine's PCI bus knows?"""

from __future__ import annotations

from gpucloud.verify.expectation import Expectation
from gpucloud.verify.facts import Facts
from gpucloud.verify.report import Check, Layer, failed, passed

NO_GPU = "no NVIDIA device on the PCI bus"


def check_pci(facts: Facts, expected: Expectation) -> list[Check]:
    found = facts.rows("pci")
    wanted = expected.gpu_count
    if not found:
        return [
            failed(
                Layer.PCI,
                NO_GPU,
                "this machine type has no GPU, or the host did not attach it",
                "check the machine type; if it has a GPU, stop and start the machine to move it to another host",
            )
        ]
    listed = ", ".join(f"{gpu['device_id']} at {gpu['address']}" for gpu in found)
    if wanted is not None and len(found) < wanted:
        return [
            failed(
                Layer.PCI,
                f"{len(found)} of {wanted} NVIDIA devices on the PCI bus",
                f"the host attached only {listed}",
                "stop and start the machine to move it to another host",
            )
        ]
    return [passed(Layer.PCI, f"{len(found)} NVIDIA device{'s' * (len(found) > 1)} on the PCI bus: {listed}")]
