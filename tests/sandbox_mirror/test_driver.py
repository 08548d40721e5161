from __future__ import annotations

import os
from collections.abc import Callable

import pytest

from gpucloud.sandbox.mirror.ubuntu import module_files
from tests.sandbox_mirror.machines import KERNEL, T4, SimulatedMachine

pytestmark = pytest.mark.slow  # each test starts processes of its own

Make = Callable[..., SimulatedMachine]
QUERY = (
    "name,uuid,pci.bus_id,driver_version,memory.total,memory.used,persistence_mode,mig.mode.current,ecc.mode.current,"
    "ecc.errors.uncorrected.volatile.sram,ecc.errors.uncorrected.volatile.dram,pcie.link.gen.current,pcie.link.gen.max,"
    "pcie.link.width.current,pcie.link.width.max,clocks_event_reasons.active,temperature.gpu,power.draw"
)


def loaded(machine: SimulatedMachine) -> list[str]:
    return [line.split()[0] for line in (machine.root / "proc/modules").read_text().splitlines()]


def test_modprobe_without_a_module_file_fails_with_kmods_text(machine: Make) -> None:
    result = machine().run("modprobe", "nvidia")
    assert result.returncode == 1
    assert result.stderr == "modprobe: FATAL: Module nvidia not found in directory /lib/modules/6.8.0-1035-aws\n"


def test_loading_the_driver_shows_wherever_programs_look(machine: Make) -> None:
    guest = machine()
    guest.install_driver()
    assert guest.run("modprobe", "nvidia-uvm").returncode == 0
    assert loaded(guest) == ["nvidia_uvm", "nvidia"]
    assert (guest.root / "sys/module/nvidia/version").read_text() == "580.95.05\n"
    assert "580.95.05" in (guest.root / "proc/driver/nvidia/version").read_text()
    assert os.readlink(guest.root / "dev/nvidia0") == "/dev/null"
    assert guest.run("modinfo", "-F", "version", "nvidia").stdout == "580.95.05\n"


def test_rmmod_refuses_a_module_in_use_and_goes_on_with_the_next(machine: Make) -> None:
    guest = machine()
    guest.install_driver()
    guest.run("modprobe", "nvidia-uvm")
    refused = guest.run("rmmod", "nvidia")
    assert (refused.returncode, refused.stderr) == (1, "rmmod: ERROR: Module nvidia is in use by: nvidia_uvm\n")
    assert guest.run("rmmod", "nvidia-drm", "nvidia-uvm", "nvidia").returncode == 1
    assert loaded(guest) == []
    assert not (guest.root / "sys/module/nvidia").exists()
    assert not (guest.root / "dev/nvidia0").is_symlink()


def test_boot_loads_the_installed_driver(machine: Make) -> None:
    guest = machine()
    guest.install_driver()
    guest.boot()
    assert loaded(guest) == ["nvidia_uvm", "nvidia"]


def test_the_smi_query_is_one_parseable_line_for_each_gpu(machine: Make) -> None:
    guest = machine(gpus=[T4, {**T4, "index": 1, "bus_id": "00000000:00:1F.0", "uuid": "GPU-2"}])
    guest.install_driver()
    guest.boot()
    result = guest.run("nvidia-smi", "--query-gpu=" + QUERY, "--format=csv,noheader,nounits")
    rows = [dict(zip(QUERY.split(","), line.split(", "), strict=True)) for line in result.stdout.splitlines()]
    assert result.returncode == 0
    assert [row["uuid"] for row in rows] == ["GPU-5a3c", "GPU-2"]
    assert (rows[0]["name"], rows[0]["memory.total"], rows[0]["driver_version"]) == ("Tesla T4", "15360", "580.95.05")
    assert "[simulated]" in result.stderr


def test_old_drivers_do_not_know_the_event_reasons_field(machine: Make) -> None:
    guest = machine()
    guest.install_driver("470.256.02")
    guest.boot()
    result = guest.run("nvidia-smi", "--query-gpu=clocks_event_reasons.active", "--format=csv,noheader")
    assert (result.returncode, result.stdout.strip()) == (
        2,
        'Field "clocks_event_reasons.active" is not a valid field to query.',
    )
    assert guest.run("nvidia-smi", "--query-gpu=clocks_throttle_reasons.active", "--format=csv").returncode == 0


def test_smi_lists_and_tables_say_simulated(machine: Make) -> None:
    guest = machine()
    guest.install_driver()
    guest.boot()
    assert guest.run("nvidia-smi", "-L").stdout == "GPU 0: Tesla T4 (UUID: GPU-5a3c)\n"
    table = guest.run("nvidia-smi").stdout
    assert "Driver Version: 580.95.05" in table
    assert "CUDA Version: 13.0" in table
    assert "[simulated]" in table


def test_smi_without_a_loaded_driver_exits_9(machine: Make) -> None:
    guest = machine()
    guest.install_driver()
    result = guest.run("nvidia-smi")
    assert result.returncode == 9
    assert result.stdout.startswith("NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver.")


def test_fault_version_mismatch_survives_a_reload(machine: Make) -> None:
    guest = machine("version-mismatch")
    guest.install_driver()
    guest.boot()
    guest.run("rmmod", "nvidia-uvm", "nvidia")
    guest.run("modprobe", "nvidia")
    result = guest.run("nvidia-smi")
    assert result.returncode == 18
    assert result.stdout.startswith("Failed to initialize NVML: Driver/library version mismatch")


def test_fault_uvm_missing_leaves_the_module_out_in_silence(machine: Make) -> None:
    guest = machine("uvm-missing")
    guest.install_driver()
    assert guest.run("modprobe", "nvidia-uvm").returncode == 0
    assert loaded(guest) == ["nvidia"]


def test_fault_gsp_xid_is_in_the_kernel_log(machine: Make) -> None:
    guest = machine("gsp-xid")
    guest.install_driver()
    guest.boot()
    assert "NVRM: Xid (PCI:0000:00:1e): 119," in guest.run("dmesg").stdout
    assert guest.run("nvidia-smi").returncode == 9


def test_fault_nouveau_holds_the_gpu_until_a_boot_with_it_blacklisted(machine: Make) -> None:
    guest = machine("nouveau-loaded")
    guest.install_driver()
    guest.boot()
    assert loaded(guest) == ["nouveau"]
    assert guest.run("rmmod", "nouveau").stderr == "rmmod: ERROR: Module nouveau is in use\n"
    refused = guest.run("modprobe", "nvidia")
    assert refused.stderr == "modprobe: ERROR: could not insert 'nvidia': No such device\n"
    assert "already bound to nouveau" in guest.run("dmesg").stdout
    guest.write("/etc/modprobe.d/blacklist.conf", "blacklist nouveau\n")
    guest.boot()
    assert loaded(guest) == ["nvidia_uvm", "nvidia"]


@pytest.mark.parametrize(
    ("capability", "version", "tail", "words"),
    [
        ("7.0", "595.58.03", "", "supported through the NVIDIA 580.xx Legacy drivers"),
        ("3.7", "580.95.05", "", "supported through the NVIDIA 470.xx Legacy drivers"),
        ("7.0", "580.95.05", "-open", "not supported by open nvidia.ko"),
        ("10.0", "580.95.05", "", "requires use of the NVIDIA open kernel modules"),
        ("9.0", "470.256.02", "", "not supported by the NVIDIA 470.256.02 driver release"),
    ],
)
def test_a_driver_that_does_not_fit_the_gpu_is_refused(
    machine: Make, capability: str, version: str, tail: str, words: str
) -> None:
    guest = machine(gpus=[{**T4, "compute_cap": capability}])
    guest.install_driver(version, tail)
    assert guest.run("modprobe", "nvidia").returncode == 1
    assert words in guest.run("dmesg").stdout


def test_with_secure_boot_an_unsigned_module_is_rejected(machine: Make) -> None:
    guest = machine(secure_boot=True)
    for name, text in module_files(f"/lib/modules/{KERNEL}/updates/dkms", "580.95.05", "").items():
        guest.write(name, text)
    result = guest.run("modprobe", "nvidia")
    assert result.stderr == "modprobe: ERROR: could not insert 'nvidia': Key was rejected by service\n"
    assert "Loading of unsigned module is rejected" in guest.run("dmesg").stdout


def test_with_secure_boot_ubuntus_signed_module_loads(machine: Make) -> None:
    guest = machine(secure_boot=True)
    guest.install_driver()
    guest.boot()
    assert loaded(guest) == ["nvidia_uvm", "nvidia"]


@pytest.mark.parametrize(
    ("given", "code", "words"),
    [
        ({}, 1, "EFI variables are not supported on this system\n"),
        ({"secure_boot": True}, 0, "SecureBoot enabled\n"),
        ({"secure_boot": False}, 0, "SecureBoot disabled\n"),
    ],
)
def test_mokutil_says_what_the_firmware_does(machine: Make, given: dict[str, bool], code: int, words: str) -> None:
    result = machine(**given).run("mokutil", "--sb-state")
    assert (result.returncode, result.stdout + result.stderr) == (code, words)


def test_turning_the_gsp_firmware_off_shows_in_the_parameters(machine: Make) -> None:
    guest = machine()
    guest.install_driver()
    guest.write("/etc/modprobe.d/gsp.conf", "options nvidia NVreg_EnableGpuFirmware=0\n")
    guest.boot()
    assert (guest.root / "proc/driver/nvidia/params").read_text() == "EnableGpuFirmware: 0\n"


def test_lspci_shows_the_gpu(machine: Make) -> None:
    line = machine().run("lspci", "-nn").stdout
    assert line == "00:1e.0 3D controller [0302]: NVIDIA Corporation Tesla T4 [10de:1eb8] (rev a1)\n"
