"""`gpucloud types` and `up --gpu`: what fits, cheapest first."""

from __future__ import annotations

import subprocess
import sys

from gpucloud.catalog.listing import rows
from gpucloud.catalog.types import find, search


def names(**wanted: object) -> list[str]:
    return [each.name for each in search(**wanted)]  # type: ignore[arg-type]  # one test's keywords, forwarded


def test_a_gpu_is_matched_by_whole_words() -> None:
    assert {each.gpu.name for each in search(gpu="t4")} == {"T4"}
    assert {each.gpu.name for each in search(gpu="H100")} == {"H100", "H100 NVL"}
    assert {each.gpu.name for each in search(gpu="rtx pro 6000")} == {"RTX PRO 6000 Blackwell Server"}


def test_the_cheapest_comes_first() -> None:
    assert names(gpu="T4", cloud="aws")[:3] == ["g4dn.xlarge", "g4dn.2xlarge", "g4dn.4xlarge"]


def test_types_of_unknown_price_come_last_and_never_pass_a_limit() -> None:
    assert names(gpu="H200", cloud="aws")[-1] == "p5e.48xlarge"
    assert "p5e.48xlarge" not in names(gpu="H200", max_price=1000)


def test_count_is_exact_and_memory_a_minimum() -> None:
    assert names(gpu="T4", count=4, cloud="aws") == ["g4dn.12xlarge"]
    assert all((each.memory_gb or 0) >= 80 for each in search(memory_gb=80))


def test_a_price_limit_is_of_the_region() -> None:
    assert "g4dn.xlarge" in names(max_price=0.53, region="us-east-1")
    assert "g4dn.xlarge" not in names(max_price=0.53, region="eu-west-1")


def test_spot_prices_widen_what_is_affordable() -> None:
    assert "g5.xlarge" not in names(max_price=0.5, region="us-east-1")
    assert "g5.xlarge" in names(max_price=0.5, region="us-east-1", spot=True)


def test_a_region_leaves_out_what_is_not_known_there() -> None:
    assert names(gpu="B300", region="eu-west-1") == []


def test_refused_types_are_never_found() -> None:
    found = {each.name for each in search()}
    assert found.isdisjoint({"g4ad.xlarge", "p2.xlarge", "p3.2xlarge", "Standard_NV6"})


def test_a_row_holds_prices_with_their_dates() -> None:
    (row,) = rows([find("g4dn.xlarge")])
    assert (row.type, row.usd_per_hour, row.usd_as_of, row.region) == ("g4dn.xlarge", 0.526, "2026-07-20", "us-east-1")
    assert (row.spot_usd_per_hour, row.spot_usd_as_of) == (0.1894, "2025-06-28")


def test_a_row_without_a_price_says_unknown() -> None:
    (row,) = rows([find("g4dn.xlarge")], "us-east-2")
    assert (row.usd_per_hour, row.usd_as_of, row.region) == (None, "", "us-east-2")


def test_the_catalogue_imports_no_sdk_and_no_pydantic() -> None:
    program = (
        "import sys, gpucloud.catalog.listing, gpucloud.catalog.types as c; c.search(gpu='T4'); print(*sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert {"boto3", "paramiko", "pydantic", "rich", "yaml"}.isdisjoint(done.stdout.split())


def test_at_the_same_price_the_order_is_fixed() -> None:
    assert names(gpu="T4")[:2] == ["g4dn.xlarge", "Standard_NC4as_T4_v3"]
