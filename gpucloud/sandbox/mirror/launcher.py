"""The small programs in simulated packages: each starts one function of gpucloud_sim in the guest."""

from __future__ import annotations

LIBRARY = "/usr/lib/gpucloud-sim"

PROGRAM = """#!/usr/bin/env -S python3 -IS
# [simulated]
import os
import sys

sys.path.insert(0, os.environ.get("GPUCLOUD_SIM_ROOT", "") + "{library}")
from gpucloud_sim.{module} import {function}

sys.exit({function}(sys.argv[1:]))
"""


def program(module: str, function: str = "main") -> str:
    """A Python script that runs `gpucloud_sim.MODULE.FUNCTION(arguments)` and exits with its answer."""
    return PROGRAM.format(library=LIBRARY, module=module, function=function)


def pausing(step: str, then: str = "") -> str:
    """A postinst that takes the scenario's time for `step`, then runs more shell lines."""
    return f'#!/bin/sh\nset -e\nif [ "$1" = configure ]; then\n\t{LIBRARY}/bin/pause {step}\n{then}fi\n'
