"""The clouds that there are, and what can be known of them without their SDKs."""

from __future__ import annotations

import subprocess
import sys

import pytest

from gpucloud.errors import UsageError
from gpucloud.providers import registry

RACE = """
import warnings
import gpucloud.providers.registry
warnings.simplefilter = lambda *args, **options: None  # what a thread that imports botocore makes of requests' filter
import requests
"""


def test_whether_a_cloud_lists_every_region_needs_no_sdk() -> None:
    code = (
        "import sys; from gpucloud.providers.registry import lists_every_region as every; "
        "print(every('aws'), every('azure'), {'azure.core', 'boto3', 'botocore'} & set(sys.modules))"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout == "False True set()\n"


def test_an_unknown_cloud_is_refused() -> None:
    with pytest.raises(UsageError, match="gcp"):
        registry.lists_every_region("gcp")


def test_imports_of_two_sdks_at_once_say_nothing_on_stderr() -> None:
    ran = subprocess.run([sys.executable, "-c", RACE], capture_output=True, text=True, check=True)
    assert ran.stderr == ""
    without = RACE.replace("import gpucloud.providers.registry\n", "")
    ran = subprocess.run([sys.executable, "-c", without], capture_output=True, text=True, check=True)
    assert "SOCKS" in ran.stderr, "the warning that is meant"
