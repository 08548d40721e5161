"""A preflight for several machines, whose vCPUs have to fit into the quota together."""

from __future__ import annotations

from dataclasses import replace

from tests.providers.support import Cloud


def test_the_quota_must_hold_all_of_them(aws: Cloud) -> None:
    aws.use("quota: {L-DB2E81BA: 12}")
    provider = aws.provider()
    assert provider.preflight(replace(aws.spec(), count=3)) == []

    (problem,) = provider.preflight(replace(aws.spec(), count=4))
    assert problem.why == "4 × g4dn.xlarge need 16, and 0 of 12 are in use"
    assert "--desired-value 16" in problem.remedy


def test_what_the_preflight_learnt_holds_for_each_of_them(aws: Cloud) -> None:
    provider = aws.provider()
    assert provider.preflight(replace(aws.spec(), count=2)) == []
    for name in ("box-1", "box-2"):
        aws.launch(provider, aws.spec(name), run=f"run-{name}")
    assert sorted(machine.name for machine in provider.list()) == ["box-1", "box-2"]
