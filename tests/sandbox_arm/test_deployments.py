"""Deployments: a template as `az vm create` sends it, and what is wrong with one."""

from __future__ import annotations

from typing import Any

import pytest

from tests.sandbox_arm.support import GROUP, LOCATION, Answer, Arm

pytestmark = pytest.mark.slow

NETWORK_VERSION, COMPUTE_VERSION = "2022-01-01", "2024-11-01"
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGPzvrmC2fJm8vBVQUmYPzJXGqJ0hR6mTPkqV6dZ1mZ0 me"


@pytest.fixture(autouse=True)
def group(arm: Arm) -> None:
    arm.group()


def network_id(arm: Arm, kind: str, name: str) -> str:
    return f"{arm.scope}/resourceGroups/{GROUP}/providers/Microsoft.Network/{kind}/{name}"


def resource(kind: str, name: str, properties: dict[str, Any], *needs: str, **more: Any) -> dict[str, Any]:
    version = COMPUTE_VERSION if kind.startswith("Microsoft.Compute/") else NETWORK_VERSION
    about = {"type": kind, "name": name, "apiVersion": version, "location": LOCATION, "tags": {}}
    return {**about, "dependsOn": list(needs), "properties": properties, **more}


def networks(arm: Arm) -> list[dict[str, Any]]:
    rule = {
        "protocol": "Tcp",
        "sourcePortRange": "*",
        "destinationPortRange": "22",
        "sourceAddressPrefix": "*",
        "destinationAddressPrefix": "*",
        "access": "Allow",
        "priority": 1000,
        "direction": "Inbound",
    }
    subnet = {"name": "oneSubnet", "properties": {"addressPrefix": "10.0.0.0/24"}}
    configuration = {
        "privateIPAllocationMethod": "Dynamic",
        "subnet": {"id": f"{network_id(arm, 'virtualNetworks', 'oneVNET')}/subnets/oneSubnet"},
        "publicIPAddress": {"id": network_id(arm, "publicIPAddresses", "onePublicIP")},
    }
    interface = {
        "ipConfigurations": [{"name": "ipconfigone", "properties": configuration}],
        "networkSecurityGroup": {"id": network_id(arm, "networkSecurityGroups", "oneNSG")},
    }
    return [
        resource(
            "Microsoft.Network/networkInterfaces",
            "oneVMNic",
            interface,
            "Microsoft.Network/virtualNetworks/oneVNET",
            "Microsoft.Network/networkSecurityGroups/oneNSG",
            "Microsoft.Network/publicIpAddresses/onePublicIP",
        ),
        resource(
            "Microsoft.Network/virtualNetworks",
            "oneVNET",
            {"addressSpace": {"addressPrefixes": ["10.0.0.0/16"]}, "subnets": [subnet]},
        ),
        resource(
            "Microsoft.Network/networkSecurityGroups",
            "oneNSG",
            {"securityRules": [{"name": "default-allow-ssh", "properties": rule}]},
        ),
        resource(
            "Microsoft.Network/publicIPAddresses",
            "onePublicIP",
            {"publicIPAllocationMethod": "Static"},
            sku={"name": "Standard"},
        ),
    ]


def machine(arm: Arm) -> dict[str, Any]:
    key = {"keyData": KEY, "path": "/home/me/.ssh/authorized_keys"}
    properties = {
        "hardwareProfile": {"vmSize": "Standard_NC4as_T4_v3"},
        "networkProfile": {"networkInterfaces": [{"id": network_id(arm, "networkInterfaces", "oneVMNic")}]},
        "storageProfile": {
            "osDisk": {
                "createOption": "fromImage",
                "name": None,
                "caching": "ReadWrite",
                "managedDisk": {"storageAccountType": None},
            },
            "imageReference": {
                "publisher": "Canonical",
                "offer": "ubuntu-24_04-lts",
                "sku": "server",
                "version": "latest",
            },
        },
        "osProfile": {
            "computerName": "one",
            "adminUsername": "me",
            "linuxConfiguration": {"disablePasswordAuthentication": True, "ssh": {"publicKeys": [key]}},
        },
    }
    return resource(
        "Microsoft.Compute/virtualMachines", "one", properties, "Microsoft.Network/networkInterfaces/oneVMNic"
    )


def deploy(arm: Arm, *resources: dict[str, Any], given: Any = None, **template: Any) -> Answer:
    about = {"$schema": "https://schema.management.azure.com/…#", "contentVersion": "1.0.0.0"}
    body = {"template": {**about, "resources": list(resources), **template}, "parameters": given or {}}
    path = f"{arm.scope}/resourcegroups/{GROUP}/providers/Microsoft.Resources/deployments/vm_deploy_1"
    return arm.send("PUT", f"{path}?api-version=2024-11-01", {"properties": {**body, "mode": "incremental"}})


def end_of(arm: Arm, answer: Answer) -> dict[str, Any]:
    """The deployment, once its operation has ended."""
    assert answer.status == 201, answer.body
    status = answer.headers["azure-asyncoperation"]
    assert arm.reaches(lambda: arm.send("GET", status).body["status"] != "InProgress")
    found: dict[str, Any] = arm.get(answer.body["id"], "2024-11-01")
    return found


def test_the_template_of_az_vm_create_makes_a_machine(arm: Arm) -> None:
    outputs = {"VM": {"type": "string", "value": "[resourceId('Microsoft.Compute/virtualMachines', 'one')]"}}
    ended = end_of(arm, deploy(arm, *networks(arm), machine(arm), outputs=outputs))
    assert ended["properties"]["provisioningState"] == "Succeeded", ended
    vm = ended["properties"]["outputs"]["VM"]["value"]
    assert arm.compute.virtual_machines.get(GROUP, "one").id == vm
    assert len(ended["properties"]["outputResources"]) == 5
    assert "azure-resource" not in arm.inventory()
    arm.groups.resource_groups.begin_delete(GROUP).result()
    assert arm.inventory() == {}


def test_a_resource_waits_for_what_it_needs(arm: Arm) -> None:
    arm.use("azure: {operation_seconds: {PUT virtualNetworks: 0.3}}")
    answer = deploy(arm, *networks(arm))
    assert "azure-network-interface" not in arm.inventory()
    assert end_of(arm, answer)["properties"]["provisioningState"] == "Succeeded"
    assert "azure-network-interface" in arm.inventory()


def test_a_deployment_fails_with_the_error_of_its_resource_in_the_details(arm: Arm) -> None:
    arm.use("azure: {faults: [{match: PUT .*/virtualMachines/, code: AllocationFailed, async: true}]}")
    answer = deploy(arm, *networks(arm), machine(arm))
    failed = end_of(arm, answer)["properties"]
    assert failed["provisioningState"] == "Failed"
    assert failed["error"]["code"] == "DeploymentFailed"
    assert [detail["code"] for detail in failed["error"]["details"]] == ["AllocationFailed"]
    assert arm.send("GET", answer.headers["azure-asyncoperation"]).body["status"] == "Failed"


def test_a_wrong_resource_fails_the_deployment(arm: Arm) -> None:
    interface = networks(arm)[0] | {"dependsOn": []}
    failed = end_of(arm, deploy(arm, interface))["properties"]
    assert [detail["code"] for detail in failed["error"]["details"]] == ["InvalidResourceReference"]


def test_expressions_are_resolved(arm: Arm) -> None:
    address = resource(
        "Microsoft.Network/publicIPAddresses",
        "[concat(variables('prefix'), '-', parameters('suffix'))]",
        {"publicIPAllocationMethod": "Static"},
        location="[resourceGroup().location]",
    )
    outputs = {
        "guid": {
            "type": "string",
            "value": "[reference(resourceId('Microsoft.Network/publicIPAddresses', 'my-ip')).ipAddress]",
        },
        "plain": {"type": "string", "value": "[[not an expression]"},
        "quoted": {"type": "string", "value": "[format('{0}''s {1}', 'it', 2)]"},
    }
    answer = deploy(
        arm,
        address,
        given={"suffix": {"value": "ip"}},
        parameters={"suffix": {"type": "string"}},
        variables={"prefix": "my"},
        outputs=outputs,
    )
    found = end_of(arm, answer)["properties"]["outputs"]
    assert found["guid"]["value"].startswith("127.77.")
    assert found["plain"]["value"] == "[not an expression]"
    assert found["quoted"]["value"] == "it's 2"


@pytest.mark.parametrize(
    ("expression", "text"),
    [
        ("[uniqueString('a')]", "the template function 'uniqueString' is not valid"),
        ("[parameters('missing')]", "the template parameter 'missing' is not found"),
        ("[concat('a'']", "unexpected end"),
        ("[concat('a') 'b']", "unexpected text"),
        ("[resourceId('Microsoft.Network/publicIPAddresses')]", "needs 1 names"),
    ],
)
def test_a_wrong_expression_makes_the_template_invalid(arm: Arm, expression: str, text: str) -> None:
    answer = deploy(arm, resource("Microsoft.Network/publicIPAddresses", expression, {}))
    assert (answer.status, answer.body["error"]["code"]) == (400, "InvalidTemplate")
    assert text in answer.body["error"]["message"]


def test_a_template_must_say_what_a_resource_is(arm: Arm) -> None:
    answer = deploy(arm, {"name": "x", "apiVersion": NETWORK_VERSION})
    assert "Required property 'type'" in answer.body["error"]["message"]
    answer = deploy(arm, resource("Microsoft.Network/virtualNetworks/subnets", "x", {}))
    assert "incorrect segment lengths" in answer.body["error"]["message"]
