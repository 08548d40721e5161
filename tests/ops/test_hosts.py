"""Machines that exist already, beside two clouds: listed and used like the others, never made, billed or ended."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, replace

import pytest

from gpucloud.config import Config, Host
from gpucloud.errors import UsageError
from gpucloud.machine import Machine, State
from gpucloud.ops import clouds, doctor, down, extend, find, listing, planning, power, reap, shell, verify
from gpucloud.ops.context import Context
from gpucloud.ops.request import Request
from gpucloud.providers import registry
from gpucloud.verify.expectation import Expectation
from tests.ops.conftest import NO_AZURE, World

LAB = Host("lab.example.org", "ada", 2222, "/keys/lab", "g4dn.xlarge")
# Port 1 (tcpmux) refuses at once on any ordinary machine.
DEAD = Host("127.0.0.1", port=1)


@pytest.fixture(autouse=True)
def known(monkeypatch: pytest.MonkeyPatch, world: World) -> None:
    monkeypatch.setitem(registry.CLOUDS, "hosts", "gpucloud.providers.hosts")


def beside_clouds(world: World, config: Config | None = None, **hosts: Host) -> Context:
    context = world.context(config)
    given = {name: asdict(host) for name, host in (hosts or {"lab": LAB}).items()}
    return replace(context, settings={**context.settings, "hosts": given})


def lab(context: Context) -> Machine:
    return find.machine(context, "lab")


def test_they_are_listed_beside_the_clouds_machines(world: World) -> None:
    world.aws.add("box")
    answers = clouds.machines(beside_clouds(world))
    assert [(machine.name, machine.cloud) for machine in clouds.together(answers.given)] == [
        ("box", "aws"),
        ("lab", "hosts"),
    ]


def test_without_any_in_the_configuration_nobody_hears_of_them(world: World) -> None:
    assert world.context().clouds == ("aws", "azure")
    assert world.remarks == []


def test_they_can_be_all_that_is_asked_about(world: World) -> None:
    context = beside_clouds(world, Config(cloud="hosts"))
    assert [machine.name for machine in clouds.together(clouds.machines(context).given)] == ["lab"]
    assert world.aws.asked == world.azure.asked == []


def test_a_row_claims_neither_a_state_nor_a_price(world: World) -> None:
    row = listing.row(lab(beside_clouds(world))).to_dict()
    assert (row["state"], row["gpu"], row["address"]) == (State.UNKNOWN, "1×T4", "lab.example.org")
    assert (row["usd_per_hour"], row["usd_so_far"], row["expires_at"]) == (None, None, None)


def test_one_is_found_by_name_without_asking_a_cloud(world: World) -> None:
    world.azure.refuses = NO_AZURE
    assert lab(beside_clouds(world)).id == "hosts/lab"
    assert world.aws.asked == world.azure.asked == world.remarks == []


def test_one_that_is_called_like_a_machine_of_ours_is_named_by_its_id(world: World) -> None:
    world.aws.add("lab")
    world.journal("lab", "aws")
    context = beside_clouds(world)
    with pytest.raises(UsageError, match="hosts/lab in hosts"):
        find.machine(context, "lab")
    assert find.machine(context, "hosts/lab").cloud == "hosts"


DEEDS: dict[str, Callable[[Context], object]] = {
    "start": lambda context: power.start(context, lab(context)),
    "stop": lambda context: power.stop(context, lab(context)),
    "remove": lambda context: down.wanted(context, ["lab"], False, ""),
    "end": lambda context: extend.extend(context, lab(context), 60),
    "reboot": lambda context: verify.verify(lambda: context, verify.Targets(("lab",)), with_reboot=True),
}


@pytest.mark.parametrize("deed", DEEDS)
def test_what_was_not_made_is_left_alone(world: World, deed: str) -> None:
    with pytest.raises(UsageError, match=f"gpucloud did not make lab and does not {deed} it"):
        DEEDS[deed](beside_clouds(world))


def test_down_all_passes_them_by(world: World) -> None:
    world.aws.add("box")
    assert [target.name for target in down.wanted(beside_clouds(world), [], True, "").targets] == ["box"]


def test_reap_passes_them_by(world: World) -> None:
    assert reap.survey(beside_clouds(world, Config(cloud="hosts"))).findings == []


def test_no_machine_is_made_among_them(world: World) -> None:
    assert set(clouds.regions(beside_clouds(world))) == {"aws", "azure"}
    only_hosts = beside_clouds(world, Config(cloud="hosts"))
    with pytest.raises(UsageError, match="no machine can be made in hosts"):
        planning.make(only_hosts, Request(gpu="T4"))
    with pytest.raises(UsageError, match="it is a type of aws"):
        planning.make(only_hosts, Request(type="g4dn.xlarge"))


def test_openssh_gets_what_the_configuration_says_and_decides_the_rest(world: World) -> None:
    context = beside_clouds(world, lab=LAB, bare=Host("box"))
    said = ["-p", "2222", "-l", "ada", "-i", "/keys/lab", "lab.example.org"]
    assert shell.openssh(context, lab(context), ["echo", "a b"])[1:] == [*said, "echo 'a b'"]
    assert shell.openssh(context, find.machine(context, "bare"), [])[1:] == ["box"]


def test_the_type_says_which_gpu_is_to_be_found(world: World) -> None:
    context = beside_clouds(world, lab=LAB, bare=Host("box"))
    expected = verify._expected(context, lab(context))
    assert (expected.gpu, expected.gpu_count, expected.layers) == ("T4", 1, Expectation().layers)
    assert verify._expected(context, find.machine(context, "bare")) == Expectation()


def test_doctor_says_which_of_them_lets_us_in(world: World) -> None:
    world.aws.region = world.azure.region = ""
    context = beside_clouds(world, dead=DEAD)
    found = doctor.examine(Config(), lambda: context, simulated=False)
    (finding,) = [each for each in found if each.what.startswith("dead")]
    assert (finding.status, "host key of [127.0.0.1]:1 is not known" in finding.what) == ("warn", True)
    assert "fail" not in {each.status for each in found}, "who has hosts need not have a cloud"


def test_they_have_no_policy() -> None:
    with pytest.raises(UsageError, match="hosts have no policy"):
        doctor.policy("hosts")
