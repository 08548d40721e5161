"""A guest that says it is an Azure machine: the unmodified stages bring it to a verified state."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any
from wsgiref.simple_server import make_server

import pytest

from gpucloud import guest, profile
from gpucloud.catalog.stack import choose
from gpucloud.catalog.types import find
from gpucloud.errors import StageFailed
from gpucloud.plan import make_plan
from gpucloud.remote.ssh import SshRemote, wait_for_ssh
from gpucloud.sandbox.guest.manager import GuestManager, possible, reap_leftovers
from gpucloud.sandbox.mirror import Mirror
from gpucloud.verify.expectation import Expectation
from gpucloud.verify.run import verify
from gpucloud.waiting import Waiter
from tests.sandbox_guest.conftest import HARDWARE, PORT, Keys
from tests.sandbox_mirror.conftest import Quiet, ThreadedServer
from tests.sandbox_mirror.machines import T4

pytestmark = pytest.mark.slow

KERNEL = "6.8.0-1035-azure"
ADDRESS = "127.77.200.9"
TYPE = "Standard_NC4as_T4_v3"
AZURE = {
    **HARDWARE,
    "instance_type": TYPE,
    "cloud": "azure",
    "kernel": KERNEL,
    "gpus": [{**T4, "bus_id": "00000001:00:00.0"}],
    "hostname": "trainer",
    "secure_boot": True,
}
Boot = Callable[..., SshRemote]


@pytest.fixture(scope="module")
def stocked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GuestManager]:
    """A manager whose guests have the sandbox's mirror."""
    if reason := possible():
        pytest.skip(reason)
    mirror = Mirror(tmp_path_factory.mktemp("mirror"))
    with make_server("127.0.0.1", 0, mirror.app, ThreadedServer, Quiet) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        made = GuestManager(tmp_path_factory.mktemp("guests"), f"http://127.0.0.1:{server.server_port}")
        yield made
        made.close()
        reap_leftovers(made.root)
        server.shutdown()
        thread.join()


@pytest.fixture
def boot(stocked: GuestManager, keys: Keys) -> Iterator[Boot]:
    """Boot a guest and log in: `boot(fault="…")`, with changes to its hardware."""

    def made(**changes: Any) -> SshRemote:
        user_data = keys.user_data()
        stocked.create("az-0123abcd", ADDRESS, PORT, user_data, {**AZURE, **changes}, lambda _id, _how: None)
        return login(keys, ADDRESS)

    yield made
    stocked.destroy("az-0123abcd")


def login(keys: Keys, address: str) -> SshRemote:
    public = str(keys.settings["ssh_keys"]["ed25519_public"])
    return wait_for_ssh(
        address, "ubuntu", PORT, Path(keys.private), public, waiter=Waiter(first=0.05, longest=0.2), timeout=30
    )


def bootstrap(remote: SshRemote, image: str = "ubuntu-22.04", type_name: str = TYPE) -> list[str]:
    """Bootstrap it with the default profile; the stages that had nothing to do, and what they all said."""
    told: list[str] = []
    plan = make_plan(profile.load("default"), choose(find(type_name), image=image), "run-1")

    def hear(event: Mapping[str, Any]) -> None:
        if event["event"] == "stage-skipped":
            told.append(f"skipped {event['stage']}")
        elif event["event"] == "line":
            told.append(str(event["text"]))

    guest.bootstrap(lambda: remote, plan, hear, Waiter(first=0.05, longest=0.2), timeout=120)
    return told


def verified(keys: Keys, type_name: str = TYPE) -> Mapping[str, Any]:
    """The facts of the machine, which must be as it was sold."""
    sold, stack = find(type_name), choose(find(type_name))
    expected = Expectation(
        sold.gpu.name,
        sold.devices,
        sold.memory_mib,
        compute_capability=sold.gpu.compute_capability,
        torch_version=stack.torch,
    )
    facts, report = verify(login(keys, ADDRESS), expected, machine="t4")
    assert report.ok, report.summary
    assert report.summary.endswith("[simulated]")
    return facts


@pytest.mark.parametrize("system", ["ubuntu-22.04", "ubuntu-24.04"])
def test_the_stages_bring_it_to_a_verified_state(boot: Boot, keys: Keys, system: str) -> None:
    bootstrap(boot(os=system))

    facts = verified(keys)
    assert (facts["machine"]["hostname"], facts["pci"][0]["address"]) == ("trainer", "0001:00:00.0")
    assert facts["kernel"]["running"] == KERNEL
    assert (facts["kernel"]["pending"], len(facts["kernel"]["pending_modules"])) == ("6.8.0-1036-azure", 1)
    assert facts["module"]["licence"] == "Dual MIT/GPL"
    assert facts["secure_boot"]["enabled"] is True


def test_a_v100_gets_the_proprietary_module(boot: Boot, keys: Keys) -> None:
    v100 = {"name": "Tesla V100-SXM2-32GB", "pci_device_id": "0x1db5", "memory_mib": 32768, "compute_cap": "7.0"}
    gpus = [{**T4, **v100, "index": n, "uuid": f"GPU-{n}", "bus_id": f"{n + 1:08X}:00:00.0"} for n in range(8)]
    bootstrap(boot(gpus=gpus, instance_type="Standard_ND40rs_v2"), type_name="Standard_ND40rs_v2")

    facts = verified(keys, "Standard_ND40rs_v2")
    assert (facts["module"]["licence"], len(facts["smi"]["gpus"])) == ("NVIDIA", 8)
    assert facts["torch"]["version"].startswith("2.10.0")


def test_a_kernel_without_signed_modules_is_refused_under_secure_boot(boot: Boot) -> None:
    with pytest.raises(StageFailed) as caught:
        bootstrap(boot(fault="no-module-for-kernel"))
    assert "az vm update -g GROUP -n NAME --enable-secure-boot false" in caught.value.remedy


def test_what_the_hpc_image_brings_is_found_and_left_alone(boot: Boot, keys: Keys) -> None:
    told = bootstrap(boot(image="hpc", secure_boot=False), "hpc")

    assert "skipped driver" in told
    assert not [line for line in told if "docker-ce" in line or "nvidia-utils" in line]
    facts = verified(keys)
    assert facts["kernel"]["running_modules"] == [f"/lib/modules/{KERNEL}/updates/dkms/nvidia.ko"]


def test_the_hpc_images_driver_is_named_where_secure_boot_refuses_it(boot: Boot) -> None:
    with pytest.raises(StageFailed, match="Secure Boot refuses it"):
        bootstrap(boot(image="hpc"), "hpc")
