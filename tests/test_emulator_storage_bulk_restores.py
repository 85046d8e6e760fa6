"""`bulkRestore` by googleapiclient: what comes back, what does not, and the operations that tell of it."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from google.cloud import storage
from googleapiclient.discovery import build
from googleapiclient.errors import HttpError

from tests.cloud import LocalCloud, start_cloud
from tests.storage import advance, call, new_bucket, storage_client


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalCloud]:
    """A local cloud whose clock nobody else reads."""
    cloud = start_cloud(tmp_path_factory.mktemp("bulk_restores"), "--operation-seconds", "3600")
    yield cloud
    cloud.stop()


@pytest.fixture(scope="module")
def api(cloud: LocalCloud) -> Iterator[Any]:
    """Google's generic client."""
    with build(
        "storage", "v1", client_options={"api_endpoint": f"{cloud.url}/storage/v1/"}, developerKey="any"
    ) as made:
        yield made


@pytest.fixture
def bucket(cloud: LocalCloud) -> storage.Bucket:
    """A bucket in which `a/1` (twice), `a/2` and `b/1` were deleted, the last a day after the others."""
    bucket = new_bucket(storage_client(cloud))
    for name, content in (("a/1", "old"), ("a/1", "new"), ("a/2", "x"), ("b/1", "x")):
        bucket.blob(name).upload_from_string(content)
    for name in ("a/1", "a/2"):
        bucket.blob(name).delete()
    advance(cloud, days=1)
    bucket.blob("b/1").delete()
    return bucket


def names(bucket: storage.Bucket) -> list[str]:
    """Return the names of the live objects."""
    return [blob.name for blob in bucket.list_blobs()]


def test_the_youngest_of_each_name_comes_back(api: Any, bucket: storage.Bucket) -> None:
    """With all it had, as a new generation; what was soft-deleted stays for its time."""
    api.objects().bulkRestore(bucket=bucket.name, body={}).execute()
    assert names(bucket) == ["a/1", "a/2", "b/1"]
    assert bucket.blob("a/1").download_as_bytes() == b"new"
    assert len(list(bucket.list_blobs(soft_deleted=True))) == 4


def test_only_what_is_described_comes_back(api: Any, bucket: storage.Bucket) -> None:
    """By globs, by the time of deletion and of creation."""
    for body, wanted in (
        ({"matchGlobs": ["c/*"]}, []),
        ({"createdAfterTime": "2100-01-01T00:00:00Z"}, []),
        ({"softDeletedAfterTime": when(bucket, "b/1", seconds=-1), "matchGlobs": ["b/*", "a/*"]}, ["b/1"]),
        ({"softDeletedBeforeTime": when(bucket, "b/1", seconds=-1), "matchGlobs": ["*/2"]}, ["a/2", "b/1"]),
    ):
        api.objects().bulkRestore(bucket=bucket.name, body=body).execute()
        assert names(bucket) == wanted


def when(bucket: storage.Bucket, name: str, seconds: float) -> str:
    """Return the time of an object's deletion, moved."""
    (found,) = (blob for blob in bucket.list_blobs(soft_deleted=True, prefix=name))
    return str((found.soft_delete_time + timedelta(seconds=seconds)).isoformat())


def test_live_objects_stay_unless_they_may_go(api: Any, bucket: storage.Bucket) -> None:
    """Without `allowOverwrite` they are skipped; with it they are replaced, but for those that a hold protects."""
    for name in ("a/1", "a/2"):
        bucket.blob(name).upload_from_string("live")
    held = bucket.blob("a/2")
    held.temporary_hold = True
    held.patch()
    api.objects().bulkRestore(bucket=bucket.name, body={}).execute()
    assert bucket.blob("a/1").download_as_bytes() == b"live"
    api.objects().bulkRestore(bucket=bucket.name, body={"allowOverwrite": True}).execute()
    assert [bucket.blob(name).download_as_bytes() for name in ("a/1", "a/2")] == [b"new", b"live"]
    held.temporary_hold = False
    held.patch()


def test_a_bucket_that_keeps_nothing_restores_nothing(cloud: LocalCloud, api: Any) -> None:
    """400 with the service's reason."""
    bucket = new_bucket(storage_client(cloud))
    bucket.soft_delete_policy.retention_duration_seconds = 0
    bucket.patch()
    with pytest.raises(HttpError) as refused:
        api.objects().bulkRestore(bucket=bucket.name, body={}).execute()
    assert (refused.value.status_code, refused.value.error_details[0]["reason"]) == (400, "SoftDeletePolicyRequired")


def test_operations_are_told(cloud: LocalCloud, api: Any, bucket: storage.Bucket) -> None:
    """Read, listed and filtered; under way for the time that operations take here; cancelled too late."""
    begun = api.objects().bulkRestore(bucket=bucket.name, body={}).execute()
    assert begun["name"].startswith(f"projects/_/buckets/{bucket.name}/operations/")
    assert (begun["kind"], begun["done"], begun["metadata"]["type"]) == (
        "storage#operation",
        False,
        "bulk_restore_objects",
    )
    of_bucket, operation = api.operations(), begun["name"].rpartition("/")[2]
    assert of_bucket.get(bucket=bucket.name, operationId=operation).execute() == begun
    assert of_bucket.list(bucket=bucket.name, filter="done = true").execute() == {"kind": "storage#operations"}
    assert call(cloud, "GET", begun["selfLink"].removeprefix(cloud.url)).json() == begun
    of_bucket.cancel(bucket=bucket.name, operationId=operation).execute()
    advance(cloud, hours=2)
    (done,) = of_bucket.list(bucket=bucket.name, filter="done = true").execute()["operations"]
    assert (done["name"], done["response"]["@type"]) == (begun["name"], "type.googleapis.com/google.protobuf.Empty")
    for verb in (of_bucket.get, of_bucket.cancel):
        with pytest.raises(HttpError, match="404"):
            verb(bucket=bucket.name, operationId="none").execute()
