"""Managed folders, by google-api-python-client: made, listed, given policies, deleted."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.cloud import LocalCloud
from tests.google import build
from tests.storage import call
from tests.vertex import refused

BUCKET = "managed-folders"


@pytest.fixture(scope="module")
def folders(local_cloud: LocalCloud) -> Iterator[Any]:
    """Google's methods, and a bucket with uniform access that holds an object."""
    access = {"iamConfiguration": {"uniformBucketLevelAccess": {"enabled": True}}}
    assert call(local_cloud, "POST", "/storage/v1/b?project=p", json={"name": BUCKET, **access}).ok
    assert call(local_cloud, "PUT", f"/{BUCKET}/full/x", data=b"x").ok
    with build(local_cloud, "storage", "v1") as api:
        yield api.managedFolders()


def test_folders_are_made_listed_and_deleted(local_cloud: LocalCloud, folders: Any) -> None:
    """One of a name; pages by prefix; a folder with objects below it only goes where that is said; so its bucket."""
    for name in ("a/", "a/b c/ü/", "full/"):
        made = folders.insert(bucket=BUCKET, body={"name": name}).execute()
        assert (made["name"], made["metageneration"], made["bucket"]) == (name, "1", BUCKET)
        assert folders.get(bucket=BUCKET, managedFolder=name).execute() == made
    assert refused(folders.insert(bucket=BUCKET, body={"name": "a/"}))[0] == 409
    assert refused(folders.insert(bucket=BUCKET, body={"name": "no slash"}))[0] == 400
    page = folders.list(bucket=BUCKET, pageSize=2).execute()
    rest = folders.list(bucket=BUCKET, pageSize=2, pageToken=page["nextPageToken"]).execute()
    assert [one["name"] for one in page["items"] + rest["items"]] == ["a/", "a/b c/ü/", "full/"]
    assert len(folders.list(bucket=BUCKET, prefix="a/b").execute()["items"]) == 1
    assert refused(folders.get(bucket=BUCKET, managedFolder="a/", ifMetagenerationMatch="9"))[0] == 412
    assert refused(folders.delete(bucket=BUCKET, managedFolder="full/"))[0] == 409
    folders.delete(bucket=BUCKET, managedFolder="full/", allowNonEmpty=True).execute()
    assert refused(folders.get(bucket=BUCKET, managedFolder="full/"))[0] == 404
    call(local_cloud, "DELETE", f"/storage/v1/b/{BUCKET}/o/full%2Fx")
    assert call(local_cloud, "DELETE", f"/storage/v1/b/{BUCKET}").status_code == 409


def test_folders_have_policies(folders: Any) -> None:
    """Set under an etag, and gone with the folder."""
    folders.insert(bucket=BUCKET, body={"name": "p/"}).execute()
    first = folders.getIamPolicy(bucket=BUCKET, managedFolder="p/").execute()
    bindings = [{"role": "roles/storage.objectViewer", "members": ["user:ann@example.com"]}]
    change = folders.setIamPolicy(bucket=BUCKET, managedFolder="p/", body={**first, "bindings": bindings})
    assert change.execute()["bindings"] == bindings
    assert refused(change)[0] == 412
    asked = ["storage.objects.get"]
    allowed = folders.testIamPermissions(bucket=BUCKET, managedFolder="p/", permissions=asked).execute()
    assert allowed["permissions"] == asked
    folders.delete(bucket=BUCKET, managedFolder="p/").execute()
    folders.insert(bucket=BUCKET, body={"name": "p/"}).execute()
    assert folders.getIamPolicy(bucket=BUCKET, managedFolder="p/").execute() == first


def test_a_bucket_with_access_lists_has_none(local_cloud: LocalCloud, folders: Any) -> None:
    """Managed folders need uniform access."""
    call(local_cloud, "POST", "/storage/v1/b?project=p", json={"name": "listed-access"})
    assert refused(folders.list(bucket="listed-access"))[0] == 412
    assert refused(folders.list(bucket="no-such-bucket"))[0] == 404
