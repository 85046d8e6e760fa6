"""A bucket's settings: whatever the discovery document lets a client write is echoed, or refused for its value."""

from typing import Any

import pytest

from infra.emulator.discovery import document
from infra.emulator.storage_bucket_rules import OUTPUT_ONLY
from tests.cloud import LocalCloud
from tests.storage import call

EVERYTHING = {
    "location": "US-CENTRAL1",
    "storageClass": "NEARLINE",
    "autoclass": {"enabled": True, "terminalStorageClass": "ARCHIVE"},
    "billing": {"requesterPays": True},
    "cors": [{"origin": ["*"], "method": ["GET"], "responseHeader": ["X"], "maxAgeSeconds": 60}],
    "defaultEventBasedHold": True,
    "encryption": {"googleManagedEncryptionEnforcementConfig": {"restrictionMode": "NotRestricted"}},
    "hierarchicalNamespace": {"enabled": False},
    "iamConfiguration": {"publicAccessPrevention": "enforced", "uniformBucketLevelAccess": {"enabled": True}},
    "ipFilter": {"mode": "Disabled", "publicNetworkSource": {"allowedIpCidrRanges": ["10.0.0.0/8"]}},
    "labels": {"a": "b"},
    "lifecycle": {"rule": [{"action": {"type": "Delete"}, "condition": {"age": 1}}]},
    "logging": {"logBucket": "l", "logObjectPrefix": "p"},
    "retentionPolicy": {"retentionPeriod": "60"},
    "softDeletePolicy": {"retentionDurationSeconds": "864000"},
    "versioning": {"enabled": True},
    "website": {"mainPageSuffix": "i", "notFoundPage": "n"},
}
TWO_REGIONS = {
    "location": "US",
    "customPlacementConfig": {"dataLocations": ["US-EAST1", "US-WEST1"]},
    "rpo": "ASYNC_TURBO",
}


def lost(sent: Any, answered: Any, path: str = "") -> list[str]:
    """Return where an answer lacks or changes what was sent."""
    if not isinstance(sent, dict):
        return [] if sent == answered else [f"{path}: {answered!r}"]
    return [one for name, value in sent.items() for one in lost(value, answered.get(name), f"{path}.{name}")]


@pytest.mark.parametrize(("name", "settings"), [("everything", EVERYTHING), ("two-regions", TWO_REGIONS)])
def test_every_setting_is_echoed(local_cloud: LocalCloud, name: str, settings: dict[str, Any]) -> None:
    """Whatever a client may set on a bucket comes back from insert, get, patch and update."""
    path, bucket = f"/storage/v1/b/{name}-bucket", {"name": f"{name}-bucket", **settings}
    assert lost(bucket, call(local_cloud, "POST", "/storage/v1/b?project=p", json=bucket).json()) == []
    assert lost(bucket, call(local_cloud, "GET", path).json()) == []
    assert lost(bucket, call(local_cloud, "PATCH", path, json={}).json()) == []
    assert lost(bucket, call(local_cloud, "PUT", path, json=bucket).json()) == []


def test_no_writable_field_of_the_document_is_left_out() -> None:
    """The settings above, with what is set by name, are all that the discovery document lets a client write."""
    fields = document("storage", "v1").schemas["Bucket"]["properties"]
    left = set(fields) - OUTPUT_ONLY - set(EVERYTHING) - set(TWO_REGIONS)
    assert left == {"name"}


@pytest.mark.parametrize(
    "settings",
    [
        {"softDeletePolicy": {"retentionDurationSeconds": "60"}},
        {"softDeletePolicy": {"retentionDurationSeconds": "77760000"}},
        {"retentionPolicy": {"retentionPeriod": "0"}},
        {"retentionPolicy": {"retentionPeriod": "3155760001"}},
        {"iamConfiguration": {"publicAccessPrevention": "maybe"}},
        {"rpo": "FAST"},
        {"autoclass": {"enabled": True, "terminalStorageClass": "STANDARD"}},
        {"storageClass": "LUKEWARM"},
        {"location": "us-west9"},
        {"customPlacementConfig": {"dataLocations": ["US-EAST1"]}},
        {"customPlacementConfig": {"dataLocations": ["US-EAST1", "US-EAST1"]}},
        {"name": "my-g00gle-bucket"},
    ],
)
def test_a_setting_without_sense_is_refused(local_cloud: LocalCloud, settings: dict[str, Any]) -> None:
    """A value that the service does not know is a 400, and no bucket is made."""
    body = {"name": "senseless-bucket", **settings}
    assert call(local_cloud, "POST", "/storage/v1/b?project=p", json=body).status_code == 400
    assert call(local_cloud, "GET", "/storage/v1/b/senseless-bucket").status_code == 404
