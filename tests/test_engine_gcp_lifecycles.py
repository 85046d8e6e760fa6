"""Every gcp type lives through create, updates, refresh, loss and delete on the real emulator, without drift."""

from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

from infra.engine.gcp import GcpProvider
from infra.engine.providers import Properties, Standing
from tests.cloud import LocalCloud
from tests.real_stack import REMOVE, Changes, edited, settings

OWNER = "demo-project"
RING = f"projects/{OWNER}/locations/us-central1/keyRings/life-ring"
KEPT = ("key ring", "key", "service identity")  # what Google keeps for ever: deleting it is to look after it no more
AGAIN = {  # ids of pools are not free after a deletion
    "pool": {"workloadIdentityPoolId": "life-pool-again"},
    "pool provider": {"workloadIdentityPoolProviderId": "life-provider-again"},
}
UNNAMED = ("object", "service identity")  # what cannot be imported


@dataclass(frozen=True)
class Life:
    """A resource: its type, the program's inputs, and the edits that it goes through in place."""

    type: str
    inputs: Properties
    edits: list[Changes] = field(default_factory=list)


LIVES = {
    "service": Life(
        "gcp:projects/service:Service",
        {"service": "bigquery.googleapis.com", "disableOnDestroy": True},
        [{"disableDependentServices": True}],
    ),
    "bucket": Life(
        "gcp:storage/bucket:Bucket",
        {
            "name": "life-bucket",
            "location": "us-central1",
            "forceDestroy": True,
            "labels": {"env": "dev"},
            "cors": [{"origins": ["*"], "methods": ["GET"], "responseHeaders": ["ETag"], "maxAgeSeconds": 60}],
            "lifecycleRules": [
                {"action": {"type": "Delete"}, "condition": {"age": 30, "matchesPrefixes": ["predictions/"]}},
                {
                    "action": {"type": "SetStorageClass", "storageClass": "NEARLINE"},
                    "condition": {"withState": "ARCHIVED", "numNewerVersions": 3},
                },
            ],
        },
        [
            {"labels": {"env": "prod", "cost-center": "1"}},
            {"labels": REMOVE, "cors": REMOVE},
            {"lifecycleRules.0.condition.age": 0, "lifecycleRules.0.condition.sendAgeIfZero": True},
            {"lifecycleRules": REMOVE, "storageClass": "NEARLINE"},
            {"versioning": {"enabled": True}, "softDeletePolicy": {"retentionDurationSeconds": 0}},
            {"retentionPolicy": {"retentionPeriod": 60}, "requesterPays": True, "defaultEventBasedHold": True},
            {"retentionPolicy": REMOVE, "requesterPays": REMOVE, "defaultEventBasedHold": False},
            {"uniformBucketLevelAccess": True, "publicAccessPrevention": "enforced"},
            {"website": {"mainPageSuffix": "index.html"}, "logging": {"logBucket": "life-bucket"}},
            {"logging": REMOVE, "autoclass": {"enabled": True}},
        ],
    ),
    "object": Life(
        "gcp:storage/bucketObject:BucketObject",
        {"bucket": "life-objects", "name": "a folder/ünï%2F.txt", "content": "one", "metadata": {"k": "v"}},
        [{"content": "two"}, {"temporaryHold": True}, {"temporaryHold": False}],
    ),
    "account": Life(
        "gcp:serviceaccount/account:Account",
        {"accountId": "life-account", "displayName": "One"},
        [{"displayName": "Two", "description": "d"}, {"description": REMOVE}, {"disabled": True}, {"disabled": False}],
    ),
    "endpoint": Life(
        "gcp:vertex/aiEndpoint:AiEndpoint",
        {"name": "424242", "displayName": "One", "location": "us-central1", "labels": {"v": "1"}},
        [{"displayName": "Two", "description": "d"}, {"description": REMOVE, "labels": {"w": "2"}}, {"labels": REMOVE}],
    ),
    "repository": Life(
        "gcp:artifactregistry/repository:Repository",
        {"repositoryId": "life", "location": "us-central1", "format": "DOCKER", "description": "one"},
        [
            {"description": "two", "labels": {"a": "b"}},
            {"cleanupPolicies": [{"id": "old", "action": "DELETE", "condition": {"olderThan": "30d"}}]},
            {"cleanupPolicies": REMOVE, "dockerConfig": {"immutableTags": True}},
            {"cleanupPolicyDryRun": True, "description": REMOVE},
        ],
    ),
    "notebook": Life(
        "gcp:workbench/instance:Instance",
        {
            "name": "life",
            "location": "us-central1-a",
            "labels": {"v": "1"},
            "gceSetup": {"machineType": "e2-standard-4", "disablePublicIp": True, "metadata": {"a": "1", "b": "2"}},
        },
        [
            {"gceSetup.machineType": "e2-standard-8"},
            {"gceSetup.metadata": {"a": "3"}, "labels": {"w": "1"}},
            {"gceSetup.bootDisk": {"diskSizeGb": "200"}, "gceSetup.dataDisks": {"diskSizeGb": "300"}},
            {"gceSetup.acceleratorConfigs": [{"type": "NVIDIA_TESLA_T4", "coreCount": "1"}]},
            {"gceSetup.acceleratorConfigs": REMOVE, "enableThirdPartyIdentity": True},
            {"desiredState": "STOPPED"},
            {"labels": {"w": "2"}},
            {"desiredState": "ACTIVE"},
        ],
    ),
    "key ring": Life("gcp:kms/keyRing:KeyRing", {"location": "us-central1"}),
    "key": Life(
        "gcp:kms/cryptoKey:CryptoKey",
        {"keyRing": RING, "rotationPeriod": "7776000s", "labels": {"app": "a"}},
        [
            {"labels": {"app": "b", "team": "ml"}, "rotationPeriod": "86401s"},
            {"rotationPeriod": REMOVE},
            {"rotationPeriod": "100000s", "labels": REMOVE},
        ],
    ),
    "key member": Life(
        "gcp:kms/cryptoKeyIAMMember:CryptoKeyIAMMember",
        {
            "cryptoKeyId": f"{RING}/cryptoKeys/holder",
            "role": "roles/cloudkms.cryptoKeyEncrypterDecrypter",
            "member": "serviceAccount:service-1@gs-project-accounts.iam.gserviceaccount.com",
        },
    ),
    "network": Life(
        "gcp:compute/network:Network",
        {"autoCreateSubnetworks": False, "description": "d"},
        [{"routingMode": "GLOBAL"}, {"mtu": 1500}],
    ),
    "subnetwork": Life(
        "gcp:compute/subnetwork:Subnetwork",
        {"network": "life-net", "ipCidrRange": "10.9.0.0/24", "region": "us-central1"},
        [
            {"privateIpGoogleAccess": True},
            {"ipCidrRange": "10.9.0.0/20", "logConfig": {"flowSampling": 0.5}},
            {"logConfig": {"flowSampling": 1.0, "metadata": "EXCLUDE_ALL_METADATA"}},
            {"logConfig": REMOVE, "privateIpGoogleAccess": False},
        ],
    ),
    "firewall": Life(
        "gcp:compute/firewall:Firewall",
        {
            "network": "life-net",
            "allows": [{"protocol": "tcp", "ports": ["22"]}, {"protocol": "icmp"}],
            "sourceRanges": ["35.235.240.0/20"],
            "targetTags": ["notebook"],
        },
        [
            {"logConfig": {"metadata": "INCLUDE_ALL_METADATA"}, "priority": 900},
            {"allows": [{"protocol": "tcp", "ports": ["22", "443"]}], "description": "d"},
            {"logConfig": REMOVE, "disabled": True, "targetTags": ["a", "b"]},
        ],
    ),
    "router": Life(
        "gcp:compute/router:Router",
        {"network": "life-net", "region": "us-central1"},
        [{"description": "d"}, {"bgp": {"asn": 64514}}],
    ),
    "nat": Life(
        "gcp:compute/routerNat:RouterNat",
        {
            "router": "life-router",
            "region": "us-central1",
            "natIpAllocateOption": "AUTO_ONLY",
            "sourceSubnetworkIpRangesToNat": "ALL_SUBNETWORKS_ALL_IP_RANGES",
        },
        [
            {"logConfig": {"enable": True, "filter": "ERRORS_ONLY"}, "minPortsPerVm": 128},
            {"udpIdleTimeoutSec": 60},
        ],
    ),
    "pool": Life(
        "gcp:iam/workloadIdentityPool:WorkloadIdentityPool",
        {"workloadIdentityPoolId": "life-pool", "displayName": "One"},
        [{"displayName": "Two", "description": "d"}, {"description": REMOVE, "disabled": True}, {"disabled": False}],
    ),
    "pool provider": Life(
        "gcp:iam/workloadIdentityPoolProvider:WorkloadIdentityPoolProvider",
        {
            "workloadIdentityPoolId": "life-holder-pool",
            "workloadIdentityPoolProviderId": "life-provider",
            "attributeCondition": "assertion.repository == 'me/it'",
            "attributeMapping": {"google.subject": "assertion.sub", "attribute.repository": "assertion.repository"},
            "oidc": {"issuerUri": "https://token.actions.githubusercontent.com"},
        },
        [
            {"attributeCondition": "attribute.repository == 'me/it'", "displayName": "d"},
            {"oidc.allowedAudiences": ["https://example.com"], "disabled": True},
            {"attributeMapping": {"google.subject": "assertion.sub"}, "attributeCondition": "assertion.ref == 'm'"},
        ],
    ),
    "service identity": Life("gcp:projects/serviceIdentity:ServiceIdentity", {"service": "aiplatform.googleapis.com"}),
    "project member": Life(
        "gcp:projects/iAMMember:IAMMember",
        {"project": OWNER, "role": "roles/viewer", "member": "user:Life@example.com"},
    ),
    "bucket member": Life(
        "gcp:storage/bucketIAMMember:BucketIAMMember",
        {
            "bucket": "life-objects",
            "role": "roles/storage.objectViewer",
            "member": "user:life@example.com",
            "condition": {"title": "until", "expression": "request.time < timestamp('2030-01-01T00:00:00Z')"},
        },
    ),
    "repository member": Life(
        "gcp:artifactregistry/repositoryIamMember:RepositoryIamMember",
        {
            "project": OWNER,
            "location": "us-central1",
            "repository": "life-images",
            "role": "roles/artifactregistry.writer",
            "member": "user:life@example.com",
        },
    ),
    "account member": Life(
        "gcp:serviceaccount/iAMMember:IAMMember",
        {
            "serviceAccountId": f"projects/{OWNER}/serviceAccounts/life-holder@{OWNER}.iam.gserviceaccount.com",
            "role": "roles/iam.serviceAccountUser",
            "member": "user:life@example.com",
        },
    ),
}


@pytest.fixture(scope="module")
def provider(local_cloud: LocalCloud) -> Iterator[GcpProvider]:
    """A provider on the local cloud."""
    made = GcpProvider(settings(local_cloud.url))
    yield made
    made.close()


@pytest.fixture(scope="module")
def holders(provider: GcpProvider) -> None:
    """What the objects and members need to be there."""
    create(provider, "gcp:storage/bucket:Bucket", {"name": "life-objects", "location": "EU", "forceDestroy": True})
    create(provider, "gcp:serviceaccount/account:Account", {"accountId": "life-holder"})
    create(provider, "gcp:kms/keyRing:KeyRing", {"name": "life-ring", "location": "us-central1"})
    create(provider, "gcp:kms/cryptoKey:CryptoKey", {"name": "holder", "keyRing": RING})
    create(provider, "gcp:compute/network:Network", {"name": "life-net", "autoCreateSubnetworks": False})
    create(provider, "gcp:compute/router:Router", {"name": "life-router", "network": "life-net"})
    pool = {"workloadIdentityPoolId": "life-holder-pool"}
    create(provider, "gcp:iam/workloadIdentityPool:WorkloadIdentityPool", pool)
    repository = {"repositoryId": "life-images", "location": "us-central1", "format": "DOCKER"}
    create(provider, "gcp:artifactregistry/repository:Repository", repository)


def create(provider: GcpProvider, kind: str, program: Properties) -> Standing:
    """Check and create a resource as the engine does."""
    urn = f"urn:pulumi:local::trace::{kind}::life"
    inputs, failures = provider.check(urn, None, program)
    assert failures == []
    made = provider.create(urn, inputs, 0, preview=False)
    return Standing(urn, made.id, inputs, made.outputs)


def change(provider: GcpProvider, old: Standing, changes: Changes) -> Standing:
    """Check, diff and update a resource as the engine does; the preview must say what the update brings."""
    inputs, failures = provider.check(old.urn, old.inputs, edited(old.inputs, changes))
    assert failures == []
    diff = provider.diff(old, inputs, [])
    assert diff.changed
    assert diff.replace_keys == ()
    return Standing(old.urn, old.id, inputs, provider.update(old, inputs, 0, preview=False, ignore_changes=[]))


def assert_stands(provider: GcpProvider, stands: Standing) -> None:
    """The program plans nothing, and the cloud has what the state says."""
    diff = provider.diff(stands, stands.inputs, [])
    assert not diff.changed, dict(diff.properties)
    found = provider.read(stands)
    assert found is not None
    assert {**found.outputs, "etag": None} == {**stands.outputs, "etag": None}


@pytest.mark.usefixtures("holders")
@pytest.mark.parametrize("name", LIVES)
def test_lives_without_drift(provider: GcpProvider, name: str) -> None:
    """After create and after each update the same program plans nothing, and a refresh finds the state as it is."""
    life = LIVES[name]
    stands = create(provider, life.type, life.inputs)
    assert_stands(provider, stands)
    for changes in life.edits:
        stands = change(provider, stands, changes)
        assert_stands(provider, stands)
    provider.delete(stands, 0)
    assert (provider.read(stands) is None) == (name not in KEPT)
    provider.delete(stands, 0)


@pytest.mark.usefixtures("holders")
@pytest.mark.parametrize("name", [name for name in LIVES if name not in UNNAMED])
def test_is_imported_by_its_id(provider: GcpProvider, name: str) -> None:
    """The id alone is enough to read a resource, and the inputs that come back plan nothing."""
    life = LIVES[name]
    stands = create(provider, life.type, life.inputs | AGAIN.get(name, {}))
    found = provider.read(Standing(stands.urn, stands.id, {}, {}))
    assert found is not None
    imported = Standing(stands.urn, found.id, found.inputs, found.outputs)
    inputs, failures = provider.check(
        stands.urn, None, {key: item for key, item in found.inputs.items() if key[0] != "_"}
    )
    assert failures == []
    diff = provider.diff(imported, inputs, [])
    assert diff.replace_keys == (), dict(diff.properties)
    provider.delete(stands, 0)


def test_drift_is_found(provider: GcpProvider) -> None:
    """A refresh brings a change from outside into the state, and the program plans it back."""
    stands = create(provider, "gcp:storage/bucket:Bucket", {"name": "life-drift", "location": "EU"})
    url = f"{provider.config['storageCustomEndpoint']}b/life-drift"
    provider.cloud.call("PATCH", url, {"storageClass": "NEARLINE", "versioning": {"enabled": True}})
    found = provider.read(stands)
    assert found is not None
    assert found.outputs["storageClass"] == "NEARLINE"
    assert found.outputs["versioning"] == {"enabled": True}
    diff = provider.diff(Standing(stands.urn, found.id, found.inputs, found.outputs), stands.inputs, [])
    assert sorted(diff.properties) == ["storageClass"]
    provider.delete(stands, 0)
