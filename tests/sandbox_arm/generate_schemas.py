"""Writes gpucloud/sandbox/azure/schemas.json: which members ARM's bodies have, from the SDKs' own wire types.

`python -m tests.sandbox_arm.generate_schemas`, after the SDKs were updated.
"""

from __future__ import annotations

import ast
import enum
import json
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import gpucloud.sandbox.azure

FILE = Path(gpucloud.sandbox.azure.__file__).with_name("schemas.json")

# ARM resource type (PUT, and PATCH where it differs) → the class of its body.
BODIES = {
    "Microsoft.Compute/virtualMachines": "compute.VirtualMachine",
    "Microsoft.Compute/virtualMachines:PATCH": "compute.VirtualMachineUpdate",
    "Microsoft.Compute/virtualMachines/runCommand": "compute.RunCommandInput",
    "Microsoft.Compute/disks": "compute.Disk",
    "Microsoft.Compute/disks:PATCH": "compute.DiskUpdate",
    "Microsoft.Compute/images": "compute.Image",
    "Microsoft.Network/virtualNetworks": "network.VirtualNetwork",
    "Microsoft.Network/virtualNetworks/subnets": "network.Subnet",
    "Microsoft.Network/networkSecurityGroups": "network.NetworkSecurityGroup",
    "Microsoft.Network/networkSecurityGroups/securityRules": "network.SecurityRule",
    "Microsoft.Network/publicIPAddresses": "network.PublicIPAddress",
    "Microsoft.Network/networkInterfaces": "network.NetworkInterface",
}
# Bodies that no SDK of ours has: resource groups (their SDK has models only) and auto-shutdown schedules, from
# azure-rest-api-specs (resources 2025-04-01, devtestlabs 2018-09-15).
OWN: dict[str, dict[str, str]] = {
    "arm.ResourceGroup": {
        "id": "string",
        "name": "string",
        "type": "string",
        "location": "string",
        "managedBy": "string",
        "tags": "{}string",
        "properties": "arm.ResourceGroupProperties",
    },
    "arm.ResourceGroupProperties": {"provisioningState": "string"},
    "arm.Schedule": {
        "id": "string",
        "name": "string",
        "type": "string",
        "location": "string",
        "tags": "{}string",
        "properties": "arm.ScheduleProperties",
    },
    "arm.ScheduleProperties": {
        "status": "arm.EnableStatus",
        "taskType": "string",
        "weeklyRecurrence": "arm.WeekDetails",
        "dailyRecurrence": "arm.DayDetails",
        "hourlyRecurrence": "arm.HourDetails",
        "timeZoneId": "string",
        "notificationSettings": "arm.NotificationSettings",
        "createdDate": "string",
        "targetResourceId": "string",
        "provisioningState": "string",
        "uniqueIdentifier": "string",
    },
    "arm.WeekDetails": {"weekdays": "[]string", "time": "string"},
    "arm.DayDetails": {"time": "string"},
    "arm.HourDetails": {"minute": "integer"},
    "arm.NotificationSettings": {
        "status": "arm.EnableStatus",
        "timeInMinutes": "integer",
        "webhookUrl": "string",
        "emailRecipient": "string",
        "notificationLocale": "string",
    },
}
OWN_BODIES = {
    "Microsoft.Resources/resourceGroups": "arm.ResourceGroup",
    "Microsoft.DevTestLab/schedules": "arm.Schedule",
}
OWN_ENUMS = {"arm.EnableStatus": ["Enabled", "Disabled"]}
PLAIN = {"str": "string", "int": "integer", "float": "number", "bool": "boolean", "Any": "any", "bytes": "string"}
# The SDK's list of sizes ended in 2021; the real API takes every size.
OPEN = {"VirtualMachineSizeTypes"}
# What interfaces and addresses can be part of and the sandbox has no use for, with hundreds of classes below it.
CUT = {
    "ApplicationGateway",
    "ApplicationGatewayBackendAddressPool",
    "BackendAddressPool",
    "InboundNatRule",
    "PrivateEndpoint",
    "PrivateLinkService",
    "VirtualNetworkTap",
    "NatGateway",
    "RouteTable",
    "ServiceEndpointPolicy",
    "ApplicationSecurityGroup",
    "DscpConfiguration",
}


class Reader:
    """Reads one SDK's `types` module without importing its thousand classes."""

    def __init__(self, package: str) -> None:
        self.package = package
        spec = find_spec(f"azure.mgmt.{package}.types")
        assert spec is not None, f"the SDK {package} has no wire types"
        assert spec.origin is not None, f"the SDK {package} has no wire types"
        tree = ast.parse(Path(spec.origin).read_text())
        self.classes = {node.name: node for node in tree.body if isinstance(node, ast.ClassDef)}
        self.models = import_module(f"azure.mgmt.{package}.models")

    def members(self, name: str) -> dict[str, str]:
        """The members of a class with those that it inherits."""
        node, found = self.classes[name], {}
        for base in node.bases:
            if isinstance(base, ast.Name) and base.id in self.classes:
                found.update(self.members(base.id))
        for item in node.body:
            if isinstance(item, ast.AnnAssign) and isinstance(item.target, ast.Name):
                found[item.target.id] = self.expression(item.annotation)
        return found

    def expression(self, node: ast.expr) -> str:
        """A type as schemas.json writes it: a plain one, `[]` of one, `{}` of one, or the name of a class or enum."""
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            return self.named(node.value)
        if isinstance(node, ast.Name):
            return PLAIN.get(node.id) or self.named(node.id)
        assert isinstance(node, ast.Subscript), ast.dump(node)
        assert isinstance(node.value, ast.Name), ast.dump(node)
        return self.generic(node.value.id, node.slice)

    def generic(self, outer: str, inner: ast.expr) -> str:
        if outer == "list":
            return f"[]{self.expression(inner)}"
        if outer in ("Required", "Optional"):
            return self.expression(inner)
        if outer == "Literal":
            return "string"
        assert isinstance(inner, ast.Tuple), ast.dump(inner)
        if outer == "dict":
            return f"{{}}{self.expression(inner.elts[1])}"
        assert outer == "Union", outer
        return self.expression(inner.elts[-1])

    def named(self, name: str) -> str:
        if name in self.classes:
            return "any" if name in CUT else f"{self.package}.{name}"
        kind = getattr(self.models, name, None)
        is_enum = isinstance(kind, type) and issubclass(kind, enum.Enum) and name not in OPEN
        return f"{self.package}.{name}" if is_enum else PLAIN.get(name, "string" if name in OPEN else "any")


def generate() -> dict[str, Any]:
    """The whole document: every class and enum that the bodies lead to."""
    readers = {package: Reader(package) for package in ("compute", "network")}
    objects: dict[str, dict[str, str]] = dict(OWN)
    enums: dict[str, list[str]] = dict(OWN_ENUMS)
    wanted = list(BODIES.values())
    while wanted:
        name = wanted.pop()
        package, _, short = name.partition(".")
        if name in objects or name in enums:
            continue
        if short in readers[package].classes:
            objects[name] = dict(sorted(readers[package].members(short).items()))
            wanted += [kind.lstrip("[]{}") for kind in objects[name].values() if "." in kind]
        else:
            enums[name] = [str(value.value) for value in getattr(readers[package].models, short)]
    return {
        "bodies": BODIES | OWN_BODIES,
        "objects": dict(sorted(objects.items())),
        "enums": dict(sorted(enums.items())),
    }


def text() -> str:
    """The document as it stands in the file: one class a line, so that an update is a legible diff."""
    document = generate()
    parts = []
    for part, entries in document.items():
        lines = ",\n".join(f"  {json.dumps(name)}: {json.dumps(value)}" for name, value in entries.items())
        parts.append(f"{json.dumps(part)}: {{\n{lines}\n}}")
    return "{\n" + ",\n".join(parts) + "\n}\n"


if __name__ == "__main__":
    FILE.write_text(text())
