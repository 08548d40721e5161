"""The catalogue's GPUs against what nvidia-smi prints for them on real machines, in name and in MiB."""

from __future__ import annotations

import pytest

from gpucloud.catalog.tables import rows
from gpucloud.catalog.types import every
from gpucloud.verify.checks.floors import FLOORS, floor_of
from gpucloud.verify.expectation import Expectation, is_same_gpu, memory_fits

PRINTED = [
    ("K520", "GRID K520", 4036),
    ("K80", "Tesla K80", 11441),
    ("M60", "Tesla M60", 7618),
    ("P100", "Tesla P100-PCIE-16GB", 16280),
    ("P40", "Tesla P40", 22919),
    ("V100", "Tesla V100-SXM2-16GB", 16160),
    ("V100", "Tesla V100-SXM2-32GB", 32510),
    ("V100", "Tesla V100-PCIE-16GB", 16384),
    ("T4", "Tesla T4", 15360),
    ("T4", "Tesla T4", 15109),
    ("T4G", "NVIDIA T4G", 15360),
    ("A100", "NVIDIA A100-SXM4-40GB", 40960),
    ("A100", "NVIDIA A100-SXM4-80GB", 81920),
    ("A100", "NVIDIA A100 80GB PCIe", 81920),
    ("A10G", "NVIDIA A10G", 23028),
    ("A10G", "NVIDIA A10G", 22731),
    ("L4", "NVIDIA L4", 23034),
    ("L40S", "NVIDIA L40S", 46068),
    ("H100", "NVIDIA H100 80GB HBM3", 81559),
    ("H100 NVL", "NVIDIA H100 NVL", 95830),
    ("H200", "NVIDIA H200", 143771),
    ("B200", "NVIDIA B200", 183359),
    ("GB200", "NVIDIA GB200", 189471),
    ("B300", "NVIDIA B300 SXM6 AC", 275040),
    ("GB300", "NVIDIA GB300", 284208),
    ("A10", "NVIDIA A10-24Q", 24512),
    ("RTX PRO 4500 Blackwell Server", "NVIDIA RTX PRO 4500 Blackwell Server Edition", 32623),
    ("RTX PRO 6000 Blackwell Server", "NVIDIA RTX PRO 6000 Blackwell Server Edition", 97887),
]
"""(catalogue, nvidia-smi, MiB), as people have posted it; older drivers print a little less memory."""


@pytest.mark.parametrize(("sold", "printed", "mib"), PRINTED)
def test_what_nvidia_smi_prints_is_what_was_sold(sold: str, printed: str, mib: int) -> None:
    assert is_same_gpu(sold, printed)
    sizes = {each.memory_mib for each in every().values() if each.gpu.name == sold}
    assert any(memory_fits(Expectation(gpu_memory_mib=size), mib) for size in sizes)


def test_every_nvidia_gpu_of_the_catalogue_is_covered() -> None:
    assert {line[0] for line in rows("gpus.csv") if line[1] == "nvidia"} == {sold for sold, _, _ in PRINTED}


@pytest.mark.parametrize(
    ("printed", "bandwidth"),
    [
        ("Tesla V100-SXM2-16GB", 607),
        ("Tesla T4", 183),
        ("NVIDIA A10G", 363),
        ("NVIDIA A100-SXM4-40GB", 970),
        ("NVIDIA A100-SXM4-80GB", 1173),
        ("NVIDIA A100 80GB PCIe", 1173),
        ("NVIDIA L4", 198),
        ("NVIDIA L40S", 525),
        ("NVIDIA H100 80GB HBM3", 1905),
        ("NVIDIA H100 NVL", 2043),
        ("NVIDIA H200", 2200),
        ("NVIDIA B200", 4072),
    ],
)
def test_the_floor_is_that_of_the_printed_name(printed: str, bandwidth: float) -> None:
    floor = floor_of(printed, FLOORS)
    assert floor is not None and floor.bandwidth_gb_s == bandwidth


def test_one_gpu_is_not_taken_for_another() -> None:
    assert not is_same_gpu("L4", "NVIDIA L40S")
    assert not is_same_gpu("T4", "NVIDIA T4G")
    assert not is_same_gpu("A10", "NVIDIA A10G")
    assert not is_same_gpu("B200", "NVIDIA GB200")
    assert not is_same_gpu("A100", "NVIDIA A10G")
