"""What a launch makes, step by step, all of it in one resource group."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from gpucloud.errors import CapacityError, CloudError
from gpucloud.machine import TAG_EXPIRES, Spec
from gpucloud.parallel import together
from gpucloud.providers.azure import bodies, resources, schedule
from gpucloud.providers.azure.clients import Clients
from gpucloud.providers.azure.describe import group_name, machine_id, tags_for
from gpucloud.providers.azure.errors import code_of, translated
from gpucloud.providers.azure.launch_plan import Plan
from gpucloud.providers.azure.operations import finished, in_its_turn
from gpucloud.saga import Facts
from gpucloud.waiting import Waiter

RESERVED = ("NicReservedForAnotherVm", "NicReservedForAnotherVM")
"""Codes that a machine may meet in its second place: for three minutes Azure keeps an interface for the one that failed
in the first. Other codes for "busy" tell of what does not pass."""

NETWORK_TIMEOUT = 300.0
"""Seconds for a part of the network; measured in practice: under 15."""
MACHINE_TIMEOUT = 2700.0
"""Seconds for a VM. Azure itself gives up after 40 minutes on one whose guest does not report (OSProvisioningTimedOut);
a GPU machine takes one to three."""


@dataclass(frozen=True)
class Launch:
    """Carries out one launch. Every call can be made again after its answer was lost: Azure makes by name."""

    clients: Clients
    waiter: Waiter
    spec: Spec
    run: str

    def make_group(self) -> Facts:
        """The resource group. Raises CloudError if somebody else has one of that name."""
        name = group_name(self.run)
        existing = resources.group(self.clients, name)
        if existing and not resources.is_of(existing, self.run):
            why = "it was not made for this run, so nothing is put into it"
            raise CloudError(f"there is a resource group {name} already", why, "choose another --run-id")
        with translated(f"make the resource group {name}"):
            made = self.clients.groups.resource_groups.create_or_update(
                name, bodies.resource_group(self.spec, self.run)
            )
        return {"resource_group": made.id}

    def make_network(self, plan: Plan) -> Facts:
        """The network, who may reach it, and the address: three things that do not need each other.

        What one of them asks for after an interruption and its rollback finds no resource group to be made in.
        """
        network, guard, address = together(
            lambda: self._make("virtual_networks", "virtual-network", bodies.virtual_network(self.spec, self.run)),
            lambda: self._make(
                "network_security_groups",
                "security-group",
                bodies.security_group(self.spec, self.run, plan.ssh_from),
            ),
            self._make_address,
        )
        return {
            "virtual_network": network.id,
            "subnet": network.subnets[0].id,
            "security_group": guard.id,
            "public_ip": address.id,
        }

    def make_interface(self, parts: Facts, plan: Plan) -> Facts:
        """The network interface that joins the parts of the network."""
        body = bodies.network_interface(self.spec, self.run, plan, parts)
        return {"network_interface": self._make("network_interfaces", "network-interface", body).id}

    def make_machine(self, parts: Facts, plan: Plan) -> Facts:
        """The machine, in the first place that has one.

        Raises CapacityError with every attempt when no place has. Other errors end it at once: quota is regional.
        """
        attempts: list[tuple[str, str]] = []
        for zone in plan.zones:
            if attempts:
                self._clear_away(parts, plan)
            where = f"zone {zone}" if zone else "any zone"
            try:
                made = self._make_machine(parts, plan, zone)
            except CapacityError as exc:
                attempts.append((where, exc.why))
                continue
            attempts.append((where, ""))
            return {
                "id": machine_id(made.id),
                "zone": zone,
                "region": self.spec.region,
                "attempts": json.dumps(attempts),
            }
        kind = f"{'spot ' if self.spec.spot else ''}{self.spec.type}"
        raise CapacityError(
            f"no {kind} to be had in {self.spec.region}",
            f"{len(attempts)} place{'s' * (len(attempts) != 1)} tried",
            "try another region or type, or later",
            attempts,
        )

    def make_schedule(self, machine: str) -> Facts:
        """Azure's clock, set to the end in the machine's tags, or else to `ttl_minutes` from now.

        A launch that took so long that the clock would miss this end gets a few minutes more, and not a day.
        """
        ends, ttl = self.spec.tags.get(TAG_EXPIRES), timedelta(minutes=self.spec.ttl_minutes or 0)
        end = datetime.fromisoformat(ends) if ends else datetime.now(UTC) + ttl
        end = max(end, datetime.now(UTC) + schedule.SOONEST)
        tags = tags_for(self.spec, self.run)
        return {"schedule": schedule.arm(self.clients, machine, self.spec.region, tags, end)}

    def _make_address(self) -> Any:
        return self._make("public_ip_addresses", "public-ip", bodies.public_ip(self.spec, self.run))

    def _make(self, collection: str, suffix: str, body: bodies.Body) -> Any:
        """One part of the network, made by one of the network client's collections, which work on one at a time."""
        group, name = group_name(self.run), f"gpucloud-{self.run}-{suffix}"
        begin = getattr(self.clients.network, collection).begin_create_or_update
        return in_its_turn(
            self.waiter, lambda: finished(f"make {name}", lambda: begin(group, name, body), NETWORK_TIMEOUT)
        )

    def _make_machine(self, parts: Facts, plan: Plan, zone: str) -> Any:
        body = bodies.virtual_machine(self.spec, self.run, plan, zone, parts["network_interface"])
        begin = self.clients.compute.virtual_machines.begin_create_or_update
        action = f"launch {self.spec.type} in {self.spec.region}{f' zone {zone}' if zone else ''}"
        return in_its_turn(
            self.waiter,
            lambda: finished(action, lambda: begin(group_name(self.run), self._machine, body), MACHINE_TIMEOUT),
            lambda error: code_of(error) in RESERVED,
        )

    def _clear_away(self, parts: Facts, plan: Plan) -> None:
        """Remove the VM that failed, which could not move to another zone.

        It may take its interface and address along, as it was told to, so these are made again; making what is
        there already changes nothing.
        """
        begin = self.clients.compute.virtual_machines.begin_delete
        action = f"remove the failed {self._machine}"
        finished(action, lambda: begin(group_name(self.run), self._machine, force_deletion=True), MACHINE_TIMEOUT)
        self._make_address()
        self.make_interface(parts, plan)

    @property
    def _machine(self) -> str:
        return f"gpucloud-{self.run}-instance"
