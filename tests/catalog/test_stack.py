"""Every row of the driver/CUDA/torch table, every type of the catalogue, and overrides that do not go together."""

from __future__ import annotations

import pytest

from gpucloud.catalog.stack import choose, default_image
from gpucloud.catalog.types import InstanceType, every, find, refusal
from gpucloud.errors import ConfigError

TABLE = [
    # type, flavour, branch, gsp, torch, cuda
    ("g3s.xlarge", "proprietary", "580", True, "2.7.1", "12.6"),
    ("Standard_NV12s_v3", "proprietary", "580", True, "2.7.1", "12.6"),
    ("Standard_NC6s_v2", "proprietary", "580", True, "2.7.1", "12.6"),
    ("Standard_ND6s", "proprietary", "580", True, "2.7.1", "12.6"),
    ("p3.2xlarge", "proprietary", "580", True, "2.10.0", "12.8"),
    ("Standard_ND40rs_v2", "proprietary", "580", True, "2.10.0", "12.8"),
    ("g4dn.xlarge", "proprietary", "580", False, "2.15.0", "13.2"),
    ("Standard_NC4as_T4_v3", "open", "580", True, "2.15.0", "13.2"),
    ("p4d.24xlarge", "open", "580", True, "2.15.0", "13.2"),
    ("Standard_NC24ads_A100_v4", "open", "580", True, "2.15.0", "13.2"),
    ("g5.xlarge", "proprietary", "580", False, "2.15.0", "13.2"),
    ("Standard_NV6ads_A10_v5", "grid", "570", True, "2.10.0", "12.8"),
    ("Standard_NC16ads_A10_v4", "grid", "570", True, "2.10.0", "12.8"),
    ("g6.xlarge", "open", "580", True, "2.15.0", "13.2"),
    ("gr6.4xlarge", "open", "580", True, "2.15.0", "13.2"),
    ("g6e.xlarge", "open", "580", True, "2.15.0", "13.2"),
    ("g6f.large", "grid", "570", True, "2.10.0", "12.8"),
    ("gr6f.4xlarge", "grid", "570", True, "2.10.0", "12.8"),
    ("p5.48xlarge", "open", "580", True, "2.15.0", "13.2"),
    ("p5en.48xlarge", "open", "580", True, "2.15.0", "13.2"),
    ("Standard_NC40ads_H100_v5", "open", "580", True, "2.15.0", "13.2"),
    ("p6-b200.48xlarge", "open", "580", True, "2.15.0", "13.2"),
    ("p6-b300.48xlarge", "open", "580", True, "2.15.0", "13.2"),
    ("g7e.2xlarge", "open", "580", True, "2.15.0", "13.2"),
    ("Standard_NC36ds_xl_RTXPRO6000BSE_v6", "grid", "595", True, "2.15.0", "13.2"),
]


@pytest.mark.parametrize(("name", "flavour", "branch", "gsp", "torch", "cuda"), TABLE, ids=lambda value: str(value))
def test_row(name: str, flavour: str, branch: str, gsp: bool, torch: str, cuda: str) -> None:
    stack = choose(find(name))
    assert (stack.flavour, stack.branch, stack.gsp, stack.torch, stack.cuda) == (flavour, branch, gsp, torch, cuda)
    assert stack.torch_index == ""


AZURE = {
    # family: what a current type of it gets, or why it is refused
    "NCasT4_v3": ("open", "580", "2.15.0"),
    "NC_A100_v4": ("open", "580", "2.15.0"),
    "NDasrA100_v4": ("open", "580", "2.15.0"),
    "NDm_A100_v4": ("open", "580", "2.15.0"),
    "NCads_H100_v5": ("open", "580", "2.15.0"),
    "NCCads_H100_v5": "confidential machine",
    "ND_H100_v5": ("open", "580", "2.15.0"),
    "ND_H200_v5": ("open", "580", "2.15.0"),
    "NDv2": ("proprietary", "580", "2.10.0"),
    "NVadsA10_v5": "GRID driver",
    "NC_RTXPRO6000BSE_v6": "GRID driver",
    "ND_GB200_v6": "no arm64 build of torch",
    "ND_GB300_v6": "no arm64 build of torch",
    "ND_MI300X_v5": "AMD GPU",
    "NGads_V620_v1": "AMD GPU",
    "NVadsV710_v5": "AMD GPU",
}
CURRENT = [each for each in every().values() if each.cloud == "azure" and each.status == "current"]


@pytest.mark.parametrize("each", CURRENT, ids=lambda each: each.name)
def test_every_current_type_of_azure_gets_a_stack_or_a_reason(each: InstanceType) -> None:
    expected = AZURE[each.family]
    if isinstance(expected, str):
        assert expected in reason(each)
    else:
        stack = choose(each)
        assert refusal(each) is None
        assert (stack.flavour, stack.branch, stack.torch) == expected
        assert stack.gsp  # its firmware is switched off on AWS's g4dn, g5 and g5g alone


def reason(each: InstanceType) -> str:
    if refused := refusal(each):
        return refused.why
    with pytest.raises(ConfigError) as caught:
        choose(each)
    return caught.value.why


def test_a_stack_says_what_its_torch_needs() -> None:
    stack = choose(find("g4dn.xlarge"))
    assert (stack.min_driver, stack.python, stack.driver_cuda) == ("580", ">=3.11,<3.14", "13.0")


@pytest.mark.parametrize("each", every().values(), ids=lambda each: each.name)
def test_every_type_has_a_stack_or_a_reason(each: InstanceType) -> None:
    try:
        stack = choose(each)
    except ConfigError as refused:
        assert refused.why and refused.remedy
        assert each.gpu.vendor == "amd" or each.gpu.architecture == "Kepler" or each.cpu_arch == "arm64"
    else:
        assert stack.torch and int(stack.branch) >= int(stack.min_driver.split(".")[0])


@pytest.mark.parametrize(
    ("name", "reason"), [("p2.xlarge", "Kepler"), ("Standard_NC6", "Kepler"), ("g4ad.xlarge", "AMD")]
)
def test_gpus_without_a_stack_are_refused(name: str, reason: str) -> None:
    with pytest.raises(ConfigError, match=reason):
        choose(find(name))


def test_t4g_needs_an_image_that_brings_torch() -> None:
    with pytest.raises(ConfigError, match="sm_75") as caught:
        choose(find("g5g.xlarge"))
    assert "--image dlami" in caught.value.remedy
    stack = choose(find("g5g.xlarge"), image="dlami")
    assert (stack.torch, stack.branch) == ("", "595")


def test_the_dlami_keeps_its_own_driver() -> None:
    stack = choose(find("g4dn.xlarge"), image="dlami")
    assert (stack.flavour, stack.branch, stack.gsp, stack.torch) == ("open", "595", True, "2.15.0")
    with pytest.raises(ConfigError, match="brings its own"):
        choose(find("g4dn.xlarge"), image="dlami", driver="580")


@pytest.mark.parametrize(
    ("name", "flavour", "torch"),
    [
        ("Standard_NC4as_T4_v3", "open", "2.15.0"),
        ("Standard_NC40ads_H100_v5", "open", "2.15.0"),
        ("Standard_ND40rs_v2", "proprietary", "2.10.0"),
    ],
)
def test_the_hpc_image_keeps_its_own_driver_and_gets_torch(name: str, flavour: str, torch: str) -> None:
    stack = choose(find(name), image="hpc")
    assert (stack.flavour, stack.branch, stack.gsp, stack.torch) == (flavour, "580", True, torch)
    with pytest.raises(ConfigError, match="the image hpc brings its own"):
        choose(find(name), image="hpc", driver="595")


@pytest.mark.parametrize(
    "image", ["Canonical:ubuntu-24_04-lts:server:latest", "/subscriptions/s/resourceGroups/g/providers/x", "ami-1"]
)
def test_of_an_image_by_its_id_nothing_is_assumed(image: str) -> None:
    wanted = find("Standard_NC4as_T4_v3")
    assert choose(wanted, image=image) == choose(wanted)


def test_an_image_does_not_change_what_a_virtual_gpu_needs() -> None:
    for image in ("dlami", "hpc"):
        assert choose(find("Standard_NV36ads_A10_v5"), image=image).flavour == "grid"


@pytest.mark.parametrize("image", ["ubuntu-22.04", "hpc"])
def test_azures_arm_types_need_an_image_of_ones_own(image: str) -> None:
    with pytest.raises(ConfigError, match="no arm64 build of torch") as caught:
        choose(find("Standard_ND128isr_NDR_GB200_v6"), image=image)
    assert "dlami" not in caught.value.remedy


def test_without_a_wish_arm_types_get_the_image_that_drives_them() -> None:
    assert default_image(find("g5g.xlarge")) == "dlami"
    assert default_image(find("g4dn.xlarge")) == default_image(find("Standard_NC4as_T4_v3")) == "ubuntu-22.04"


@pytest.mark.parametrize("name", ["p3dn.24xlarge", "g3s.xlarge"])
def test_the_dlami_cannot_drive_old_gpus(name: str) -> None:
    with pytest.raises(ConfigError, match="580 is the last branch") as caught:
        choose(find(name), image="dlami")
    assert "ubuntu-22.04" in caught.value.remedy


def test_driver_470_on_a_t4_brings_the_torch_it_can_run() -> None:
    stack = choose(find("g4dn.xlarge"), driver="470")
    assert (stack.flavour, stack.branch, stack.gsp) == ("proprietary", "470", False)
    assert (stack.torch, stack.torch_index, stack.cuda, stack.min_driver) == ("2.7.1", "cu118", "11.8", "450.80.02")


def test_470_has_no_open_module() -> None:
    assert choose(find("Standard_NC4as_T4_v3"), driver="470").flavour == "proprietary"


def test_a_newer_grid_driver_brings_a_newer_torch() -> None:
    stack = choose(find("Standard_NV36ads_A10_v5"), driver="580")
    assert (stack.flavour, stack.torch) == ("grid", "2.15.0")


@pytest.mark.parametrize(
    ("name", "driver", "torch", "rule"),
    [
        ("g4dn.xlarge", "470", "2.15.0", r"torch 2\.15\.0 \(CUDA 13\.2\) needs driver >= 580"),
        ("g4dn.xlarge", "470", "2.7.1+cu126", r"needs driver >= 525\.60\.13"),
        ("p3dn.24xlarge", "", "2.15.0", r"torch 2\.15\.0 has no sm_70, which a V100 needs"),
        ("p3dn.24xlarge", "595", "", "580 is the last branch for Volta"),
        ("g3s.xlarge", "", "2.10.0", "has no sm_52"),
        ("g6.xlarge", "470", "", "g6.xlarge needs driver >= 570"),
        ("Standard_NV6ads_A10_v5", "", "2.15.0", "needs driver >= 580"),
        ("g4dn.xlarge", "471", "", "no such branch"),
        ("g4dn.xlarge", "latest", "", "no such branch"),
        ("g4dn.xlarge", "", "2.9.0", "which CUDA"),
        ("g4dn.xlarge", "", "2.9.0+cpu", "which CUDA"),
        ("g5g.xlarge", "", "2.15.0", "arm64"),
    ],
)
def test_overrides_that_do_not_go_together_name_the_rule(name: str, driver: str, torch: str, rule: str) -> None:
    with pytest.raises(ConfigError, match=rule):
        choose(find(name), driver=driver, torch=torch)


def test_an_override_may_name_any_build_by_its_cuda() -> None:
    stack = choose(find("p3dn.24xlarge"), torch="2.14.1+cu126")
    assert (stack.torch, stack.torch_index, stack.cuda) == ("2.14.1", "cu126", "12.6")


def test_a_known_build_is_taken_from_pypi_also_when_named_with_its_cuda() -> None:
    assert choose(find("g4dn.xlarge"), torch="2.7.1+cu126").torch_index == ""


def test_where_only_the_open_module_exists_it_is_chosen_with_its_firmware() -> None:
    chosen = choose(find("g4dn.xlarge"), driver="615")
    assert (chosen.flavour, chosen.gsp) == ("open", True)
