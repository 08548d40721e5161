"""Networks, subnets, security groups, addresses and interfaces: what ARM completes, and what it refuses."""

from __future__ import annotations

import pytest

from tests.sandbox_arm.support import GROUP, LOCATION, Arm, refused

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def group(arm: Arm) -> None:
    arm.group()


def test_a_static_address_is_of_the_guests_range_and_stays_over_updates(arm: Arm) -> None:
    address = arm.address()
    assert address.properties.ip_address.startswith("127.77.")
    assert address.properties.provisioning_state == "Succeeded"
    assert arm.address().properties.ip_address == address.properties.ip_address


def test_a_standard_address_must_be_static(arm: Arm) -> None:
    body = {"location": LOCATION, "sku": {"name": "Standard"}, "properties": {"publicIPAllocationMethod": "Dynamic"}}
    with refused("StandardSkuPublicIPAddressesMustBeStatic", 400):
        arm.network.public_ip_addresses.begin_create_or_update(GROUP, "ip", body)


def test_a_dns_label_becomes_a_name_that_is_taken(arm: Arm) -> None:
    body = {"location": LOCATION, "properties": {"dnsSettings": {"domainNameLabel": "mine"}}}
    address = arm.network.public_ip_addresses.begin_create_or_update(GROUP, "ip", body).result()
    assert address.properties.dns_settings.fqdn == "mine.eastus.cloudapp.azure.com"
    with refused("DnsRecordInUse", 400):
        arm.network.public_ip_addresses.begin_create_or_update(GROUP, "other", body)


def test_an_interface_ties_subnet_group_and_address_together(arm: Arm) -> None:
    network, address = arm.vnet(), arm.address()
    nic = arm.interface(publicIPAddress={"id": address.id, "properties": {"deleteOption": "Delete"}})
    configuration = nic.properties.ip_configurations[0]
    assert configuration.properties.private_ip_address == "10.0.0.4"
    assert configuration.properties.public_ip_address.properties.delete_option == "Delete"
    found = arm.network.public_ip_addresses.get(GROUP, "ip")
    assert found.properties.ip_configuration.id == configuration.id
    subnet = arm.network.subnets.get(GROUP, "vnet", "default")
    assert [inside.id for inside in subnet.properties.ip_configurations] == [configuration.id]
    assert subnet.id == network.properties.subnets[0].id


def test_what_is_in_use_cannot_be_deleted(arm: Arm) -> None:
    arm.vnet()
    firewall = arm.firewall()
    arm.interface(publicIPAddress={"id": arm.address().id})
    nic = arm.network.network_interfaces.get(GROUP, "nic")
    nic.properties.network_security_group = firewall
    arm.network.network_interfaces.begin_create_or_update(GROUP, "nic", nic).result()
    with refused("PublicIPAddressCannotBeDeleted", 400) as found:
        arm.network.public_ip_addresses.begin_delete(GROUP, "ip")
    assert "ipConfigurations/main" in found.message
    with refused("InUseSubnetCannotBeDeleted", 400):
        arm.network.virtual_networks.begin_delete(GROUP, "vnet")
    with refused("InUseSubnetCannotBeDeleted", 400):
        arm.network.subnets.begin_delete(GROUP, "vnet", "default")
    with refused("InUseNetworkSecurityGroupCannotBeDeleted", 400):
        arm.network.network_security_groups.begin_delete(GROUP, "nsg")
    arm.network.network_interfaces.begin_delete(GROUP, "nic").result()
    for resources, name in (
        (arm.network.public_ip_addresses, "ip"),
        (arm.network.virtual_networks, "vnet"),
        (arm.network.network_security_groups, "nsg"),
    ):
        resources.begin_delete(GROUP, name).result()
    assert list(arm.inventory()) == ["azure-resource-group"]


def test_a_resource_read_and_put_back_unchanged_is_accepted(arm: Arm) -> None:
    arm.vnet()
    arm.firewall()
    arm.interface(publicIPAddress={"id": arm.address().id})
    for resources, name in (
        (arm.network.virtual_networks, "vnet"),
        (arm.network.network_security_groups, "nsg"),
        (arm.network.public_ip_addresses, "ip"),
        (arm.network.network_interfaces, "nic"),
    ):
        before = resources.get(GROUP, name)
        after = resources.begin_create_or_update(GROUP, name, before).result()
        assert after.properties.resource_guid == before.properties.resource_guid


def test_an_address_serves_one_interface(arm: Arm) -> None:
    arm.vnet()
    address = arm.address()
    arm.interface("one", publicIPAddress={"id": address.id})
    with refused("PublicIPAddressInUse", 400):
        arm.interface("two", publicIPAddress={"id": address.id})


def test_a_reference_must_exist(arm: Arm) -> None:
    arm.vnet()
    missing = f"{arm.scope}/resourceGroups/{GROUP}/providers/Microsoft.Network/publicIPAddresses/Missing"
    with refused("InvalidResourceReference", 400) as found:
        arm.interface(publicIPAddress={"id": missing})
    assert missing in found.message
    assert "azure-network-interface" not in arm.inventory()


def test_interfaces_get_addresses_of_their_own_until_the_subnet_is_full(arm: Arm) -> None:
    body = {
        "location": LOCATION,
        "properties": {
            "addressSpace": {"addressPrefixes": ["10.0.0.0/16"]},
            "subnets": [{"name": "default", "properties": {"addressPrefix": "10.0.0.0/29"}}],
        },
    }
    arm.network.virtual_networks.begin_create_or_update(GROUP, "vnet", body).result()
    taken = [
        arm.interface(name).properties.ip_configurations[0].properties.private_ip_address for name in ("a", "b", "c")
    ]
    assert taken == ["10.0.0.4", "10.0.0.5", "10.0.0.6"]
    with refused("SubnetIsFull", 400):
        arm.interface("d")


@pytest.mark.parametrize(
    ("prefix", "code"),
    [
        ("10.1.0.0/24", "NetcfgInvalidSubnet"),
        ("10.0.0.0/25", "NetcfgSubnetRangesOverlap"),
        ("10.0.0.1/24", "InvalidAddressPrefixFormat"),
    ],
)
def test_a_subnet_must_fit_into_its_network(arm: Arm, prefix: str, code: str) -> None:
    arm.vnet()
    with refused(code, 400):
        arm.network.subnets.begin_create_or_update(GROUP, "vnet", "second", {"properties": {"addressPrefix": prefix}})


def test_subnets_come_and_go_by_themselves(arm: Arm) -> None:
    arm.vnet()
    body = {"properties": {"addressPrefix": "10.0.1.0/24"}}
    arm.network.subnets.begin_create_or_update(GROUP, "vnet", "second", body).result()
    assert [subnet.name for subnet in arm.network.subnets.list(GROUP, "vnet")] == ["default", "second"]
    arm.network.subnets.begin_delete(GROUP, "vnet", "second").result()
    assert [s.name for s in arm.network.virtual_networks.get(GROUP, "vnet").properties.subnets] == ["default"]
    with refused("NotFound", 404):
        arm.network.subnets.get(GROUP, "vnet", "second")
    with refused("ParentResourceNotFound", 404):
        arm.network.subnets.begin_create_or_update(GROUP, "missing", "second", body)


@pytest.mark.parametrize(
    ("rule", "code"),
    [
        ({"priority": 99}, "SecurityRuleInvalidPriority"),
        ({"sourceAddressPrefix": "300.0.0.1/32"}, "SecurityRuleInvalidAddressPrefix"),
        ({"sourceAddressPrefix": None}, "SecurityRuleInvalidAddressPrefix"),
        ({"destinationPortRange": "22-"}, "SecurityRuleInvalidPortRange"),
        ({"access": None}, "SecurityRuleInvalidParameter"),
    ],
)
def test_a_wrong_rule_is_refused(arm: Arm, rule: dict[str, object], code: str) -> None:
    with refused(code, 400):
        arm.firewall(rule)


def test_rules_are_changed_one_by_one_and_may_not_conflict(arm: Arm) -> None:
    firewall = arm.firewall()
    assert {rule.name for rule in firewall.properties.default_security_rules} >= {"DenyAllInBound"}
    ssh = firewall.properties.security_rules[0]
    with refused("SecurityRuleConflict", 400):
        arm.network.security_rules.begin_create_or_update(GROUP, "nsg", "again", ssh)
    ssh.properties.priority = 110
    ssh.properties.source_address_prefix = "198.51.100.9"
    arm.network.security_rules.begin_create_or_update(GROUP, "nsg", "again", ssh).result()
    assert [rule.name for rule in arm.network.security_rules.list(GROUP, "nsg")] == ["ssh", "again"]


def test_an_etag_guards_a_change(arm: Arm) -> None:
    address = arm.address()
    body = {"location": LOCATION, "sku": {"name": "Standard"}, "properties": {"publicIPAllocationMethod": "Static"}}
    path = f"{arm.scope}/resourceGroups/{GROUP}/providers/Microsoft.Network/publicIPAddresses/ip?api-version=2025-05-01"
    assert arm.send("PUT", path, body, If_Match='W/"0"').body["error"]["code"] == "PreconditionFailed"
    assert arm.send("PUT", path, body, If_None_Match="*").status == 412
    assert arm.send("PUT", path, body, If_Match=address.etag).status == 200
    assert arm.send("PUT", path, body, If_Match=address.etag).status == 412


def test_tags_are_changed_without_the_rest(arm: Arm) -> None:
    address = arm.address()
    arm.network.public_ip_addresses.update_tags(GROUP, "ip", {"tags": {"a": "b"}})
    after = arm.network.public_ip_addresses.get(GROUP, "ip")
    assert after.tags == {"a": "b"}
    assert after.properties.ip_address == address.properties.ip_address


@pytest.mark.parametrize(
    ("properties", "text"),
    [
        ({"publicIpAllocationMethods": "Static"}, "Could not find member 'publicIpAllocationMethods'"),
        ({"publicIPAllocationMethod": "Fixed"}, 'Error converting value "Fixed" to type'),
        ({"idleTimeoutInMinutes": "4"}, 'Error converting value "4" to type'),
    ],
)
def test_a_body_that_does_not_fit_is_refused(arm: Arm, properties: dict[str, object], text: str) -> None:
    body = {"location": LOCATION, "properties": properties}
    path = f"{arm.scope}/resourceGroups/{GROUP}/providers/Microsoft.Network/publicIPAddresses/ip?api-version=2025-05-01"
    answer = arm.send("PUT", path, body)
    assert (answer.status, answer.body["error"]["code"]) == (400, "InvalidRequestFormat")
    assert text in answer.body["error"]["details"][0]["message"]


def test_members_are_taken_in_any_case_and_told_in_the_right_one(arm: Arm) -> None:
    body = {"Location": "East US", "SKU": {"NAME": "standard"}, "Properties": {"PublicIpAllocationMethod": "STATIC"}}
    path = f"{arm.scope}/resourcegroups/{GROUP.upper()}/providers/microsoft.network/publicipaddresses/IP"
    made = arm.send("PUT", f"{path}?api-version=2025-05-01", body).body
    assert (made["location"], made["sku"]["name"]) == ("eastus", "Standard")
    assert made["properties"]["publicIPAllocationMethod"] == "Static"
    assert arm.network.public_ip_addresses.get(GROUP, "ip").properties.ip_address
