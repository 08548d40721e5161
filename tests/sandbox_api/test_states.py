"""States in time, power calls, addresses and what an instance takes with it."""

from __future__ import annotations

from tests.sandbox_api.support import Sandbox, refused


def test_a_machine_is_pending_for_the_scenarios_time_and_then_runs(sandbox: Sandbox) -> None:
    sandbox.use("state_times: {pending: 0.6}")
    made = sandbox.run()
    assert made["State"]["Name"] == "pending"
    assert sandbox.state(made["InstanceId"]) == "pending"
    assert sandbox.reaches(made["InstanceId"], "running")


def test_stop_drops_the_address_and_start_gives_a_new_one(sandbox: Sandbox) -> None:
    machine = sandbox.run()["InstanceId"]
    assert sandbox.reaches(machine, "running")
    before = sandbox.describe(machine)["PublicIpAddress"]
    change = sandbox.ec2.stop_instances(InstanceIds=[machine])["StoppingInstances"][0]
    assert (change["PreviousState"]["Name"], change["CurrentState"]["Name"]) == ("running", "stopping")
    assert sandbox.reaches(machine, "stopped")
    stopped = sandbox.describe(machine)
    assert "PublicIpAddress" not in stopped
    assert stopped["StateReason"]["Code"] == "Client.UserInitiatedShutdown"
    change = sandbox.ec2.start_instances(InstanceIds=[machine])["StartingInstances"][0]
    assert (change["PreviousState"]["Name"], change["CurrentState"]["Name"]) == ("stopped", "pending")
    assert sandbox.reaches(machine, "running")
    after = sandbox.describe(machine)["PublicIpAddress"]
    assert after.startswith("127.77.")
    assert after != before


def test_terminate_passes_through_shutting_down_and_takes_disk_and_interface_along(sandbox: Sandbox) -> None:
    machine = sandbox.run()["InstanceId"]
    change = sandbox.ec2.terminate_instances(InstanceIds=[machine])["TerminatingInstances"][0]
    assert change["CurrentState"]["Name"] == "shutting-down"
    assert sandbox.ask("inventory")["volume"]
    assert sandbox.reaches(machine, "terminated")
    assert not any(sandbox.ask("inventory").values())


def test_terminating_again_and_stopping_again_change_nothing(sandbox: Sandbox) -> None:
    machine = sandbox.run()["InstanceId"]
    sandbox.ec2.stop_instances(InstanceIds=[machine])
    assert sandbox.reaches(machine, "stopped")
    again = sandbox.ec2.stop_instances(InstanceIds=[machine])["StoppingInstances"][0]
    assert again["CurrentState"]["Name"] == "stopped"
    sandbox.ec2.terminate_instances(InstanceIds=[machine])
    assert sandbox.reaches(machine, "terminated")
    again = sandbox.ec2.terminate_instances(InstanceIds=[machine])["TerminatingInstances"][0]
    assert again["CurrentState"]["Name"] == "terminated"


def test_a_terminated_machine_cannot_be_started_stopped_or_rebooted(sandbox: Sandbox) -> None:
    machine = sandbox.run()["InstanceId"]
    sandbox.ec2.terminate_instances(InstanceIds=[machine])
    assert sandbox.reaches(machine, "terminated")
    with refused("IncorrectInstanceState"):
        sandbox.ec2.start_instances(InstanceIds=[machine])
    with refused("IncorrectInstanceState"):
        sandbox.ec2.stop_instances(InstanceIds=[machine])
    with refused("IncorrectInstanceState"):
        sandbox.ec2.reboot_instances(InstanceIds=[machine])


def test_an_unknown_machine_has_the_real_error(sandbox: Sandbox) -> None:
    with refused("InvalidInstanceID.NotFound"):
        sandbox.ec2.terminate_instances(InstanceIds=["i-00000000000000000"])
    with refused("InvalidInstanceID.Malformed"):
        sandbox.ec2.stop_instances(InstanceIds=["nonsense"])


def test_termination_while_pending_wins(sandbox: Sandbox) -> None:
    sandbox.use("state_times: {pending: 0.5, shutting_down: 0.0}")
    machine = sandbox.run()["InstanceId"]
    sandbox.ec2.terminate_instances(InstanceIds=[machine])
    assert sandbox.reaches(machine, "terminated")
    assert not sandbox.reaches(machine, "running", seconds=0.8)


def test_termination_protection_holds(sandbox: Sandbox) -> None:
    machine = sandbox.run(DisableApiTermination=True)["InstanceId"]
    sandbox.ec2.modify_instance_attribute(InstanceId=machine, DisableApiTermination={"Value": True})
    with refused("OperationNotPermitted"):
        sandbox.ec2.terminate_instances(InstanceIds=[machine])


def test_the_console_is_the_guests(sandbox: Sandbox) -> None:
    machine = sandbox.run()["InstanceId"]
    assert sandbox.reaches(machine, "running")
    assert "[simulated]" in sandbox.ec2.get_console_output(InstanceId=machine)["Output"]
