"""What the API is asked: how often, how deep, and only what the policy allows."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from benchmarks.aws_calls import before_launch
from gpucloud.providers import registry
from gpucloud.providers.aws.clients import Clients
from tests.providers.support import Cloud

FIRST_WAVE = {
    "DescribeInstanceTypeOfferings",
    "DescribeInstances",
    "DescribeSubnets",
    "GetParameter",
    "GetServiceQuota",
}


def test_at_most_nine_calls_before_run_instances(aws: Cloud) -> None:
    provider = aws.provider()
    provider.preflight(aws.spec())
    aws.launch(provider)
    calls = before_launch(aws.calls())
    assert len(calls) <= 9, [call["action"] for call in calls]


def test_what_does_not_depend_on_each_other_is_asked_at_the_same_time(
    aws: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody gets past the barrier before all have come to it: one after the other they would break it."""
    barrier = threading.Barrier(len(FIRST_WAVE), timeout=20)
    make = Clients._make

    def wait(event_name: str, **_: Any) -> None:
        if event_name.rsplit(".", 1)[-1] in FIRST_WAVE:
            barrier.wait()

    def watched(self: Clients, service: str, region: str) -> Any:
        client = make(self, service, region)
        client.meta.events.register("before-send", wait)
        return client

    monkeypatch.setattr(Clients, "_make", watched)
    assert aws.provider().preflight(aws.spec()) == []
    assert not barrier.broken


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
