"""What a preflight learns for the launch that follows it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

REGIONAL = ""
"""A place to try that is no zone: Azure puts the machine where it likes in the region."""


SHORTEST_TTL, LONGEST_TTL = 40, 23 * 60 + 30
"""Minutes. What ends a machine's lifetime is a clock that rings once a day, set when the machine is made, which takes
minutes itself: set too late it rings a day too late, and for more than a day it rings a day too early."""


@dataclass(frozen=True)
class Plan:
    """Everything that the requests of one launch need and that the spec does not say.

    `image_reference` goes into the VM's body as it is, and `least_disk_gb` is the image's own size in GB. `zones` are
    the places to try, in order. `ssh_from` is the CIDR that may reach port 22. `security_type` is `TrustedLaunch` or
    `Standard`; Secure Boot is only possible under the former. `disk_controller` is `SCSI` or `NVMe`.
    """

    image_reference: Mapping[str, str]
    least_disk_gb: int
    zones: tuple[str, ...]
    ssh_from: str
    security_type: str
    secure_boot: bool
    encryption_at_host: bool
    disk_sku: str
    accelerated_networking: bool
    disk_controller: str = "SCSI"
