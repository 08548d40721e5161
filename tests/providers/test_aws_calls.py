"""What the API is asked: how often, how deep, and only what the policy allows."""

from __future__ import annotations

from benchmarks.aws_calls import before_launch, depth
from gpucloud.providers import registry
from tests.providers.support import Cloud


def test_at_most_nine_calls_and_four_deep_before_run_instances(aws: Cloud) -> None:
    aws.use("latency_ms: {'*': 60}")
    provider = aws.provider()
    provider.preflight(aws.spec())
    aws.launch(provider)
    calls = before_launch(aws.calls())
    assert len(calls) <= 9, [call["action"] for call in calls]
    assert depth(calls) <= 4


def test_every_call_is_in_the_policy(aws: Cloud) -> None:
    here = aws.provider()
    for spot, run in ((False, "run1"), (True, "run2")):
        here.preflight(aws.spec(spot=spot, image="dlami", disk_gb=200))
        machine_id = aws.launch(here, aws.spec(run, spot=spot), run)
        here.console(machine_id)
        here.set_tags(machine_id, {"a": "b"})
        if not spot:
            here.stop(machine_id)
            here.start(machine_id)
        for resource in here.resources(run):
            here.delete(resource)
    here.regions()
    used = {f"{call['service']}:{call['action']}" for call in aws.calls()}
    statements = registry.policy("aws")["Statement"]
    allowed = {action for statement in statements for action in statement["Action"]}
    assert used <= allowed
    for statement in statements:
        if any(action.startswith("kms:") for action in statement["Action"]):
            assert statement["Condition"] == {"StringLike": {"kms:ViaService": "ec2.*"}}, "only through EC2"
    unused = {action for action in allowed - used if action.startswith("ec2:")}
    assert unused == set(), "least privilege: nothing that is never called"
