"""The requests of the real gcp provider for keys, networks and pools, answered as it needs them.

They are written down from the provider's source (terraform-provider-google-beta 8.x): paths, queries and bodies as it
forms them. Each passes the checks against Google's discovery documents; what the provider reads back is asserted.
"""

from dataclasses import dataclass
from typing import Any

import pytest
import requests

from tests.cloud import LocalCloud

P = "projects/wire-project"
KMS = f"/cloudkms/v1/{P}/locations/us-central1/keyRings"
COMPUTE = f"/compute/compute/beta/{P}"
POOLS = f"/iam/v1/{P}/locations/global/workloadIdentityPools"
NETWORK = f"{P}/global/networks/n"
AGENT = "serviceAccount:service-123456789012@gs-project-accounts.iam.gserviceaccount.com"
NAT = {
    "name": "out",
    "natIpAllocateOption": "AUTO_ONLY",
    "natIps": [],
    "drainNatIps": [],
    "initialNatIps": [],
    "sourceSubnetworkIpRangesToNat": "ALL_SUBNETWORKS_ALL_IP_RANGES",
    "subnetworks": [],
    "nat64Subnetworks": [],
    "udpIdleTimeoutSec": 30,
    "icmpIdleTimeoutSec": 30,
    "tcpEstablishedIdleTimeoutSec": 1200,
    "tcpTransitoryIdleTimeoutSec": 30,
    "tcpTimeWaitTimeoutSec": 120,
    "logConfig": {"enable": True, "filter": "ERRORS_ONLY"},
    "rules": [],
    "type": "PUBLIC",
}
GITHUB = {
    "displayName": "GitHub Actions",
    "attributeMapping": {"google.subject": "assertion.sub", "attribute.repository": "assertion.repository"},
    "attributeCondition": "assertion.repository == 'me/it'",
    "oidc": {"issuerUri": "https://token.actions.githubusercontent.com"},
}


@dataclass(frozen=True)
class Sent:
    """One request, and what its answer must hold; values are compared as far as they are given."""

    method: str
    path: str
    body: Any = None
    answer: Any = None
    status: int = 200


CALLS = [
    Sent("POST", f"/serviceusage/v1beta1/{P}/services/aiplatform.googleapis.com:generateServiceIdentity", {}, {
        "done": True, "response": {"email": "service-123456789012@gcp-sa-aiplatform.iam.gserviceaccount.com"}}),
    Sent("GET", "/storage/v1/projects/wire-project/serviceAccount?alt=json&prettyPrint=false"),
    Sent("POST", f"{KMS}?keyRingId=r", None, {"name": f"{P}/locations/us-central1/keyRings/r"}),
    Sent("GET", f"{KMS}/r", None, {"name": f"{P}/locations/us-central1/keyRings/r"}),
    Sent("POST", f"{KMS}/r/cryptoKeys?cryptoKeyId=k&skipInitialVersionCreation=false", {
        "purpose": "ENCRYPT_DECRYPT", "rotationPeriod": "7776000s", "nextRotationTime": "2090-01-01T00:00:00.12345Z",
        "labels": {"app": "a", "goog-pulumi-provisioned": "true"}}),
    Sent("GET", f"{KMS}/r/cryptoKeys/k", None, {
        "purpose": "ENCRYPT_DECRYPT", "rotationPeriod": "7776000s", "primary": {"state": "ENABLED"},
        "versionTemplate": {"algorithm": "GOOGLE_SYMMETRIC_ENCRYPTION", "protectionLevel": "SOFTWARE"},
        "destroyScheduledDuration": "2592000s", "labels": {"app": "a", "goog-pulumi-provisioned": "true"}}),
    Sent("PATCH", f"{KMS}/r/cryptoKeys/k?updateMask=rotationPeriod%2CnextRotationTime%2Clabels", {
        "rotationPeriod": "8640000s", "nextRotationTime": "2090-01-01T00:00:00Z", "labels": {"app": "b"}}),
    Sent("GET", f"{KMS}/r/cryptoKeys/k:getIamPolicy?alt=json&options.requestedPolicyVersion=3&prettyPrint=false"),
    Sent("POST", f"{KMS}/r/cryptoKeys/k:setIamPolicy?alt=json&prettyPrint=false", {"policy": {"bindings": [
        {"members": [AGENT], "role": "roles/cloudkms.cryptoKeyEncrypterDecrypter"}], "etag": "ACAB"}}),
    Sent("GET", f"{KMS}/r/cryptoKeys/k/cryptoKeyVersions?alt=json&prettyPrint=false"),
    Sent("POST", f"{KMS}/r/cryptoKeys/k/cryptoKeyVersions/1:destroy?alt=json&prettyPrint=false", {}, {
        "state": "DESTROY_SCHEDULED"}),
    Sent("PATCH", f"{KMS}/r/cryptoKeys/k?alt=json&prettyPrint=false&updateMask=rotationPeriod%2CnextRotationTime", {}),
    Sent("POST", f"{COMPUTE}/global/networks", {
        "name": "n", "autoCreateSubnetworks": False, "routingConfig": {"routingMode": "REGIONAL"},
        "networkFirewallPolicyEnforcementOrder": "AFTER_CLASSIC_FIREWALL"}, {"status": "DONE"}),
    Sent("GET", f"{COMPUTE}/global/networks/n", None, {
        "autoCreateSubnetworks": False, "routingConfig": {"routingMode": "REGIONAL"},
        "networkFirewallPolicyEnforcementOrder": "AFTER_CLASSIC_FIREWALL"}),
    Sent("POST", f"{COMPUTE}/regions/us-central1/subnetworks", {
        "name": "s", "ipCidrRange": "10.10.0.0/24", "network": NETWORK, "privateIpGoogleAccess": True,
        "region": f"{P}/regions/us-central1", "logConfig": {
            "enable": True, "aggregationInterval": "INTERVAL_5_SEC", "flowSampling": 0.5,
            "metadata": "INCLUDE_ALL_METADATA", "filterExpr": "true"}}, {"status": "DONE"}),
    Sent("GET", f"{COMPUTE}/regions/us-central1/subnetworks/s", None, {
        "ipCidrRange": "10.10.0.0/24", "privateIpGoogleAccess": True, "purpose": "PRIVATE", "stackType": "IPV4_ONLY",
        "gatewayAddress": "10.10.0.1", "logConfig": {"enable": True, "flowSampling": 0.5}}),
    Sent("POST", f"{COMPUTE}/regions/us-central1/subnetworks/s/setPrivateIpGoogleAccess", {
        "privateIpGoogleAccess": False}, {"status": "DONE"}),
    Sent("POST", f"{COMPUTE}/regions/us-central1/subnetworks/s/expandIpCidrRange", {"ipCidrRange": "10.10.0.0/20"}),
    Sent("POST", f"{COMPUTE}/global/firewalls", {
        "name": "f", "network": NETWORK, "allowed": [{"IPProtocol": "tcp", "ports": ["22"]}], "direction": "INGRESS",
        "logConfig": {"enable": True, "metadata": "INCLUDE_ALL_METADATA"}, "priority": 1000,
        "sourceRanges": ["35.235.240.0/20"]}),
    Sent("GET", f"{COMPUTE}/global/firewalls/f", None, {
        "allowed": [{"IPProtocol": "tcp", "ports": ["22"]}], "sourceRanges": ["35.235.240.0/20"], "priority": 1000,
        "direction": "INGRESS", "logConfig": {"enable": True, "metadata": "INCLUDE_ALL_METADATA"}}),
    Sent("PATCH", f"{COMPUTE}/global/firewalls/f", {
        "allowed": [{"IPProtocol": "tcp", "ports": ["443"]}], "denied": [], "description": "", "disabled": False,
        "network": NETWORK, "priority": 900, "sourceRanges": ["35.235.240.0/20"], "targetTags": [],
        "logConfig": {"enable": False}}),
    Sent("POST", f"{COMPUTE}/regions/us-central1/routers", {
        "name": "r", "network": NETWORK, "bgp": None, "description": "", "region": f"{P}/regions/us-central1"}),
    Sent("GET", f"{COMPUTE}/regions/us-central1/routers/r"),
    Sent("PATCH", f"{COMPUTE}/regions/us-central1/routers/r", {"nats": [NAT]}),
    Sent("GET", f"{COMPUTE}/regions/us-central1/routers/r", None, {"nats": [{
        "name": "out", "natIpAllocateOption": "AUTO_ONLY", "type": "PUBLIC", "endpointTypes": ["ENDPOINT_TYPE_VM"],
        "sourceSubnetworkIpRangesToNat": "ALL_SUBNETWORKS_ALL_IP_RANGES"}]}),
    Sent("PATCH", f"{COMPUTE}/regions/us-central1/routers/r", {"nats": []}),
    Sent("DELETE", f"{COMPUTE}/global/networks/n", None, None, 400),
    *(Sent("DELETE", f"{COMPUTE}/{path}", None, {"status": "DONE"}) for path in (
        "regions/us-central1/routers/r", "regions/us-central1/subnetworks/s", "global/firewalls/f",
        "global/networks/n")),
    Sent("POST", f"{POOLS}?workloadIdentityPoolId=wire-pool", {"displayName": "One"}, {"done": True}),
    Sent("GET", f"{POOLS}/wire-pool", None, {"displayName": "One", "state": "ACTIVE"}),
    Sent("GET", f"{POOLS}/wire-pool:listAttestationRules", None, {}),
    Sent("PATCH", f"{POOLS}/wire-pool?updateMask=displayName%2Cdescription", {
        "displayName": "Two", "description": "d", "disabled": False}, {"done": True}),
    Sent("POST", f"{POOLS}/wire-pool/providers?workloadIdentityPoolProviderId=github", GITHUB, {"done": True}),
    Sent("GET", f"{POOLS}/wire-pool/providers/github", None, {**GITHUB, "state": "ACTIVE"}),
    Sent("PATCH", f"{POOLS}/wire-pool/providers/github?updateMask=attributeCondition%2Coidc.allowed_audiences"
         "%2Coidc.issuer_uri%2Coidc.jwks_json", {**GITHUB, "attributeCondition": "assertion.ref == 'm'"}),
    Sent("GET", f"{POOLS}/wire-pool/providers/github", None, {"attributeCondition": "assertion.ref == 'm'"}),
    Sent("DELETE", f"{POOLS}/wire-pool/providers/github", None, {"done": True}),
    Sent("DELETE", f"{POOLS}/wire-pool", None, {"done": True}),
    Sent("GET", f"{POOLS}/wire-pool", None, {"state": "DELETED"}),
]  # fmt: skip


def holds(found: Any, wanted: Any) -> bool:
    """Tell whether an answer holds what is wanted, object by object."""
    if isinstance(wanted, dict) and isinstance(found, dict):
        return all(key in found and holds(found[key], value) for key, value in wanted.items())
    if isinstance(wanted, list) and isinstance(found, list):
        return len(found) == len(wanted) and all(map(holds, found, wanted))
    return bool(found == wanted)


@pytest.fixture(scope="module")
def answers(local_cloud: LocalCloud) -> dict[int, requests.Response]:
    """Every request's answer, in their order."""
    with requests.Session() as session:
        session.headers["Authorization"] = "Bearer local"
        return {
            place: session.request(call.method, local_cloud.url + call.path, json=call.body, timeout=30)
            for place, call in enumerate(CALLS)
        }


@pytest.mark.parametrize(
    "place",
    range(len(CALLS)),
    ids=lambda place: f"{place} {CALLS[place].method} {CALLS[place].path.rpartition('/')[2]}",
)
def test_the_providers_request_is_answered(answers: dict[int, requests.Response], place: int) -> None:
    """Its status, and all that the provider reads back."""
    call, answer = CALLS[place], answers[place]
    assert answer.status_code == call.status, answer.text
    assert holds(answer.json(), call.answer or {}), answer.text
