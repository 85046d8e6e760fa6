"""Keys, identity pools, networks and service agents of the local cloud, through google-api-python-client."""

import json
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest
from googleapiclient.errors import HttpError

from infra.emulator import apis, clock
from infra.emulator.calls import Cloud
from infra.emulator.dispatch import Incoming, answer
from infra.emulator.objects import prepare
from infra.emulator.resources import Resources
from tests.cloud import LocalCloud
from tests.google import build

PROJECT = "projects/secure-project"
LOCATION = f"{PROJECT}/locations/us-central1"
NUMBER = "123456789012"
ISSUER = "https://token.actions.githubusercontent.com"
FEDERATED = {
    "oidc": {"issuerUri": ISSUER},
    "attributeMapping": {"google.subject": "assertion.sub", "attribute.repository": "assertion.repository"},
    "attributeCondition": "attribute.repository == 'me/it'",
}

Client = Callable[[str, str], Any]


@pytest.fixture
def client(local_cloud: LocalCloud) -> Iterator[Client]:
    """Builds clients by API and version, and closes their connections."""
    built: list[Any] = []

    def make(api: str, version: str) -> Any:
        built.append(build(local_cloud, api, version))
        return built[-1]

    yield make
    for one in built:
        one.close()


def refused(request: Any) -> tuple[int, str, str]:
    """Execute a request that must fail; return code, status and message of Google's envelope."""
    with pytest.raises(HttpError) as caught:
        request.execute()
    error = json.loads(caught.value.content)["error"]
    return error["code"], error["status"], error["message"]


def new_key(rings: Any, ring: str, **fields: Any) -> Any:
    """Make a ring and a key in it."""
    rings.create(parent=LOCATION, keyRingId=ring).execute()
    body = {"purpose": "ENCRYPT_DECRYPT", **fields}
    return rings.cryptoKeys().create(parent=f"{LOCATION}/keyRings/{ring}", cryptoKeyId="key", body=body).execute()


def test_a_key_begins_with_one_version_and_ends_with_its_last(client: Client) -> None:
    """Its primary version is shown whole; destroyed versions wait for 30 days and can be restored until then."""
    rings = client("cloudkms", "v1").projects().locations().keyRings()
    key = new_key(rings, "life", labels={"app": "a"})
    keys, versions = rings.cryptoKeys(), rings.cryptoKeys().cryptoKeyVersions()
    first = f"{key['name']}/cryptoKeyVersions/1"
    assert (key["primary"]["name"], key["primary"]["state"]) == (first, "ENABLED")
    assert key["destroyScheduledDuration"] == "2592000s"
    second = versions.create(parent=key["name"], body={}).execute()
    moved = keys.updatePrimaryVersion(name=key["name"], body={"cryptoKeyVersionId": "2"}).execute()
    assert moved["primary"]["name"] == second["name"]
    destroyed = versions.destroy(name=second["name"], body={}).execute()
    assert destroyed["state"] == "DESTROY_SCHEDULED"
    assert destroyed["destroyTime"] > destroyed["createTime"]
    assert keys.get(name=key["name"]).execute()["primary"]["state"] == "DESTROY_SCHEDULED"
    assert refused(versions.destroy(name=second["name"], body={}))[:2] == (400, "FAILED_PRECONDITION")
    assert versions.restore(name=second["name"], body={}).execute()["state"] == "DISABLED"
    listed = versions.list(parent=key["name"], filter="state=ENABLED").execute()
    assert [each["name"] for each in listed["cryptoKeyVersions"]] == [first]


def test_a_key_is_refused_as_google_refuses_it(client: Client) -> None:
    """A taken name, a rotation without a first time or more than daily, no purpose, an unknown ring."""
    rings = client("cloudkms", "v1").projects().locations().keyRings()
    key = new_key(rings, "strict")
    keys, parent = rings.cryptoKeys(), f"{LOCATION}/keyRings/strict"
    assert refused(rings.create(parent=LOCATION, keyRingId="strict"))[:2] == (409, "ALREADY_EXISTS")
    body = {"purpose": "ENCRYPT_DECRYPT"}
    assert refused(keys.create(parent=parent, cryptoKeyId="key", body=body))[0] == 409
    assert "purpose" in refused(keys.create(parent=parent, cryptoKeyId="other", body={}))[2]
    hourly = {"rotationPeriod": "3600s", "nextRotationTime": "2040-01-01T00:00:00Z"}
    assert "24" in refused(keys.create(parent=parent, cryptoKeyId="other", body=body | hourly))[2]
    monthly = {"rotationPeriod": "2592000s"}
    assert "next_rotation_time" in refused(keys.patch(name=key["name"], body=monthly, updateMask="rotationPeriod"))[2]
    assert refused(keys.create(parent=f"{LOCATION}/keyRings/none", cryptoKeyId="key", body=body))[0] == 404
    assert "purpose" in refused(keys.patch(name=key["name"], body={"purpose": "MAC"}, updateMask="purpose"))[2]


def test_a_key_rotates_when_its_time_comes(tmp_path: Path) -> None:
    """The clock moves on three periods and a half: one new primary version, and the next time lies ahead."""
    assert apis.__all__
    cloud = Cloud(Resources(tmp_path / "cloud.sqlite"), tmp_path, "http://127.0.0.1:1")
    prepare(cloud)

    def send(verb: str, path: str, query: str = "", body: Any = None) -> Any:
        incoming = Incoming(verb, f"/cloudkms/v1/{LOCATION}/keyRings{path}", query, {}, orjson.dumps(body or {}))
        return orjson.loads(answer(cloud, incoming).body)

    send("POST", "", "keyRingId=r")
    first = clock.text(clock.now(cloud.resources) + timedelta(days=1))
    rotating = {"purpose": "ENCRYPT_DECRYPT", "rotationPeriod": "86400s", "nextRotationTime": first}
    made = send("POST", "/r/cryptoKeys", "cryptoKeyId=k", rotating)
    clock.advance(cloud, timedelta(hours=23))
    assert send("GET", "/r/cryptoKeys/k")["primary"] == made["primary"]
    clock.advance(cloud, timedelta(days=3, hours=12))
    turned = send("GET", "/r/cryptoKeys/k")
    assert turned["primary"]["name"].endswith("/2")
    assert clock.text(clock.now(cloud.resources)) < turned["nextRotationTime"]
    assert len(send("GET", "/r/cryptoKeys/k/cryptoKeyVersions")["cryptoKeyVersions"]) == 2
    cloud.resources.close()


def test_a_deleted_pool_keeps_its_name_and_comes_back(client: Client) -> None:
    """Create, patch, delete: its state says DELETED, its id is taken, undelete brings it back; so for providers."""
    pools = client("iam", "v1").projects().locations().workloadIdentityPools()
    parent, name = f"{PROJECT}/locations/global", f"{PROJECT}/locations/global/workloadIdentityPools/pool-one"
    made = pools.create(parent=parent, workloadIdentityPoolId="pool-one", body={"displayName": "One"}).execute()
    numbered = f"projects/{NUMBER}/locations/global/workloadIdentityPools/pool-one"
    assert (made["done"], made["response"]["name"]) == (True, numbered)
    assert pools.operations().get(name=made["name"]).execute()["done"]
    pools.patch(name=name, body={"displayName": "Two", "disabled": True}, updateMask="displayName,disabled").execute()
    assert pools.get(name=numbered).execute() == {
        "name": numbered, "displayName": "Two", "disabled": True, "state": "ACTIVE",
    }  # fmt: skip
    assert pools.listAttestationRules(resource=name).execute() == {}
    providers = pools.providers()
    providers.create(parent=name, workloadIdentityPoolProviderId="github", body=FEDERATED).execute()
    for kind, full in ((providers, f"{name}/providers/github"), (pools, name)):
        kind.delete(name=full).execute()
        assert kind.get(name=full).execute()["state"] == "DELETED"
    assert refused(pools.create(parent=parent, workloadIdentityPoolId="pool-one", body={}))[:2] == (
        409, "ALREADY_EXISTS",
    )  # fmt: skip
    assert pools.list(parent=parent).execute() == {}
    assert len(pools.list(parent=parent, showDeleted=True).execute()["workloadIdentityPools"]) == 1
    assert pools.undelete(name=name, body={}).execute()["response"]["state"] == "ACTIVE"
    assert refused(pools.undelete(name=name, body={}))[1] == "FAILED_PRECONDITION"
    assert refused(pools.patch(name=name, body={"mode": "TRUST_DOMAIN"}, updateMask="mode"))[0] == 400


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"attributeCondition": ""}, "must reference one of the provider's claims"),
        ({"attributeCondition": "attribute.owner == 'me'"}, "attribute.owner"),
        ({"attributeMapping": {"attribute.repository": "assertion.repository"}}, "google.subject"),
        ({"oidc": None}, "Exactly one of aws, oidc, saml, x509"),
        ({"oidc": {"issuerUri": "http://plain.example"}}, "https"),
    ],
)
def test_a_careless_provider_is_refused(client: Client, change: dict[str, Any], words: str) -> None:
    """GitHub's tokens come from everybody: without a condition over them no provider is made."""
    pools = client("iam", "v1").projects().locations().workloadIdentityPools()
    parent = f"{PROJECT}/locations/global"
    try:
        pools.create(parent=parent, workloadIdentityPoolId="strict-pool", body={}).execute()
    except HttpError as error:
        assert error.status_code == 409
    body = {key: value for key, value in {**FEDERATED, **change}.items() if value is not None}
    create = pools.providers().create
    found = refused(
        create(
            parent=f"{parent}/workloadIdentityPools/strict-pool", workloadIdentityPoolProviderId="bad-one", body=body
        )
    )
    assert found[0] == 400
    assert words in found[2]


@pytest.mark.parametrize("version", ["v1", "beta"])
def test_a_network_lives_and_goes_after_what_is_in_it(client: Client, version: str) -> None:
    """Subnetworks do not overlap and a stale fingerprint is refused; what is used cannot be deleted."""
    compute, project, region = client("compute", version), f"net-{version}", "us-central1"
    networks, subnetworks, routers = compute.networks(), compute.subnetworks(), compute.routers()
    made = networks.insert(project=project, body={"name": "n", "autoCreateSubnetworks": False}).execute()
    assert (made["status"], made["operationType"]) == ("DONE", "insert")
    assert compute.globalOperations().get(project=project, operation=made["name"]).execute() == made
    network = networks.get(project=project, network="n").execute()
    assert f"/compute/{version}/projects/{project}/global/networks/n" in network["selfLink"]
    place = {"project": project, "region": region}
    body = {"name": "s", "network": network["selfLink"], "ipCidrRange": "10.1.0.0/24", "privateIpGoogleAccess": True}
    subnetworks.insert(**place, body=body).execute()
    subnetwork = subnetworks.get(**place, subnetwork="s").execute()
    assert (subnetwork["gatewayAddress"], subnetwork["purpose"]) == ("10.1.0.1", "PRIVATE")
    overlapping = {**body, "name": "t", "ipCidrRange": "10.1.0.128/25"}
    assert "conflicts with existing subnetwork 's'" in refused(subnetworks.insert(**place, body=overlapping))[2]
    logged = {"logConfig": {"enable": True}}
    assert refused(subnetworks.patch(**place, subnetwork="s", body={**logged, "fingerprint": "AAAA"}))[0] == 412
    fresh = {**logged, "fingerprint": subnetwork["fingerprint"]}
    subnetworks.patch(**place, subnetwork="s", body=fresh).execute()
    subnetworks.expandIpCidrRange(**place, subnetwork="s", body={"ipCidrRange": "10.1.0.0/22"}).execute()
    nat = {"name": "out", "sourceSubnetworkIpRangesToNat": "ALL_SUBNETWORKS_ALL_IP_RANGES"}
    routers.insert(**place, body={"name": "r", "network": network["selfLink"], "nats": [nat]}).execute()
    assert routers.get(**place, router="r").execute()["nats"][0]["natIpAllocateOption"] == "AUTO_ONLY"
    assert "already being used by" in refused(networks.delete(project=project, network="n"))[2]
    subnetworks.delete(**place, subnetwork="s").execute()
    routers.delete(**place, router="r").execute()
    networks.delete(project=project, network="n").execute()
    assert refused(networks.get(project=project, network="n"))[0] == 404


def test_a_firewall_rule_has_one_verdict_and_a_side(client: Client) -> None:
    """Allowed or denied, tags or accounts; a rule that names no source is for every address."""
    firewalls = client("compute", "v1").firewalls()
    rule = {"name": "in", "allowed": [{"IPProtocol": "tcp", "ports": ["22"]}]}
    firewalls.insert(project="walls", body=rule).execute()
    made = firewalls.get(project="walls", firewall="in").execute()
    assert (made["sourceRanges"], made["direction"], made["priority"]) == (["0.0.0.0/0"], "INGRESS", 1000)
    both = {**rule, "name": "x", "denied": [{"IPProtocol": "all"}]}
    assert "Exactly one" in refused(firewalls.insert(project="walls", body=both))[2]
    mixed = {**rule, "name": "x", "sourceTags": ["a"], "targetServiceAccounts": ["b@c.d"]}
    assert "Tags and service accounts" in refused(firewalls.insert(project="walls", body=mixed))[2]
    assert refused(firewalls.insert(project="walls", body=rule))[:2] == (409, "ALREADY_EXISTS")


def test_services_name_the_account_that_they_act_as(client: Client) -> None:
    """Asked twice it is the same; a service that is off, or has none, is refused."""
    services = client("serviceusage", "v1beta1").services()
    name = f"{PROJECT}/services/aiplatform.googleapis.com"
    first = services.generateServiceIdentity(parent=name).execute()["response"]
    assert first["email"] == f"service-{NUMBER}@gcp-sa-aiplatform.iam.gserviceaccount.com"
    assert services.generateServiceIdentity(parent=name).execute()["response"] == first
    off = services.generateServiceIdentity(parent=f"{PROJECT}/services/notebooks.googleapis.com")
    assert refused(off)[:2] == (400, "FAILED_PRECONDITION")
    storage = client("storage", "v1").projects().serviceAccount().get(projectId="secure-project").execute()
    assert storage["email_address"] == f"service-{NUMBER}@gs-project-accounts.iam.gserviceaccount.com"
