"""What Azure is asked before a launch: how often, how deep, and at the same time."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from gpucloud.providers.azure.clients import Clients
from tests.providers.azure_support import arm_calls, logins
from tests.providers.support import Cloud

FIRST_WAVE = {
    "GET Microsoft.Compute",
    "GET Microsoft.DevTestLab",
    "GET Microsoft.Network",
    "GET features",
    "GET skus",
    "GET usages",
    "GET versions",
    "GET virtualMachines",
}


def test_at_most_ten_calls_and_one_login_before_anything_is_made(azure: Cloud) -> None:
    provider = azure.provider()
    spec = azure.spec(ttl_minutes=60)
    assert provider.preflight(spec) == []
    azure.launch(provider, spec)
    actions = [call["action"] for call in arm_calls(azure)]
    asked = actions[: next(place for place, action in enumerate(actions) if not action.startswith("GET "))]
    assert len(asked) <= 10, asked
    assert logins(azure) == 1


def test_what_does_not_depend_on_each_other_is_asked_at_the_same_time(
    azure: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody gets past the barrier before all have come to it: one after the other they would break it.

    The details of the image are the only question of a second round.
    """
    barrier = threading.Barrier(len(FIRST_WAVE), timeout=20)
    make, first = Clients._transport, threading.Semaphore(len(FIRST_WAVE))

    def watched(self: Clients) -> Any:
        transport = make(self)
        send = transport.send

        def meet(request: Any, **options: Any) -> Any:
            if request.url.startswith(f"{self.settings.endpoint}/subscriptions/") and first.acquire(blocking=False):
                barrier.wait()
            return send(request, **options)

        transport.send = meet
        return transport

    monkeypatch.setattr(Clients, "_transport", watched)
    assert azure.provider().preflight(azure.spec(ttl_minutes=60)) == []
    assert not barrier.broken
    actions = [call["action"] for call in arm_calls(azure)]
    assert set(actions) == FIRST_WAVE
    assert len(actions) == len(FIRST_WAVE) + 1


def test_a_launch_asks_nothing_again_that_its_preflight_has_learnt(azure: Cloud) -> None:
    provider = azure.provider()
    assert provider.preflight(azure.spec()) == []
    before = len(arm_calls(azure))
    azure.launch(provider)
    asked = {call["action"] for call in arm_calls(azure)[before:]}
    assert asked & FIRST_WAVE <= {"GET virtualMachines"}
