"""Folders of buckets with a hierarchical namespace, by google-api-python-client and Google's storage client."""

from collections.abc import Iterator
from typing import Any

import pytest
from google.cloud import storage

from tests.cloud import LocalCloud
from tests.google import build
from tests.storage import call, new_bucket, storage_client
from tests.vertex import refused


@pytest.fixture(scope="module")
def folders(local_cloud: LocalCloud) -> Iterator[Any]:
    """Google's methods for folders."""
    with build(local_cloud, "storage", "v1") as api:
        yield api.folders()


@pytest.fixture
def bucket(local_cloud: LocalCloud) -> storage.Bucket:
    """A bucket with folders."""
    client = storage_client(local_cloud)
    bucket = client.bucket(new_bucket(client).name + "-folders")
    bucket.hierarchical_namespace_enabled = True
    bucket.iam_configuration.uniform_bucket_level_access_enabled = True
    return client.create_bucket(bucket, location="us-central1")


def names(folders: Any, bucket: storage.Bucket, **options: Any) -> list[str]:
    """Return the names of a bucket's folders."""
    return [one["name"] for one in folders.list(bucket=bucket.name, **options).execute().get("items", [])]


def test_folders_are_made_read_and_listed(folders: Any, bucket: storage.Bucket) -> None:
    """One of a name, in a parent that is there or is made with it; objects bring theirs along."""
    made = folders.insert(bucket=bucket.name, body={"name": "a/"}).execute()
    assert (made["kind"], made["id"], made["metageneration"]) == ("storage#folder", f"{bucket.name}/a/", "1")
    assert folders.get(bucket=bucket.name, folder="a/").execute() == made
    assert refused(folders.insert(bucket=bucket.name, body={"name": "a"}))[0] == 409
    lacking = refused(folders.insert(bucket=bucket.name, body={"name": "b/c/"}))
    assert lacking == (409, "The parent folder of 'b/c/' does not exist. Create it first, or ask for recursive=true.")
    folders.insert(bucket=bucket.name, body={"name": "b/c/"}, recursive=True).execute()
    bucket.blob("d/é/x").upload_from_string("x")
    assert names(folders, bucket) == ["a/", "b/", "b/c/", "d/", "d/é/"]
    assert names(folders, bucket, delimiter="/") == ["a/", "b/", "d/"]
    assert names(folders, bucket, prefix="b/", delimiter="/") == ["b/", "b/c/"]
    assert names(folders, bucket, startOffset="b/c/", endOffset="d/é/") == ["b/c/", "d/"]
    first = folders.list(bucket=bucket.name, pageSize=4).execute()
    assert len(first["items"]) == 4
    assert names(folders, bucket, pageSize=4, pageToken=first["nextPageToken"]) == ["d/é/"]
    for name in ("/", "/a/", "a//b/", "x" * 513):
        assert refused(folders.insert(bucket=bucket.name, body={"name": name}))[0] == 400
    assert refused(folders.list(bucket=bucket.name, delimiter="x"))[0] == 400


def test_lists_of_objects_can_show_folders(bucket: storage.Bucket, folders: Any) -> None:
    """Empty ones too among the prefixes, each once, across pages; without the parameter only those of objects."""
    for name in ("a/", "c/", "c/d/"):
        folders.insert(bucket=bucket.name, body={"name": name}).execute()
    for name in ("b", "c/x", "c/y", "e/z"):
        bucket.blob(name).upload_from_string("x")
    for size in (1, 2, 10):
        listed = bucket.list_blobs(delimiter="/", include_folders_as_prefixes=True, page_size=size)
        assert [blob.name for blob in listed] == ["b"]
        assert listed.prefixes == {"a/", "c/", "e/"}
    below = bucket.list_blobs(prefix="c/", delimiter="/", include_folders_as_prefixes=True)
    assert ([blob.name for blob in below], below.prefixes) == (["c/x", "c/y"], {"c/d/"})
    plain = bucket.list_blobs(delimiter="/")
    assert ([blob.name for blob in plain], plain.prefixes) == (["b"], {"c/", "e/"})


def test_managed_folders_are_shown_too(local_cloud: LocalCloud) -> None:
    """In a flat bucket they are the only ones that objects do not imply."""
    bucket = new_bucket(storage_client(local_cloud))
    bucket.iam_configuration.uniform_bucket_level_access_enabled = True
    bucket.patch()
    path = f"/storage/v1/b/{bucket.name}/managedFolders"
    assert call(local_cloud, "POST", path, json={"name": "kept/"}).ok
    listed = bucket.list_blobs(delimiter="/", include_folders_as_prefixes=True)
    assert (list(listed), listed.prefixes) == ([], {"kept/"})


def test_a_rename_takes_all_along(folders: Any, bucket: storage.Bucket) -> None:
    """Folders and objects, whose generations stay; into a parent that is there, under a name that is free."""
    bucket.blob("a/b/x").upload_from_string("content")
    generation = bucket.get_blob("a/b/x").generation
    folders.insert(bucket=bucket.name, body={"name": "taken/"}).execute()

    def to(name: str, **options: Any) -> Any:
        return folders.rename(bucket=bucket.name, sourceFolder="a/", destinationFolder=name, **options)

    for name, code in (("taken/", 409), ("none/a/", 409), ("a/b/c/", 400), ("a/", 400)):
        assert refused(to(name))[0] == code
    assert refused(to("z/", ifSourceMetagenerationMatch="9"))[0] == 412
    held = bucket.blob("a/b/x")
    held.temporary_hold = True
    held.patch()
    assert refused(to("z/"))[0] == 403
    held.temporary_hold = False
    held.patch()
    done = to("z/").execute()
    assert (done["done"], done["metadata"]["type"]) == (True, "rename_folder")
    assert names(folders, bucket) == ["taken/", "z/", "z/b/"]
    moved = bucket.get_blob("z/b/x")
    assert (moved.generation, moved.download_as_bytes()) == (generation, b"content")
    assert bucket.get_blob("a/b/x") is None
    assert refused(to("y/"))[0] == 404


def test_folders_go_empty_or_with_all_they_hold(folders: Any, bucket: storage.Bucket) -> None:
    """An empty one by itself, the others in one operation; a bucket goes when its last folder is gone."""
    bucket.blob("a/b/x").upload_from_string("x")
    folders.insert(bucket=bucket.name, body={"name": "e/"}).execute()
    assert refused(folders.delete(bucket=bucket.name, folder="a/b/"))[0] == 409
    assert refused(folders.delete(bucket=bucket.name, folder="a/"))[0] == 409
    assert refused(folders.delete(bucket=bucket.name, folder="e/", ifMetagenerationNotMatch="1"))[0] == 412
    folders.delete(bucket=bucket.name, folder="e/").execute()
    folders.deleteRecursive(bucket=bucket.name, folder="a/").execute()
    assert (names(folders, bucket), list(bucket.list_blobs())) == ([], [])
    (kept,) = bucket.list_blobs(soft_deleted=True)
    assert kept.name == "a/b/x"
    folders.insert(bucket=bucket.name, body={"name": "last/"}).execute()
    with pytest.raises(Exception, match="not empty"):
        bucket.delete()
    folders.delete(bucket=bucket.name, folder="last/").execute()
    bucket.delete()


def test_a_bucket_has_folders_from_its_beginning_or_never(local_cloud: LocalCloud, folders: Any) -> None:
    """With uniform access and without versions; the setting does not change, and flat buckets have none."""
    access = {"iamConfiguration": {"uniformBucketLevelAccess": {"enabled": True}}}
    hierarchical = {"hierarchicalNamespace": {"enabled": True}}
    for settings in ({}, {**access, "versioning": {"enabled": True}}):
        body = {"name": "never-made", **hierarchical, **settings}
        assert call(local_cloud, "POST", "/storage/v1/b?project=p", json=body).status_code == 400
    flat = new_bucket(storage_client(local_cloud))
    path = f"/storage/v1/b/{flat.name}"
    assert call(local_cloud, "PATCH", path, json={**access, **hierarchical}).status_code == 400
    assert refused(folders.insert(bucket=flat.name, body={"name": "a/"}))[0] == 409
    body = {"name": "updated-with-folders", **access, **hierarchical}
    assert call(local_cloud, "POST", "/storage/v1/b?project=p", json=body).ok
    updated = call(local_cloud, "PUT", "/storage/v1/b/updated-with-folders", json=access)
    assert updated.json()["hierarchicalNamespace"] == {"enabled": True}
