"""The role that `doctor --policy azure` prints: complete, and nothing in it that is never needed."""

from __future__ import annotations

import pytest

from gpucloud.providers import registry
from gpucloud.providers.azure.policy import CALLED, IMPLIED
from tests.providers.support import Cloud


def test_it_is_a_custom_role_of_the_subscription_that_was_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AZURE_SUBSCRIPTION_ID", "one")
    role = registry.policy("azure")
    assert role["AssignableScopes"] == ["/subscriptions/one"]
    assert role["IsCustom"] is True
    assert not any("*" in action for action in role["Actions"])
    assert not set(CALLED) & set(IMPLIED)


def test_every_call_is_in_the_role_and_every_action_of_it_is_called(azure: Cloud) -> None:
    here = azure.provider(subscription="")
    group = f"/subscriptions/{azure.settings['subscription']}/resourceGroups/none/providers/Microsoft.Compute"
    for image in ("images/a", "galleries/a/images/b", "galleries/a/images/b/versions/1.0.0"):
        assert here.preflight(azure.spec(image=f"{group}/{image}"))
    azure.use("azure: {capacity: [{zone: '', machines: 0}]}")  # so that a machine is made again, in a zone
    for spot, run in ((False, "run1"), (True, "run2")):
        spec = azure.spec(run, spot=spot, ttl_minutes=60)
        assert here.preflight(spec) == []
        machine_id = azure.launch(here, spec, run)
        here.console(machine_id)
        here.set_tags(machine_id, {"a": "b"})
        here.stop(machine_id)
        here.start(machine_id)
        here.list()
        for resource in here.resources(run):
            here.delete(resource)
    here.regions()
    used = {call["permission"] for call in azure.calls() if call["service"] == "azure"}
    assert used - set(registry.policy("azure")["Actions"]) == set()
    assert set(CALLED) - used == set(), "least privilege: nothing that is never called"
