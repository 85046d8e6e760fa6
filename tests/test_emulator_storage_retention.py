"""Holds and retention: the bucket's policy and each object's own keep objects from being deleted or replaced."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from google.api_core.exceptions import BadRequest, Forbidden
from google.cloud import storage

from tests.cloud import LocalCloud, start_cloud
from tests.storage import advance, call, new_bucket, storage_client

UNIFORM = {"uniformBucketLevelAccess": {"enabled": True}}


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalCloud]:
    """A local cloud whose clock nobody else reads."""
    cloud = start_cloud(tmp_path_factory.mktemp("retention"))
    yield cloud
    cloud.stop()


@pytest.fixture(scope="module")
def client(cloud: LocalCloud) -> storage.Client:
    """Google's client."""
    return storage_client(cloud)


def put(bucket: storage.Bucket, name: str) -> storage.Blob:
    """Upload and return a blob."""
    blob = bucket.blob(name)
    blob.upload_from_string("content")
    return blob


def retain(blob: storage.Blob, mode: str | None, until: datetime | None, *, override: bool = False) -> None:
    """Write an object's retention."""
    blob.reload()
    blob.retention.mode = mode
    blob.retention.retain_until_time = until
    blob.patch(override_unlocked_retention=override)


def test_a_buckets_policy_retains_until_its_period_is_over(client: storage.Client, cloud: LocalCloud) -> None:
    """The resource tells the time, and until then the object is neither deleted nor replaced."""
    bucket = new_bucket(client, retention_period=3600)
    blob = put(bucket, "a")
    blob.reload()
    assert blob.retention_expiration_time == blob.time_created + timedelta(hours=1)
    for forbidden in (blob.delete, lambda: put(bucket, "a"), lambda: bucket.rename_blob(blob, "b")):
        with pytest.raises(Forbidden, match="retention policy"):
            forbidden()
    blob.metadata = {"may": "change"}
    blob.patch()
    advance(cloud, hours=1)
    blob.delete()


def test_with_versioning_a_retained_object_may_become_noncurrent(client: storage.Client) -> None:
    """Deleting by name keeps the generation; that generation itself is retained."""
    bucket = new_bucket(client, retention_period=3600, versioning_enabled=True)
    blob = put(bucket, "a")
    generation = blob.generation
    bucket.blob("a").delete()
    with pytest.raises(Forbidden):
        bucket.delete_blob("a", generation=generation)


def test_an_event_based_hold_starts_the_period_anew(client: storage.Client, cloud: LocalCloud) -> None:
    """While it holds there is no end; from its release on the bucket's period counts."""
    bucket = new_bucket(client, retention_period=3600, default_event_based_hold=True)
    blob = put(bucket, "a")
    blob.reload()
    assert blob.event_based_hold
    assert blob.retention_expiration_time is None
    advance(cloud, days=1)
    with pytest.raises(Forbidden, match="Event-Based hold"):
        blob.delete()
    blob.event_based_hold = False
    blob.patch()
    with pytest.raises(Forbidden, match="retention policy"):
        blob.delete()
    assert "eventBasedHoldReleased" not in bucket.get_blob("a")._properties
    advance(cloud, minutes=61)
    blob.delete()


def test_an_objects_own_retention_is_changed_only_by_the_rules(client: storage.Client, cloud: LocalCloud) -> None:
    """Longer always, shorter or none with the override, nothing of that once it is locked."""
    bucket = client.create_bucket("own-retention-bucket", enable_object_retention=True)
    assert bucket.object_retention_mode == "Enabled"
    blob = put(bucket, "a")
    soon = datetime.now(UTC) + timedelta(days=400)  # ahead of wherever other tests moved the clock
    retain(blob, "Unlocked", soon)
    with pytest.raises(Forbidden):
        blob.delete()
    retain(blob, "Unlocked", soon + timedelta(days=1))
    with pytest.raises(Forbidden, match="overrideUnlockedRetention"):
        retain(blob, "Unlocked", soon)
    retain(blob, "Unlocked", soon, override=True)
    retain(blob, None, None, override=True)
    retain(blob, "Locked", soon)
    for mode, until in (("Locked", soon - timedelta(days=1)), ("Unlocked", soon), (None, None)):
        with pytest.raises(Forbidden, match="locked"):
            retain(blob, mode, until, override=True)
    advance(cloud, days=500)
    blob.delete()


def test_a_retention_that_cannot_be_is_refused(client: storage.Client) -> None:
    """Not in a bucket without object retention, not in the past, not of another mode."""
    later = datetime.now(UTC) + timedelta(days=4000)
    with pytest.raises(BadRequest, match="enableObjectRetention"):
        retain(put(new_bucket(client), "a"), "Locked", later)
    blob = put(client.create_bucket("retention-rules-bucket", enable_object_retention=True), "a")
    for mode, until in (("Locked", datetime(2001, 1, 1, tzinfo=UTC)), ("Sealed", later), ("Locked", None)):
        with pytest.raises(BadRequest):
            retain(blob, mode, until)


def test_uniform_access_is_for_good_after_ninety_days(tmp_path: Path) -> None:
    """The bucket says until when it can be switched off, and is held to it."""
    cloud = start_cloud(tmp_path)
    made = call(cloud, "POST", "/storage/v1/b?project=p", json={"name": "uniform", "iamConfiguration": UNIFORM}).json()
    until = made["iamConfiguration"]["uniformBucketLevelAccess"]["lockedTime"]
    assert (datetime.fromisoformat(until) - datetime.fromisoformat(made["timeCreated"])).days == 90
    off = {"iamConfiguration": {"uniformBucketLevelAccess": {"enabled": False}}}
    switched = call(cloud, "PATCH", "/storage/v1/b/uniform", json=off).json()
    assert switched["iamConfiguration"]["uniformBucketLevelAccess"] == {"enabled": False}
    assert call(cloud, "PATCH", "/storage/v1/b/uniform", json={"iamConfiguration": UNIFORM}).status_code == 200
    call(cloud, "POST", "/_local/clock", json={"advanceSeconds": 91 * 86400})
    assert call(cloud, "PATCH", "/storage/v1/b/uniform", json=off).status_code == 400
    assert call(cloud, "PATCH", "/storage/v1/b/uniform", json={"labels": {"a": "b"}}).status_code == 200
    cloud.stop()


def test_custom_time_only_moves_on(local_cloud: LocalCloud) -> None:
    """Once set it can be neither removed nor made earlier, but by a new generation; an update keeps it."""
    bucket = new_bucket(storage_client(local_cloud))
    path = f"/storage/v1/b/{bucket.name}/o/timed"
    bucket.blob("timed").upload_from_string("x")
    for time, status in (("2030-01-02T00:00:00Z", 200), ("2030-01-01T00:00:00Z", 400), (None, 400)):
        assert call(local_cloud, "PATCH", path, json={"customTime": time}).status_code == status
    assert call(local_cloud, "PUT", path, json={}).json()["customTime"] == "2030-01-02T00:00:00Z"
    assert call(local_cloud, "PATCH", path, json={"customTime": "2030-01-03T00:00:00Z"}).status_code == 200
    bucket.blob("timed").upload_from_string("x")
    assert "customTime" not in call(local_cloud, "GET", path).json()
