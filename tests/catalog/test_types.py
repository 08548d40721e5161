"""The types of the catalogue: what is in it, how it is found, and what is refused."""

from __future__ import annotations

import pytest

from gpucloud.catalog import types
from gpucloud.errors import UsageError

NVIDIA = [each for each in types.every().values() if each.gpu.vendor == "nvidia"]


def test_a_type_is_found_in_any_case() -> None:
    found = types.find("G4DN.XLarge")
    assert (found.name, found.cloud, found.gpu.name, found.count, found.devices) == ("g4dn.xlarge", "aws", "T4", 1, 1)
    assert (found.memory_mib, found.memory_gb, found.vcpus, found.ram_gib) == (16384, 16, 4, 16)
    assert (found.quota, found.quota_spot) == ("L-DB2E81BA", "L-3819A6DF")
    assert (found.gpu.architecture, found.gpu.compute_capability, found.cpu_arch) == ("Turing", "7.5", "x86_64")


def test_memory_is_what_the_api_says_beside_what_it_is_sold_as() -> None:
    a10g = types.find("g5.xlarge")
    assert (a10g.memory_mib, a10g.memory_gb) == (22888, 24)


def test_a_share_of_a_gpu_is_one_device() -> None:
    share = types.find("g6f.large")
    assert (share.count, share.devices, share.memory_mib) == (0.125, 1, 2861)


def test_what_no_source_states_is_empty() -> None:
    ultra = types.find("p6e-gb200.36xlarge")
    assert (ultra.vcpus, ultra.ram_gib, ultra.quota) == (None, None, "")


@pytest.mark.parametrize(
    ("typed", "meant"), [("g4dn.xlrage", "g4dn.xlarge"), ("Standard_NC4as_T4", "Standard_NC4as_T4_v3")]
)
def test_an_unknown_type_is_a_usage_error_with_near_matches(typed: str, meant: str) -> None:
    with pytest.raises(UsageError, match="unknown instance type") as caught:
        types.find(typed)
    assert meant in caught.value.remedy


def test_a_type_like_no_other_points_to_the_list() -> None:
    with pytest.raises(UsageError) as caught:
        types.find("qqqqqqqq")
    assert "`gpucloud types`" in caught.value.remedy


def test_the_name_tells_the_cloud_for_every_type() -> None:
    assert {each.name for each in types.every().values() if types.cloud_of(each.name) != each.cloud} == set()
    assert types.cloud_of("standard_new_size") == "azure"


def test_amd_types_are_refused_with_the_reason() -> None:
    amd = [each for each in types.every().values() if each.gpu.vendor == "amd"]
    problems = [types.refusal(each) for each in amd]
    assert len(amd) == 20
    assert all(problem is not None and "AMD" in problem.why for problem in problems)


def test_a_retired_type_says_so_and_names_a_current_successor() -> None:
    problem = types.refusal(types.find("Standard_NC6s_v3"))
    assert problem is not None
    assert problem.what == "Standard_NC6s_v3 is retired"
    assert problem.why == "retired 2025-09-30"
    assert problem.remedy == "take NCasT4_v3, for instance Standard_NC4as_T4_v3"


def test_every_successor_is_a_family_with_current_types() -> None:
    families = {each.family for each in NVIDIA if each.status == "current" and each.family not in types.GRID_FAMILIES}
    assert {each.successor for each in types.every().values() if each.successor} <= families


def test_current_types_are_not_refused() -> None:
    special = types.GRID_FAMILIES | {"NCCads_H100_v5"}
    plain = [each for each in NVIDIA if each.status == "current" and each.family not in special]
    assert [each.name for each in plain if types.refusal(each)] == []


def test_a_confidential_type_is_refused_and_its_plain_sister_named() -> None:
    refused = types.refusal(types.find("Standard_NCC40ads_H100_v5"))
    assert refused is not None and "confidential" in refused.why
    assert refused.remedy == "take NCads_H100_v5, for instance Standard_NC40ads_H100_v5"


GRID = [each for each in types.every().values() if each.family in types.GRID_FAMILIES]


@pytest.mark.parametrize("each", GRID, ids=lambda each: each.name)
def test_every_type_with_a_virtual_gpu_is_refused_and_another_named(each: types.InstanceType) -> None:
    refused = types.refusal(each)
    assert refused is not None
    assert "GRID driver" in refused.why or each.status == "retired"
    assert refused.remedy.startswith("take ")


def test_the_families_with_virtual_gpus_are_these() -> None:
    assert {each.family for each in GRID} == types.GRID_FAMILIES
    shares = {each.family for each in NVIDIA if each.count and each.count < 1}
    assert shares <= types.GRID_FAMILIES


def test_every_retired_type_of_azure_names_its_successor() -> None:
    retired = [each for each in NVIDIA if each.cloud == "azure" and each.status == "retired"]
    refused = {each.name: types.refusal(each) for each in retired}
    assert len(retired) == 31
    assert [name for name, problem in refused.items() if problem is None or "for instance" not in problem.remedy] == []


def test_a_search_for_the_cheapest_offers_no_virtual_gpu() -> None:
    assert {each.family for each in types.search(gpu="L4")}.isdisjoint(types.GRID_FAMILIES)


@pytest.mark.parametrize("each", NVIDIA, ids=lambda each: each.name)
def test_every_nvidia_type_has_what_the_driver_table_needs(each: types.InstanceType) -> None:
    assert each.gpu.compute_capability and each.count and each.cpu_arch in ("x86_64", "arm64")
    assert each.status in ("current", "retired", "unclear")
