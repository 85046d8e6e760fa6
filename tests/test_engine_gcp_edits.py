"""Edits that Terraform's schemas and the bridge's rules decide, beyond those that were recorded."""

from collections.abc import Iterator

import pytest

from infra.engine.gcp import GcpProvider
from infra.engine.providers import UNKNOWN, Diff, Properties, Standing
from tests.real_stack import CONFIG, REMOVE, STACK, Changes, edited

Expected = dict[str, str]
PRESENT_RULE = {"action": {"type": "Delete"}, "condition": {"age": 30, "matchesPrefixes": ["predictions/"]}}
RULE = {"action": {"type": "AbortIncompleteMultipartUpload"}, "condition": {"age": 1}}
# A set's element that differs is a new one: what only the old one carried as zero is gone, what is computed is unknown.
NEW_CONDITION = {
    f"lifecycleRules[0].condition.{name}": "update" if name == "withState" else "delete"
    for name in (
        "daysSinceCustomTime", "daysSinceNoncurrentTime", "numNewerVersions", "sendAgeIfZero",
        "sendDaysSinceCustomTimeIfZero", "sendDaysSinceNoncurrentTimeIfZero", "sendNumNewerVersionsIfZero",
        "sizeAboveBytes", "sizeBelowBytes", "withState",
    )
}  # fmt: skip

# Resource, changed inputs, and the changed paths with their kinds.
EDITS: list[tuple[str, Changes, Expected]] = [
    ("aiplatform", {"disableOnDestroy": True}, {"disableOnDestroy": "update"}),
    ("aiplatform", {"disableDependentServices": True}, {"disableDependentServices": "add"}),
    ("aiplatform", {"disableOnDestroy": REMOVE}, {}),
    ("aiplatform", {"service": "compute.googleapis.com"}, {"service": "update-replace"}),
    ("aiplatform", {"project": "demo-project"}, {}),
    ("aiplatform", {"project": "other-project"}, {"project": "update-replace"}),
    ("aiplatform", {"deletionPolicy": "ABANDON"}, {"deletionPolicy": "update"}),
    ("notebooks", {"disableOnDestroy": REMOVE}, {"disableOnDestroy": "delete"}),
    ("bucket", {"location": "US-CENTRAL1"}, {}),
    ("bucket", {"project": "demo-project"}, {}),
    ("bucket", {"project": "other-project"}, {"project": "update-replace"}),
    ("bucket", {"uniformBucketLevelAccess": False}, {"uniformBucketLevelAccess": "update"}),
    ("bucket", {"uniformBucketLevelAccess": REMOVE}, {}),
    ("bucket", {"publicAccessPrevention": REMOVE}, {}),
    ("bucket", {"forceDestroy": REMOVE}, {"forceDestroy": "update"}),
    ("bucket", {"requesterPays": True}, {"requesterPays": "update"}),
    ("bucket", {"website": {"mainPageSuffix": "index.html"}}, {"website": "add"}),
    ("bucket", {"cors": [{"origins": ["*"], "methods": ["GET"]}]}, {"cors": "add"}),
    ("bucket", {"logging": {"logBucket": "logs"}}, {"logging": "add"}),
    ("bucket", {"encryption": {"defaultKmsKeyName": "k"}}, {"encryption": "add"}),
    ("bucket", {"autoclass": {"enabled": False}}, {}),
    ("bucket", {"autoclass": {"enabled": True}}, {"autoclass": "add"}),
    ("bucket", {"hierarchicalNamespace": {"enabled": False}}, {}),
    ("bucket", {"hierarchicalNamespace": {"enabled": True}}, {"hierarchicalNamespace.enabled": "update-replace"}),
    ("bucket", {"enableObjectRetention": True}, {"enableObjectRetention": "update-replace"}),
    ("bucket", {"customPlacementConfig": {"dataLocations": ["a", "b"]}}, {"customPlacementConfig": "add-replace"}),
    ("bucket", {"deletionPolicy": "PREVENT"}, {"deletionPolicy": "update"}),
    ("bucket", {"deletionPolicy": "DELETE"}, {}),
    ("bucket", {"rpo": "DEFAULT"}, {"rpo": "add"}),
    ("bucket", {"defaultEventBasedHold": True}, {"defaultEventBasedHold": "update"}),
    (
        "bucket",
        {"labels": {"env": "dev", "cost-center": "1"}},
        {f'{name}["cost-center"]': "add" for name in ("labels", "effectiveLabels", "pulumiLabels")},
    ),
    (
        "bucket",
        {"lifecycleRules": [PRESENT_RULE, RULE]},
        {"lifecycleRules[1]": "add"},
    ),
    (
        "bucket",
        {"lifecycleRules.0.action": {"type": "SetStorageClass", "storageClass": "NEARLINE"}},
        {"lifecycleRules[0].action.type": "update", "lifecycleRules[0].action.storageClass": "update"},
    ),
    (
        "bucket",
        {"lifecycleRules.0.condition.matchesPrefixes": ["p/", "q/"]},
        NEW_CONDITION
        | {
            "lifecycleRules[0].condition.matchesPrefixes[0]": "update",
            "lifecycleRules[0].condition.matchesPrefixes[1]": "add",
        },
    ),
    ("bucket", {"lifecycleRules.0.condition.withState": "ANY"}, {}),
    ("bucket", {"lifecycleRules.0.condition.createdBefore": ""}, {}),
    ("rw", {"bucket": "b/trace-models"}, {}),
    ("rw", {"bucket": "other"}, {"bucket": "update-replace"}),
    ("rw", {"member": "serviceAccount:TRACE-runner@demo-project.iam.gserviceaccount.com"}, {}),
    ("rw", {"condition": {"title": "t", "expression": "true"}}, {"condition": "add-replace"}),
    ("user", {"project": "projects/demo-project"}, {}),
    ("user", {"role": "roles/viewer"}, {"role": "update-replace"}),
    ("actas", {"role": "roles/viewer"}, {"role": "update-replace"}),
    ("obj", {"contentType": "text/html"}, {"contentType": "update-replace"}),
    ("obj", {"contentType": REMOVE}, {}),
    ("obj", {"cacheControl": "no-store"}, {"cacheControl": "update-replace"}),
    ("obj", {"name": "other"}, {"name": "update-replace"}),
    ("obj", {"bucket": "other"}, {"bucket": "update-replace"}),
    ("obj", {"storageClass": "NEARLINE"}, {"storageClass": "update-replace"}),
    ("obj", {"temporaryHold": True}, {"temporaryHold": "update"}),
    ("obj", {"retention": {"mode": "Unlocked", "retainUntilTime": "2030-01-01T00:00:00Z"}}, {"retention": "add"}),
    ("runner", {"displayName": "other"}, {"displayName": "update"}),
    ("runner", {"displayName": REMOVE}, {"displayName": "delete"}),
    ("runner", {"description": "d"}, {"description": "update"}),
    ("runner", {"description": ""}, {}),
    ("runner", {"disabled": False}, {}),
    ("runner", {"project": "other-project"}, {"project": "update-replace"}),
    ("ep", {"labels": {"v": "2"}}, {f"{name}.v": "update" for name in ("labels", "effectiveLabels", "pulumiLabels")}),
    ("ep", {"network": "projects/1/global/networks/n"}, {"network": "update-replace"}),
    ("ep", {"region": "europe-west1"}, {"region": "update-replace"}),
    ("ep", {"region": REMOVE}, {"region": "delete-replace"}),
    ("ep", {"location": "europe-west1"}, {"location": "update-replace"}),
    ("ep", {"encryptionSpec": {"kmsKeyName": "k"}}, {"encryptionSpec": "add-replace"}),
    ("ep", {"dedicatedEndpointEnabled": True}, {"dedicatedEndpointEnabled": "update"}),
    ("ep", {"trafficSplit": '{"1": 100}'}, {"trafficSplit": "update"}),
    (
        "ep",
        {"predictRequestResponseLoggingConfig": {"enabled": True}},
        {"predictRequestResponseLoggingConfig": "add"},
    ),
    (
        "ep",
        {"privateServiceConnectConfig": {"enablePrivateServiceConnect": True}},
        {"privateServiceConnectConfig": "add-replace"},
    ),
    ("repo", {"format": "docker"}, {}),
    ("repo", {"format": "PYTHON"}, {"format": "update-replace"}),
    ("repo", {"location": REMOVE}, {}),
    ("repo", {"location": "europe-west1"}, {"location": "update-replace"}),
    ("repo", {"description": REMOVE}, {"description": "delete"}),
    ("repo", {"dockerConfig": {"immutableTags": True}}, {"dockerConfig": "add"}),
    ("repo", {"cleanupPolicyDryRun": True}, {"cleanupPolicyDryRun": "update"}),
    ("repo", {"cleanupPolicies": [{"id": "old", "action": "DELETE"}]}, {"cleanupPolicies": "add"}),
    ("repo", {"kmsKeyName": "k"}, {"kmsKeyName": "update-replace"}),
    ("repo", {"mavenConfig": {"allowSnapshotOverwrites": False}}, {}),
    ("repo", {"remoteRepositoryConfig": REMOVE}, {"remoteRepositoryConfig": "delete-replace"}),
    ("repo", {"remoteRepositoryConfig.description": "d"}, {"remoteRepositoryConfig.description": "update-replace"}),
    ("repo", {"mode": REMOVE}, {"mode": "update-replace"}),
    ("repo", {"vulnerabilityScanningConfig": {"enablementConfig": "DISABLED"}}, {"vulnerabilityScanningConfig": "add"}),
    (
        "repo",
        {"labels": {"a": "b"}},
        {"labels": "add", "effectiveLabels.a": "add", "pulumiLabels.a": "add"},
    ),
    ("nb", {"gceSetup": REMOVE}, {}),
    ("nb", {"gceSetup.machineType": REMOVE}, {}),
    ("nb", {"gceSetup.machineType": "zones/z/machineTypes/e2-standard-4"}, {}),
    ("nb", {"gceSetup.machineType": "e2-standard-8"}, {"gceSetup.machineType": "update"}),
    ("nb", {"gceSetup.disablePublicIp": REMOVE}, {}),
    ("nb", {"gceSetup.serviceAccounts": REMOVE}, {}),
    ("nb", {"gceSetup.enableIpForwarding": True}, {"gceSetup.enableIpForwarding": "update-replace"}),
    ("nb", {"gceSetup.minCpuPlatform": "Intel Haswell"}, {"gceSetup.minCpuPlatform": "update"}),
    ("nb", {"gceSetup.bootDisk": {"diskType": "PD_SSD"}}, {"gceSetup.bootDisk.diskType": "update-replace"}),
    ("nb", {"gceSetup.dataDisks": {"diskSizeGb": "200"}}, {"gceSetup.dataDisks.diskSizeGb": "update"}),
    ("nb", {"gceSetup.containerImage": {"repository": "r"}}, {"gceSetup.containerImage": "add"}),
    ("nb", {"gceSetup.shieldedInstanceConfig": {"enableVtpm": True}}, {"gceSetup.shieldedInstanceConfig": "add"}),
    (
        "nb",
        {"gceSetup.confidentialInstanceConfig": {"confidentialInstanceType": "SEV"}},
        {"gceSetup.confidentialInstanceConfig": "add-replace"},
    ),
    (
        "nb",
        {"gceSetup.networkInterfaces": [{"network": "https://c/compute/v1/projects/demo-project/global/networks/default"}]},
        {},
    ),
    (
        "nb",
        {"gceSetup.networkInterfaces": [{"network": "projects/demo-project/global/networks/other"}]},
        {"gceSetup.networkInterfaces[0].network": "update-replace"},
    ),
    # Workbench's own tags are compared as if the program never names them: the real provider replaces here too.
    (
        "nb",
        {"gceSetup.tags": ["deeplearning-vm", "housing", "other"]},
        {"gceSetup.tags[2]": "update-replace"},
    ),
    (
        "nb",
        {"gceSetup.tags": ["housing", "more"]},
        {
            "gceSetup.tags[0]": "update-replace",
            "gceSetup.tags[1]": "update-replace",
            "gceSetup.tags[2]": "delete-replace",
        },
    ),
    ("nb", {"gceSetup.metadata": {"idle-timeout-seconds": "3600", "k": "v"}}, {"gceSetup.metadata.k": "add"}),
    ("nb", {"gceSetup.metadata": {"idle-timeout-seconds": "3600", "version": "9"}}, {}),
    (
        "nb",
        {"gceSetup.metadata": {"idle-timeout-seconds": "3600", "serial-port-logging-enable": "true"}},
        {'gceSetup.metadata["serial-port-logging-enable"]': "add-replace"},
    ),
    ("nb", {"desiredState": "ACTIVE"}, {}),
    ("nb", {"instanceOwners": ["owner@example.com"]}, {"instanceOwners": "add-replace"}),
    ("nb", {"instanceId": "x"}, {"instanceId": "add-replace"}),
    ("nb", {"disableProxyAccess": True}, {"disableProxyAccess": "update-replace"}),
    ("nb", {"enableManagedEuc": True}, {"enableManagedEuc": "update"}),
    ("nb", {"enableDeletionProtection": True}, {"enableDeletionProtection": "update"}),
    ("nb", {"location": "us-central1-b"}, {"location": "update-replace"}),
    ("nb", {"name": "other"}, {"name": "update-replace"}),
    # Unknown values: a replaced dependency's property is unknown as a whole.
    ("nb", {"gceSetup": UNKNOWN}, {"gceSetup": "update"}),
    ("nb", {"gceSetup.serviceAccounts.0.email": UNKNOWN}, {"gceSetup.serviceAccounts[0].email": "update-replace"}),
    ("rw", {"member": UNKNOWN}, {"member": "update-replace"}),
    ("rw", {"bucket": UNKNOWN}, {"bucket": "update-replace"}),
    ("obj", {"bucket": UNKNOWN}, {"bucket": "update-replace"}),
    ("obj", {"content": UNKNOWN}, {"content": "update", "detectMd5hash": "update"}),
    (
        "bucket",
        {"labels.env": UNKNOWN},
        {"labels.env": "update", "effectiveLabels": "update", "pulumiLabels": "update"},
    ),
]  # fmt: skip


@pytest.fixture
def provider() -> Iterator[GcpProvider]:
    """A provider as the real stack configured it."""
    made = GcpProvider(CONFIG)
    yield made
    made.close()


def planned(provider: GcpProvider, old: Standing, new: Properties, ignore: list[str] | None = None) -> Diff:
    """Check and diff a resource of the real stack."""
    inputs, failures = provider.check(old.urn, old.inputs, new)
    assert failures == []
    return provider.diff(old, inputs, ignore or [])


@pytest.mark.parametrize(("name", "changes", "expected"), EDITS)
def test_edit_changes_just_these_paths(provider: GcpProvider, name: str, changes: Changes, expected: Expected) -> None:
    """Each edit changes the paths, and replaces for the properties, that the schema says."""
    diff = planned(provider, STACK[name], edited(STACK[name].inputs, changes))
    assert {path: change.kind for path, change in diff.properties.items()} == expected
    assert diff.changed == bool(expected)


def test_explicit_name_is_replaced_delete_first(provider: GcpProvider) -> None:
    """Two buckets cannot have one name: where the program chose it, the old one goes first."""
    new = edited(STACK["bucket"].inputs, {"location": "EU"})
    assert planned(provider, STACK["bucket"], new).delete_before_replace


def test_automatic_name_is_replaced_create_first(provider: GcpProvider) -> None:
    """A name that check made is made anew, so both can stand for a while."""
    old = STACK["bucket"]
    named = {**old.inputs, "__defaults": ["name", "storageClass"]}
    automatic = Standing(old.urn, old.id, named, old.outputs)
    new = edited(named, {"location": "EU"})
    assert "name" not in new
    diff = planned(provider, automatic, new)
    assert diff.replace_keys == ("location",)
    assert not diff.delete_before_replace


@pytest.mark.parametrize("name", ["actas", "repo"])
def test_types_without_automatic_names_are_replaced_create_first(provider: GcpProvider, name: str) -> None:
    """The bridge deletes first only where a name could have been made."""
    change = {"role": "roles/viewer"} if name == "actas" else {"format": "PYTHON"}
    assert not planned(provider, STACK[name], edited(STACK[name].inputs, change)).delete_before_replace


def test_ignored_changes_are_none(provider: GcpProvider) -> None:
    """A change below an ignored path is no change, one beside it is."""
    new = edited(STACK["nb"].inputs, {"gceSetup.machineType": "e2-standard-8", "labels": {"v": "2"}})
    diff = planned(provider, STACK["nb"], new, ["gceSetup"])
    assert sorted(diff.properties) == ["effectiveLabels.v", "labels.v", "pulumiLabels.v"]


def test_locked_retention_cannot_be_unlocked_in_place(provider: GcpProvider) -> None:
    """A retention policy that is locked goes only with its bucket."""
    old = STACK["bucket"]
    policy = {"retentionPeriod": "3600", "isLocked": True}
    locked = Standing(old.urn, old.id, old.inputs, {**old.outputs, "retentionPolicy": policy})
    new = edited(old.inputs, {"retentionPolicy": {"retentionPeriod": 3600}})
    diff = planned(provider, locked, new)
    assert {path: change.kind for path, change in diff.properties.items()} == {
        "retentionPolicy.isLocked": "update-replace"
    }
