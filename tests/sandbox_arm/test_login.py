"""Login and the gates of ARM: who is let in, and how a refusal reads to the real SDK."""

from __future__ import annotations

import ssl
import urllib.error
import urllib.parse
import urllib.request

import pytest
from azure.core.exceptions import ClientAuthenticationError

from tests.sandbox_arm.support import GROUP, Answer, Arm, refused

pytestmark = pytest.mark.slow

SUBSCRIPTIONS = "/subscriptions?api-version=2022-12-01"


def ask_token(arm: Arm, tenant: str = "", **form: str) -> Answer:
    """The answer of the token endpoint to a request that is right but for `form`."""
    right = {
        "grant_type": "client_credentials",
        "client_id": arm.info.azure_client_id,
        "client_secret": arm.info.azure_client_secret,
        "scope": f"{arm.info.azure_endpoint}/.default",
    }
    data = urllib.parse.urlencode({name: value for name, value in {**right, **form}.items() if value}).encode()
    path = f"/{tenant or arm.info.azure_tenant}/oauth2/v2.0/token"
    return arm.send("POST", path, data, authorization="", content_type="application/x-www-form-urlencoded")


def test_the_sdk_logs_in_and_lists_the_subscription(arm: Arm) -> None:
    found = arm.get("/subscriptions", "2022-12-01")["value"]
    assert [entry["subscriptionId"] for entry in found] == [arm.info.azure_subscription]
    assert found[0]["state"] == "Enabled"
    assert "[simulated]" in found[0]["displayName"]


def test_the_sdk_also_works_with_instance_discovery(arm: Arm) -> None:
    """As `az` does, which asks the authority about itself first."""
    discovery = f"/common/discovery/instance?api-version=1.1&authorization_endpoint={arm.info.azure_endpoint}/common"
    answer = arm.send("GET", discovery, authorization="")
    assert answer.body["metadata"][0]["preferred_network"] == arm.info.azure_endpoint.removeprefix("https://")
    openid = arm.send("GET", f"/{arm.info.azure_tenant}/v2.0/.well-known/openid-configuration", authorization="").body
    assert openid["token_endpoint"] == f"{arm.info.azure_endpoint}/{arm.info.azure_tenant}/oauth2/v2.0/token"


@pytest.mark.parametrize("version", ["2015-01-01", "2019-05-01", "2022-09-01"])
def test_the_metadata_leads_from_arm_to_the_login(arm: Arm, version: str) -> None:
    answer = arm.send("GET", f"/metadata/endpoints?api-version={version}", authorization="")
    document = answer.body[0] if version == "2019-05-01" else answer.body
    assert document["authentication"]["loginEndpoint"].rstrip("/") == arm.info.azure_endpoint


@pytest.mark.parametrize(
    ("form", "status", "error", "number"),
    [
        ({"client_secret": "wrong"}, 401, "invalid_client", 7000215),
        ({"client_secret": ""}, 401, "invalid_client", 7000215),
        ({"client_id": "00000000-0000-0000-0000-000000000000"}, 400, "unauthorized_client", 700016),
        ({"grant_type": "password"}, 400, "unsupported_grant_type", 70003),
        ({"grant_type": ""}, 400, "invalid_request", 900144),
        ({"scope": ""}, 400, "invalid_request", 900144),
        ({"scope": "https://management.azure.com/user_impersonation"}, 400, "invalid_scope", 1002012),
        ({"scope": "https://vault.azure.net/.default"}, 400, "invalid_resource", 500011),
        ({"tenant": "nobody.onmicrosoft.com"}, 400, "invalid_request", 90002),
    ],
)
def test_a_wrong_token_request_is_told_by_its_number(
    arm: Arm, form: dict[str, str], status: int, error: str, number: int
) -> None:
    answer = ask_token(arm, **form)
    assert (answer.status, answer.body["error"], answer.body["error_codes"]) == (status, error, [number])
    assert answer.body["error_description"].startswith(f"AADSTS{number}: ")


def test_a_wrong_secret_is_an_authentication_error_of_the_sdk(arm: Arm) -> None:
    with pytest.raises(ClientAuthenticationError, match="AADSTS7000215"):
        list(arm.client("groups", credential=arm.credential("wrong")).resource_groups.list())


@pytest.mark.parametrize(
    ("credentials", "number", "code"),
    [
        ("expired", "AADSTS7000222", "ExpiredAuthenticationToken"),
        ("invalid", "AADSTS7000215", "InvalidAuthenticationToken"),
    ],
)
def test_the_scenario_ends_the_credentials(arm: Arm, credentials: str, number: str, code: str) -> None:
    token = arm.token()
    arm.use(f"credentials: {credentials}")
    with pytest.raises(ClientAuthenticationError, match=number):
        arm.token()
    answer = arm.send("GET", SUBSCRIPTIONS, authorization=f"Bearer {token}")
    assert (answer.status, answer.body["error"]["code"]) == (401, code)
    assert answer.headers["www-authenticate"].startswith("Bearer authorization_uri=")


@pytest.mark.parametrize(
    ("authorization", "code"),
    [
        ("", "AuthenticationFailed"),
        ("Basic Zm9vOmJhcg==", "AuthenticationFailed"),
        ("Bearer nonsense", "InvalidAuthenticationToken"),
        ("Bearer e30.e30.c2ln", "InvalidAuthenticationToken"),
    ],
)
def test_arm_wants_a_good_token(arm: Arm, authorization: str, code: str) -> None:
    answer = arm.send("GET", SUBSCRIPTIONS, authorization=authorization)
    assert (answer.status, answer.body["error"]["code"]) == (401, code)


def test_a_client_that_does_not_know_our_authority_is_not_served(arm: Arm) -> None:
    with pytest.raises(urllib.error.URLError) as error:
        urllib.request.urlopen(f"{arm.info.azure_endpoint}/subscriptions", context=ssl.create_default_context())
    assert "CERTIFICATE_VERIFY_FAILED" in str(error.value)


@pytest.mark.parametrize(
    ("query", "code"),
    [("", "MissingApiVersionParameter"), ("?api-version=latest", "InvalidApiVersionParameter")],
)
def test_every_call_names_its_version(arm: Arm, query: str, code: str) -> None:
    answer = arm.send("GET", f"{arm.scope}/resourcegroups{query}")
    assert (answer.status, answer.body["error"]["code"]) == (400, code)


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("/subscriptions/00000000-0000-0000-0000-000000000000/resourcegroups", 404, "SubscriptionNotFound"),
        ("{scope}/providers/Microsoft.Nothing/things", 404, "InvalidResourceNamespace"),
        ("{scope}/providers/Microsoft.Network/things", 404, "InvalidResourceType"),
    ],
)
def test_what_is_not_there_is_told_apart(arm: Arm, path: str, status: int, code: str) -> None:
    answer = arm.send("GET", f"{path.format(scope=arm.scope)}?api-version=2025-04-01")
    assert (answer.status, answer.body["error"]["code"]) == (status, code)


def test_a_body_that_is_no_json_is_refused(arm: Arm) -> None:
    answer = arm.send("PUT", f"{arm.scope}/resourcegroups/x?api-version=2025-04-01", b"{nonsense")
    assert (answer.status, answer.body["error"]["code"]) == (400, "InvalidRequestContent")


def test_denied_calls_name_the_right_that_is_missing(arm: Arm) -> None:
    arm.group()
    arm.use("denied: [PUT virtualNetworks]")
    with refused("AuthorizationFailed", 403) as found:
        arm.vnet()
    assert "'Microsoft.Network/virtualNetworks/write'" in found.message
    arm.use("denied: [Microsoft.Network/*/read]")
    with refused("AuthorizationFailed", 403):
        list(arm.network.virtual_networks.list(GROUP))
    arm.use("")
    arm.vnet()


def test_a_namespace_must_be_registered(arm: Arm) -> None:
    arm.group()
    arm.use("azure: {unregistered: [Microsoft.Network]}")
    assert arm.groups.providers.get("Microsoft.Network").registration_state == "NotRegistered"
    answer = arm.send("GET", f"{arm.scope}/providers/Microsoft.Network/virtualNetworks?api-version=2025-05-01")
    assert (answer.status, answer.body["error"]["code"]) == (409, "MissingSubscriptionRegistration")
    assert answer.body["error"]["details"][0]["target"] == "Microsoft.Network"
    with refused("MissingSubscriptionRegistration", 409):
        arm.vnet()
    assert arm.groups.providers.register("Microsoft.Network").registration_state == "Registered"
    arm.vnet()


def test_features_are_of_the_scenario_until_they_are_registered(arm: Arm) -> None:
    path = f"{arm.scope}/providers/Microsoft.Features/providers/Microsoft.Compute/features/EncryptionAtHost"
    assert arm.get(path, "2021-07-01")["properties"]["state"] == "NotRegistered"
    arm.use("azure: {features: [Microsoft.Compute/EncryptionAtHost]}")
    assert arm.get(path, "2021-07-01")["properties"]["state"] == "Registered"
    arm.use("")
    assert arm.send("POST", f"{path}/register?api-version=2021-07-01").body["properties"]["state"] == "Registered"
    assert arm.get(path, "2021-07-01")["name"] == "Microsoft.Compute/EncryptionAtHost"


def test_regions_tell_their_zones(arm: Arm) -> None:
    regions = {entry["name"]: entry for entry in arm.get(f"{arm.scope}/locations", "2022-12-01")["value"]}
    assert [zone["logicalZone"] for zone in regions["eastus"]["availabilityZoneMappings"]] == ["1", "2", "3"]
    assert "availabilityZoneMappings" not in regions["westus"]
    assert regions["eastus"]["displayName"] == "East US"
