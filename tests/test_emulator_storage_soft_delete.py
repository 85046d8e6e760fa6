"""Soft delete: what was deleted or overwritten stays for the policy's time, can be listed, read and restored."""

from collections.abc import Iterator
from datetime import timedelta

import pytest
from google.api_core.exceptions import BadRequest, Conflict, NotFound, PreconditionFailed
from google.cloud import storage

from tests.cloud import LocalCloud, start_cloud
from tests.storage import advance, call, new_bucket, storage_client


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalCloud]:
    """A local cloud whose clock nobody else reads."""
    cloud = start_cloud(tmp_path_factory.mktemp("soft_delete"))
    yield cloud
    cloud.stop()


@pytest.fixture(scope="module")
def client(cloud: LocalCloud) -> storage.Client:
    """Google's client."""
    return storage_client(cloud)


def blobs_on_disk(cloud: LocalCloud) -> int:
    """Count the files of objects."""
    return sum(path.parent.name != "uploads" for path in (cloud.state / "objects").glob("*/*"))


def test_a_deleted_object_is_kept_and_restored(client: storage.Client) -> None:
    """It is gone from lists and reads, has its two times, and comes back as a new generation with all it had."""
    bucket = new_bucket(client)
    blob = bucket.blob("a")
    blob.metadata = {"key": "value"}
    blob.upload_from_string("content", content_type="text/plain")
    generation = blob.generation
    blob.delete()
    assert bucket.get_blob("a") is None
    assert bucket.get_blob("a", generation=generation) is None
    assert not list(bucket.list_blobs(versions=True))
    (kept,) = bucket.list_blobs(soft_deleted=True)
    assert (kept.generation, kept.name) == (generation, "a")
    assert kept.hard_delete_time - kept.soft_delete_time == timedelta(days=7)
    assert bucket.get_blob("a", generation=generation, soft_deleted=True).soft_delete_time == kept.soft_delete_time
    restored = bucket.restore_blob("a", generation=generation)
    assert restored.generation > generation
    assert (restored.metadata, restored.content_type) == ({"key": "value"}, "text/plain")
    assert restored.download_as_bytes() == b"content"
    assert restored.soft_delete_time is None


def test_an_overwritten_object_is_kept_too(client: storage.Client) -> None:
    """Restoring replaces the present generation, which is soft-deleted then, under the caller's preconditions."""
    bucket = new_bucket(client)
    first, second = bucket.blob("a"), bucket.blob("a")
    first.upload_from_string("1")
    second.upload_from_string("22")
    with pytest.raises(PreconditionFailed):
        bucket.restore_blob("a", generation=first.generation, if_generation_match=0)
    bucket.restore_blob("a", generation=first.generation, if_generation_match=second.generation)
    assert bucket.blob("a").download_as_bytes() == b"1"
    assert [blob.generation for blob in bucket.list_blobs(soft_deleted=True)] == [first.generation, second.generation]


def test_with_versioning_only_a_deleted_generation_is_kept(client: storage.Client) -> None:
    """Overwriting makes noncurrent; deleting that generation soft-deletes it."""
    bucket = new_bucket(client, versioning_enabled=True)
    blob = bucket.blob("a")
    blob.upload_from_string("1")
    generation = blob.generation
    bucket.blob("a").delete()
    assert not list(bucket.list_blobs(soft_deleted=True))
    bucket.delete_blob("a", generation=generation)
    assert [blob.generation for blob in bucket.list_blobs(soft_deleted=True)] == [generation]


def test_what_was_kept_long_enough_is_gone(client: storage.Client, cloud: LocalCloud) -> None:
    """After the duration that held at the deletion bytes and row go; a policy of zero keeps nothing at all."""
    bucket = new_bucket(client)
    before = blobs_on_disk(cloud)
    bucket.blob("a").upload_from_string("a")
    bucket.blob("a").delete()
    bucket.soft_delete_policy.retention_duration_seconds = 0
    bucket.patch()
    bucket.blob("b").upload_from_string("b")
    bucket.blob("b").delete()
    assert [blob.name for blob in bucket.list_blobs(soft_deleted=True)] == ["a"]
    advance(cloud, days=6)
    (kept,) = bucket.list_blobs(soft_deleted=True)
    assert blobs_on_disk(cloud) > 0
    advance(cloud, days=2)
    assert not list(bucket.list_blobs(soft_deleted=True))
    assert blobs_on_disk(cloud) <= before
    with pytest.raises(NotFound):
        bucket.restore_blob("a", generation=kept.generation)


def test_a_deleted_bucket_is_kept_and_restored(client: storage.Client, cloud: LocalCloud) -> None:
    """It comes back by its generation where no new bucket has its name; then its objects can be restored."""
    bucket = new_bucket(client, labels={"a": "b"})
    bucket.blob("a").upload_from_string("content")
    with pytest.raises(Conflict, match="not empty"):
        bucket.delete()
    bucket.blob("a").delete()
    bucket.delete()
    assert not bucket.exists()
    kept = {each.name: each for each in client.list_buckets(soft_deleted=True)}[bucket.name]
    assert kept.soft_delete_time is not None
    assert client.get_bucket(bucket.name, generation=kept.generation, soft_deleted=True).labels == {"a": "b"}
    assert bucket.name not in [each.name for each in client.list_buckets()]

    again = client.create_bucket(bucket.name)
    assert not list(again.list_blobs(soft_deleted=True))
    with pytest.raises(Conflict):
        client.restore_bucket(bucket.name, kept.generation)
    again.delete()
    restored = client.restore_bucket(bucket.name, kept.generation)
    assert restored.labels == {"a": "b"}
    assert not list(restored.list_blobs())
    (gone,) = restored.list_blobs(soft_deleted=True)
    assert restored.restore_blob("a", generation=gone.generation).download_as_bytes() == b"content"
    assert call(cloud, "GET", f"/storage/v1/b/{bucket.name}?softDeleted=true").status_code == 400


def test_what_is_not_there_cannot_be_restored(client: storage.Client, cloud: LocalCloud) -> None:
    """An unknown generation is a 404, none at all a 400, and lists are of one kind."""
    bucket = new_bucket(client)
    with pytest.raises(NotFound):
        bucket.restore_blob("a", generation=1)
    with pytest.raises(NotFound):
        client.restore_bucket("never-was", 1)
    with pytest.raises(BadRequest):
        list(bucket.list_blobs(soft_deleted=True, versions=True))
    assert call(cloud, "POST", f"/storage/v1/b/{bucket.name}/o/a/restore").status_code == 400
