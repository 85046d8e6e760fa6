"""Keys, networks, rules and pools in the embedded engine: what replaces, what is refused, what is looked up."""

from collections.abc import Iterator

import pytest

from infra.engine.gcp import GcpProvider
from infra.engine.providers import Properties, ProviderError, Standing
from tests.cloud import LocalCloud
from tests.real_stack import REMOVE, Changes, edited, settings

PROJECT = "edits-project"
RING = f"projects/{PROJECT}/locations/us-central1/keyRings/edits"
NETWORK = {"name": "edits", "autoCreateSubnetworks": False}
SUBNETWORK = {"name": "edits", "network": "edits", "ipCidrRange": "10.20.0.0/22", "region": "us-central1"}
RULE = {"name": "edits", "network": "edits", "allows": [{"protocol": "tcp"}], "sourceRanges": ["10.0.0.0/8"]}
POOL = {"workloadIdentityPoolId": "edits-pool"}
PROVIDER: Properties = {
    **POOL,
    "workloadIdentityPoolProviderId": "edits-provider",
    "attributeMapping": {"google.subject": "assertion.sub"},
    "oidc": {"issuerUri": "https://issuer.example"},
}
KIND = {
    "ring": "gcp:kms/keyRing:KeyRing",
    "key": "gcp:kms/cryptoKey:CryptoKey",
    "network": "gcp:compute/network:Network",
    "subnetwork": "gcp:compute/subnetwork:Subnetwork",
    "rule": "gcp:compute/firewall:Firewall",
    "router": "gcp:compute/router:Router",
    "pool": "gcp:iam/workloadIdentityPool:WorkloadIdentityPool",
    "provider": "gcp:iam/workloadIdentityPoolProvider:WorkloadIdentityPoolProvider",
}
MADE: dict[str, Properties] = {
    "ring": {"name": "edits", "location": "us-central1"},
    "key": {"name": "edits", "keyRing": RING, "rotationPeriod": "7776000s"},
    "network": NETWORK,
    "subnetwork": SUBNETWORK,
    "rule": RULE,
    "router": {"name": "edits", "network": "edits"},
    "pool": POOL,
    "provider": PROVIDER,
}
EDITS: list[tuple[str, Changes, tuple[str, ...]]] = [
    ("ring", {"location": "europe-west4"}, ("location",)),
    ("key", {"rotationPeriod": "8640000s"}, ()),
    ("key", {"purpose": "ASYMMETRIC_SIGN"}, ("purpose",)),
    ("key", {"keyRing": f"{RING}-2"}, ("keyRing",)),
    ("key", {"destroyScheduledDuration": "86400s"}, ("destroyScheduledDuration",)),
    ("network", {"autoCreateSubnetworks": True}, ("autoCreateSubnetworks",)),
    ("network", {"routingMode": "GLOBAL"}, ()),
    ("subnetwork", {"ipCidrRange": "10.20.0.0/20"}, ()),
    ("subnetwork", {"ipCidrRange": "10.20.0.0/24"}, ("ipCidrRange",)),
    ("subnetwork", {"privateIpGoogleAccess": True}, ()),
    ("subnetwork", {"region": "europe-west4"}, ("region",)),
    ("rule", {"allows": [{"protocol": "tcp", "ports": ["22"]}]}, ()),
    ("rule", {"direction": "EGRESS"}, ("direction",)),
    ("router", {"description": "d"}, ()),
    ("router", {"network": "other"}, ("network",)),
    ("pool", {"displayName": "d"}, ()),
    ("pool", {"workloadIdentityPoolId": "edits-other"}, ("workloadIdentityPoolId",)),
    ("provider", {"attributeCondition": "true"}, ()),
    ("provider", {"workloadIdentityPoolProviderId": "edits-more"}, ("workloadIdentityPoolProviderId",)),
]
REFUSALS: list[tuple[str, Changes, str]] = [
    ("key", {"rotationPeriod": "3600s"}, "rotation period must be greater than one day"),
    ("key", {"rotationPeriod": "90d"}, "rotation period must be in the format"),
    ("key", {"keyRing": REMOVE}, 'The argument "keyRing" is required'),
    ("subnetwork", {"ipCidrRange": "10.0.0.1/24"}, "is not a valid IP CIDR range"),
    ("network", {"name": "Upper"}, "doesn't match regexp"),
    ("rule", {"denies": [{"protocol": "udp"}]}, "only one of `allows,denies` can be specified"),
    ("rule", {"priority": 65536}, "expected priority to be in the range"),
    ("rule", {"sourceTags": ["a"], "targetServiceAccounts": ["b"]}, "conflicts with"),
    ("pool", {"workloadIdentityPoolId": "gcp-mine"}, 'can not start with "gcp-"'),
    ("provider", {"oidc": REMOVE}, "one of `aws,oidc,saml,x509` must be specified"),
]


@pytest.fixture(scope="module")
def provider(local_cloud: LocalCloud) -> Iterator[GcpProvider]:
    """A provider on the local cloud."""
    made = GcpProvider({**settings(local_cloud.url), "project": PROJECT})
    yield made
    made.close()


@pytest.fixture(scope="module")
def stands(provider: GcpProvider) -> dict[str, Standing]:
    """One resource of each kind."""
    found = {}
    for name, program in MADE.items():
        urn = f"urn:pulumi:local::edits::{KIND[name]}::it"
        inputs, failures = provider.check(urn, None, program)
        assert failures == []
        made = provider.create(urn, inputs, 0, preview=False)
        found[name] = Standing(urn, made.id, inputs, made.outputs)
    return found


@pytest.mark.parametrize(("name", "changes", "replacing"), EDITS)
def test_an_edit_updates_or_replaces_as_the_providers_schema_says(
    provider: GcpProvider, stands: dict[str, Standing], name: str, changes: Changes, replacing: tuple[str, ...]
) -> None:
    """A wider range is an update, a narrower one another subnetwork; ids and places replace."""
    old = stands[name]
    inputs, failures = provider.check(old.urn, old.inputs, edited(old.inputs, changes))
    assert failures == []
    diff = provider.diff(old, inputs, [])
    assert diff.changed
    assert diff.replace_keys == replacing


@pytest.mark.parametrize(("name", "changes", "reason"), REFUSALS)
def test_what_the_provider_refuses_is_refused_before_any_call(
    provider: GcpProvider, name: str, changes: Changes, reason: str
) -> None:
    """In the provider's own words."""
    urn = f"urn:pulumi:local::edits::{KIND[name]}::it"
    failures = provider.check(urn, None, edited(MADE[name], changes))[1]
    assert any(reason in failure.reason for failure in failures), failures


def test_the_storage_agent_is_looked_up(provider: GcpProvider) -> None:
    """The provider's function answers what a program needs for a grant; others name the engine that has them."""
    found = provider.invoke("gcp:storage/getProjectServiceAccount:getProjectServiceAccount", {})
    assert found["member"] == f"serviceAccount:{found['emailAddress']}"
    assert found["project"] == PROJECT
    with pytest.raises(ProviderError, match="--engine pulumi"):
        provider.invoke("gcp:compute/getZones:getZones", {})
