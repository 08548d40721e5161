"""Listings on AWS: one request a region, all at the same time, and cheap clients."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from gpucloud.providers.aws.clients import Clients
from gpucloud.providers.aws.policy import ec2_operations
from gpucloud.providers.aws.settings import AwsSettings
from tests.providers.support import Cloud

SETTINGS = AwsSettings("http://127.0.0.1:9", "an-id", "a-secret")


def operations(client: Any) -> set[str]:
    return set(client.meta.service_model.operation_names)


def test_every_region_is_asked_once_and_all_at_the_same_time(aws: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody gets past the barrier before all have come to it: one after the other they would break it."""
    aws.launch(aws.provider())
    everywhere = aws.provider().everywhere()
    regions = everywhere.regions()
    barrier = threading.Barrier(len(regions), timeout=20)
    make = Clients._make

    def meet(**_: Any) -> None:
        barrier.wait()

    def watched(self: Clients, service: str, region: str) -> Any:
        client = make(self, service, region)
        client.meta.events.register("before-send.ec2.DescribeInstances", meet)
        return client

    monkeypatch.setattr(Clients, "_make", watched)
    before = len(aws.calls())
    assert [machine.name for machine in aws.provider().everywhere().list()] == ["one"]
    assert not barrier.broken
    asked = [(call["action"], call["region"]) for call in aws.calls()[before:]]
    assert asked[0] == ("DescribeRegions", aws.region)
    assert sorted(asked[1:]) == [("DescribeInstances", region) for region in regions]


def test_a_client_of_ec2_can_do_what_the_policy_allows_and_no_more() -> None:
    assert operations(Clients(SETTINGS).ec2("us-east-1")) == ec2_operations()


def test_services_that_credentials_come_from_keep_all_their_operations() -> None:
    assert {"AssumeRole", "AssumeRoleWithWebIdentity"} <= operations(Clients(SETTINGS).client("sts", "us-east-1"))
