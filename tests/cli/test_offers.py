"""How the offers of the clouds look: a table on the screen, a key in the plan's document."""

from __future__ import annotations

import json
from dataclasses import dataclass, field

import pytest

from gpucloud.cli import show
from gpucloud.cli.render import Format
from gpucloud.errors import ExitStatus, Problem
from gpucloud.machine import Headroom
from gpucloud.ops import offers
from gpucloud.ops.request import Request
from gpucloud.progress import Progress
from tests.ops.conftest import World, world

__all__ = ["world"]

QUOTA = Problem("the quota is too small", "g4dn.xlarge needs 4, and 0 of 0 are in use", "ask", ExitStatus.CAPACITY)


@dataclass
class Screen:
    lines: list[str] = field(default_factory=list)
    hourly_usd: float | None = None
    several: bool = False

    def report(self, event: Progress) -> None: ...

    def say(self, text: str) -> None:
        self.lines.append(text)


def table(world: World) -> list[str]:
    screen = Screen()
    show.offers(offers.survey(world.context(), Request(gpu="T4", gpu_count=1, max_price=0.8)), screen)
    return [" ".join(line.split()) for line in screen.lines]


def test_an_arrow_is_at_the_cheapest_that_can_be_had_and_the_reason_at_what_cannot(world: World) -> None:
    world.aws.problems, world.azure.quota = {"g4dn.xlarge": [QUOTA]}, Headroom(60, 64)
    assert table(world) == [
        "cloud type region zone $/h price of vCPUs free can it be had?",
        "aws g4dn.xlarge us-east-1 0.526 2026-07-20 the quota is too small: g4dn.xlarge needs 4, and 0 of 0 are in use",
        "→ azure Standard_NC4as_T4_v3 eastus 0.526 2026-06-18 60/64 yes",
        "aws g4dn.2xlarge us-east-1 0.752 2026-07-20 yes",
        "azure Standard_NC8as_T4_v3 eastus 0.752 2026-06-18 60/64 yes",
    ]


def test_there_is_no_arrow_where_nothing_can_be_had(world: World) -> None:
    world.aws.problems = dict.fromkeys(("g4dn.xlarge", "g4dn.2xlarge"), [QUOTA])
    world.azure.problems = dict.fromkeys(("Standard_NC4as_T4_v3", "Standard_NC8as_T4_v3"), [QUOTA])
    assert "→" not in "".join(table(world))


def test_the_document_of_a_dry_run_has_the_offers(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    considered = offers.survey(world.context(), Request(gpu="T4", gpu_count=1, max_price=0.8))
    show.prepared(offers.cheapest(considered).plan, False, Format.JSON, considered)
    document = json.loads(capsys.readouterr().out)
    assert document["type"] == "g4dn.xlarge"
    assert [each["type"] for each in document["offers"]][:2] == ["g4dn.xlarge", "Standard_NC4as_T4_v3"]
    assert all(each["available"] for each in document["offers"])
