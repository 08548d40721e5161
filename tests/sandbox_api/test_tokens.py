"""ClientToken."""

from __future__ import annotations

from tests.sandbox_api.support import Sandbox, refused


def test_the_same_token_and_parameters_name_the_same_instance(sandbox: Sandbox) -> None:
    first, second = sandbox.run(ClientToken="gpucloud-1"), sandbox.run(ClientToken="gpucloud-1")
    assert first["InstanceId"] == second["InstanceId"]
    assert len(sandbox.ask("inventory")["instance"]) == 1


def test_other_parameters_under_a_used_token_are_refused(sandbox: Sandbox) -> None:
    sandbox.run(ClientToken="gpucloud-1")
    with refused("IdempotentParameterMismatch"):
        sandbox.run(ClientToken="gpucloud-1", InstanceType="g4dn.2xlarge")


def test_the_token_of_a_machine_that_is_gone_is_refused(sandbox: Sandbox) -> None:
    machine = sandbox.run(ClientToken="gpucloud-1")["InstanceId"]
    sandbox.ec2.terminate_instances(InstanceIds=[machine])
    assert sandbox.reaches(machine, "terminated")
    with refused("IdempotentInstanceTerminated"):
        sandbox.run(ClientToken="gpucloud-1")


def test_no_token_makes_a_machine_each_time(sandbox: Sandbox) -> None:
    assert sandbox.run()["InstanceId"] != sandbox.run()["InstanceId"]


def test_a_token_finds_its_machine_by_filter(sandbox: Sandbox) -> None:
    made = sandbox.run(ClientToken="gpucloud-1")
    answer = sandbox.ec2.describe_instances(Filters=[{"Name": "client-token", "Values": ["gpucloud-1"]}])
    assert [i["InstanceId"] for r in answer["Reservations"] for i in r["Instances"]] == [made["InstanceId"]]
