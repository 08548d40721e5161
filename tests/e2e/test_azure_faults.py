"""What Azure refuses or breaks: the right exit code and remedy, the same try again where it helps, and nothing left."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Sequence
from typing import Any, NamedTuple

import pytest

from tests.e2e.support import TYPES, Done, Sandbox

pytestmark = pytest.mark.slow

OTHER, USAGE, PREFLIGHT, CREDENTIALS, CAPACITY, UNREACHABLE = 1, 2, 3, 4, 5, 6

VM = "PUT .*/virtualMachines/"
KIND = TYPES["azure"]
FULL = "We do not have sufficient capacity"
LATER = {"async": True}


def up(sandbox: Sandbox, *more: str) -> Done:
    return sandbox.run("up", KIND, "-n", "wish", *more)


def fault(**fields: Any) -> str:
    """A scenario in which Azure answers with an error: see `AzureFault`."""
    return "azure: " + json.dumps({"faults": [fields]})


def azure(**fields: Any) -> str:
    """A scenario of Azure's own."""
    return "azure: " + json.dumps(fields)


class Refusal(NamedTuple):
    """A scenario, and what `up` says of it on stderr."""

    name: str
    scenario: str
    rc: int
    words: Sequence[str]


ON_THE_WAY = [
    Refusal(
        "quota",
        fault(match=VM, code="OperationNotAllowed", message="exceeding approved standardNCASv3_T4Family Cores quota"),
        CAPACITY,
        ["exceeding approved", "QuotaMenuBlade"],
    ),
    Refusal(
        "quota-found-later",
        fault(match=VM, code="OperationNotAllowed", message="exceeding approved Total Regional Cores quota", **LATER),
        CAPACITY,
        ["exceeding approved", "QuotaMenuBlade"],
    ),
    Refusal(
        "sku",
        azure(capacity=[{"machines": 0, "how": "sync"}]),
        CAPACITY,
        ["no Standard_NC4as_T4_v3 to be had in eastus", "  any zone: ", "  zone 3: ", "(SkuNotAvailable)"],
    ),
    Refusal(
        "allocation",
        azure(capacity=[{"machines": 0, "how": "async"}]),
        CAPACITY,
        ["4 places tried", "  any zone: ", "(AllocationFailed)", "  zone 3: ", "(ZonalAllocationFailed)"],
    ),
    Refusal(
        "allocation-behind-a-vague-code",
        fault(match=VM, code="ResourceOperationFailure", nested="AllocationFailed", message=FULL, **LATER),
        CAPACITY,
        [FULL, "(AllocationFailed)", "try another region or type"],
    ),
    Refusal(
        "spot-price",
        fault(match=VM, code="SpotPriceGreaterThanProvidedMaxPrice", message="the price is too high"),
        CAPACITY,
        ["the price is too high"],
    ),
    Refusal(
        "throttled-for-long",
        fault(match=VM, code="TooManyRequests", status=429, retry_after=1200),
        UNREACHABLE,
        ["Azure is throttling", "20 minutes", "run it again later"],
    ),
    Refusal(
        "outage",
        fault(match=VM, code="InternalServerError", status=500),
        UNREACHABLE,
        ["(InternalServerError)", "status.azure.com"],
    ),
    Refusal(
        "machine-refused-after-its-interface",
        fault(match=VM, code="InvalidParameter", status=400, message="imageReference is invalid"),
        PREFLIGHT,
        ["cannot launch Standard_NC4as_T4_v3 in eastus: imageReference is invalid (InvalidParameter)"],
    ),
    Refusal(
        "policy",
        fault(match=VM, code="RequestDisallowedByPolicy", status=403, message="disallowed by policy"),
        PREFLIGHT,
        ["policy"],
    ),
    Refusal(
        "guest-does-not-report",
        fault(match=VM, code="OSProvisioningTimedOut", message="did not finish in the allotted time", **LATER),
        OTHER,
        ["(OSProvisioningTimedOut)"],
    ),
    Refusal(
        "interface",
        fault(match="PUT .*/networkInterfaces/", code="NetworkingInternalOperationError", **LATER),
        UNREACHABLE,
        ["(NetworkingInternalOperationError)"],
    ),
    Refusal(
        "address",
        fault(match="PUT .*/publicIPAddresses/", code="PublicIPCountLimitReached", status=400),
        CAPACITY,
        ["(PublicIPCountLimitReached)", "QuotaMenuBlade"],
    ),
    Refusal(
        "clock",
        fault(match="PUT .*/schedules/", code="Conflict"),
        OTHER,
        ["cannot set the shutdown time", "(Conflict)"],
    ),
]


@pytest.mark.parametrize("refusal", ON_THE_WAY, ids=[each.name for each in ON_THE_WAY])
def test_a_refusal_on_the_way_is_told_and_rolled_back(clean: Sandbox, refusal: Refusal) -> None:
    clean.use(refusal.scenario)
    done = up(clean, "--ttl", "8h")

    assert done.rc == refusal.rc, done.err
    assert [word for word in refusal.words if word not in done.told] == [], done.told
    assert (clean.left(), clean.identities(), done.out) == ({}, [], "")
    assert [clean.events(journal)[-1] for journal in clean.journals()] == ["rolled_back"]
    assert clean.changes()["PUT networkSecurityGroups"] == 1, "it was refused before anything had been made"


def test_who_is_told_to_wait_long_is_told_so_at_once(clean: Sandbox) -> None:
    clean.use(fault(match="GET .*/usages", code="TooManyRequests", status=429, retry_after=1200))
    began = time.monotonic()
    done = up(clean)

    assert (done.rc, "20 minutes" in done.told, done.told.count("error: ")) == (UNREACHABLE, True, 1), done.told
    assert time.monotonic() - began < 10
    assert clean.changes() == {}


@pytest.mark.parametrize(
    "fields",
    [{"code": "TooManyRequests", "status": 429, "retry_after": 1}, {"code": "InternalServerError", "status": 500}],
    ids=["throttled-for-a-moment", "one-outage"],
)
def test_what_passes_is_only_slower(clean: Sandbox, fields: dict[str, Any]) -> None:
    clean.use(fault(match=VM, times=1, **fields))
    done = up(clean, "--profile", "minimal")

    assert done.rc == 0, done.err
    assert clean.changes()["PUT virtualMachines"] == 2
    clean.ok("down", "wish", "--yes")
    assert clean.left() == {}


@pytest.mark.parametrize("how", ["sync", "async"])
def test_a_full_place_is_passed_over(clean: Sandbox, how: str) -> None:
    clean.use(azure(capacity=[{"zone": zone, "machines": 0, "how": how} for zone in ("", "1")]))
    done = up(clean, "--profile", "minimal")

    assert done.rc == 0, done.err
    header, anywhere, first, second = (line.split() for line in done.out.splitlines()[:4])
    assert header == ["zone", "attempt"]
    assert (anywhere[:2], first[:2]) == (["any", "zone"], ["zone", "1"])
    assert second == ["zone", "2", "launched"]
    assert clean.machine("wish")["zone"] == "2"
    assert len(clean.left()["azure-instance"]) == 1
    clean.ok("down", "wish", "--yes")
    assert clean.left() == {}


@pytest.mark.parametrize(("number", "rc"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
@pytest.mark.parametrize("stuck", ["PUT publicIPAddresses", "PUT virtualMachines"])
def test_an_operation_that_never_ends_can_be_left(clean: Sandbox, stuck: str, number: signal.Signals, rc: int) -> None:
    clean.use(azure(operation_seconds={stuck: 86400}))
    running = clean.start("up", KIND, "-n", "wish")
    running.until(lambda: stuck in clean.changes())
    running.send(number)
    done = running.end(timeout=30)

    assert done.rc == rc, done.err
    assert (clean.left(), clean.identities()) == ({}, [])
    assert [clean.events(journal)[-1] for journal in clean.journals()] == ["rolled_back"]


def test_no_hardware_for_a_stopped_machine(clean: Sandbox) -> None:
    assert up(clean, "--profile", "minimal").rc == 0
    clean.ok("stop", "wish", "--yes")
    clean.use(azure(capacity=[{"machines": 0}]))
    done = clean.run("start", "wish")

    assert (done.rc, "(AllocationFailed)" in done.told) == (CAPACITY, True), done.told
    assert "Azure kept no hardware for it" in done.told
    assert clean.machine("wish")["state"] == "stopped"


BEFORE = [
    Refusal(
        "unregistered",
        azure(unregistered=["Microsoft.Compute", "Microsoft.Network"]),
        PREFLIGHT,
        ["az provider register --namespace Microsoft.Compute", "az provider register --namespace Microsoft.Network"],
    ),
    Refusal(
        "restricted",
        azure(restricted=[{"type": "Standard_NC4as_*"}]),
        CAPACITY,
        ["cannot be had in eastus", "NotAvailableForSubscription", "`--region eastus2`"],
    ),
    Refusal(
        "family-quota",
        azure(quota={"standard NCASv3_T4 family": 0}),
        CAPACITY,
        ["NCASv3_T4 Family vCPUs in eastus", "needs 4, and 0 of 0", "az quota update", "myQuotas"],
    ),
    Refusal("regional-cores", azure(quota={"cores": 2}), CAPACITY, ["Total Regional vCPUs", "needs 4, and 0 of 2"]),
    Refusal("expired", "credentials: expired", CREDENTIALS, ["secret has expired", "az ad app credential reset"]),
    Refusal("invalid", "credentials: invalid", CREDENTIALS, ["secret is wrong", "az ad app credential reset"]),
]


@pytest.mark.parametrize("refusal", BEFORE, ids=[each.name for each in BEFORE])
def test_a_problem_is_found_before_anything_is_made(clean: Sandbox, refusal: Refusal) -> None:
    clean.use(refusal.scenario)
    _refused(clean, up(clean), refusal.rc, refusal.words)


@pytest.mark.parametrize(
    ("asked", "scenario", "rc", "words"),
    [
        (["--ttl", "8h"], azure(unregistered=["Microsoft.DevTestLab"]), PREFLIGHT, ["Microsoft.DevTestLab"]),
        (["--spot"], azure(quota={"lowPriorityCores": 0}), CAPACITY, ["Low-priority vCPUs", "needs 4, and 0 of 0"]),
        (["--ttl", "30h"], "default", PREFLIGHT, ["clock rings once a day", "`--ttl 23h`", "extend wish"]),
        (["--ttl", "10m"], "default", PREFLIGHT, ["too short", "clock rings once a day"]),
        (
            ["--image", "Canonical:nothing:here:latest"],
            "default",
            PREFLIGHT,
            ["no image Canon", "az vm image list"],
        ),
        (["--image", "jammy"], "default", PREFLIGHT, ["no image called 'jammy'", "publisher:offer:sku:version"]),
        (["--zone", "1"], azure(restricted=[{"type": "*T4*", "zone": "1"}]), CAPACITY, ["zone 1", "offered in 2, 3"]),
        (["--zone", "9"], "default", CAPACITY, ["cannot be had in zone 9 of eastus"]),
        (["--subnet", "mine"], "default", PREFLIGHT, ["--subnet cannot be used on Azure"]),
        (["--allow-ssh-from", "2001:db8::/64"], "default", PREFLIGHT, ["2001:db8::/64", "IPv4"]),
    ],
)
def test_what_is_asked_for_and_cannot_be(
    clean: Sandbox, asked: list[str], scenario: str, rc: int, words: list[str]
) -> None:
    clean.use(scenario)
    _refused(clean, up(clean, *asked), rc, words)


def test_every_problem_is_told_at_once(clean: Sandbox) -> None:
    clean.use(azure(quota={"cores": 0}, unregistered=["Microsoft.DevTestLab"]))
    done = up(clean, "--ttl", "30h", "--image", "Canonical:nothing:here:latest")

    _refused(clean, done, PREFLIGHT, ["Total Regional vCPUs", "DevTestLab", "too long", "no image"])
    assert done.told.count("error: ") == 4


def _refused(sandbox: Sandbox, done: Done, rc: int, words: Sequence[str]) -> None:
    assert done.rc == rc, done.err
    assert [word for word in words if word not in done.told] == [], done.told
    assert "\nfix: " in done.told
    assert (sandbox.changes(), sandbox.left(), sandbox.identities(), sandbox.journals()) == ({}, {}, [], [])


@pytest.mark.parametrize(
    ("arguments", "rc", "words"),
    [
        (["--region", "us-east-1", "up", KIND], USAGE, ["a region of aws", "--region eastus"]),
        (["--region", "eastus", "up", TYPES["aws"]], USAGE, ["a region of azure", "--region us-east-1"]),
        (["--cloud", "aws", "up", KIND], USAGE, ["a type of azure", "--cloud azure"]),
        (["--cloud", "azure", "up", TYPES["aws"]], USAGE, ["a type of aws", "--cloud aws"]),
        (["up", "Standard_NC6s_v3"], PREFLIGHT, ["is retired", "take NCasT4_v3, for instance Standard_NC4as_T4_v3"]),
        (["up", "Standard_NV6ads_A10_v5"], PREFLIGHT, ["GRID driver", "take "]),
        (["up", "Standard_NC8ads_A10_v4"], PREFLIGHT, ["GRID driver", "take "]),
        (["up", "Standard_NC4as_T4_v4"], USAGE, ["did you mean Standard_NC4as_T4_v3"]),
    ],
)
def test_a_type_that_cannot_be_is_refused_without_asking_any_cloud(
    clean: Sandbox, arguments: list[str], rc: int, words: list[str]
) -> None:
    _refused(clean, clean.run(*arguments), rc, words)
    assert clean.ask("calls")["total"] == 0


AT_ONCE = 3.0
"""Seconds. It takes 0.7, but tests run beside each other; azure-identity's own search takes 5 to 20."""


@pytest.mark.parametrize("place", [[], ["--region", "eastus"]])
def test_no_credentials_are_told_at_once(sandbox: Sandbox, place: list[str]) -> None:
    began = time.monotonic()
    done = sandbox.run(*place, "up", KIND, sandbox=False)

    assert time.monotonic() - began < AT_ONCE
    assert (done.rc, "no Azure credentials" in done.told) == (CREDENTIALS, True), done.err
    assert "az login" in done.told
    assert not (sandbox.home / "state/gpucloud/runs").exists()
