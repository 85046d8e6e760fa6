"""Buckets of the local cloud, through Google's client and as the provider of a stack calls them."""

from collections.abc import Iterator
from typing import Any

import pytest
from google.api_core import exceptions
from google.cloud import storage

from tests.cloud import LocalCloud
from tests.storage import call, new_bucket, reason, storage_client

SETTINGS: dict[str, Any] = {
    "location": "us-central1",
    "storageClass": "NEARLINE",
    "labels": {"env": "dev", "goog-pulumi-provisioned": "true"},
    "versioning": {"enabled": True},
    "lifecycle": {
        "rule": [{"action": {"type": "Delete"}, "condition": {"age": 30, "matchesPrefix": ["predictions/"]}}]
    },
    "cors": [{"origin": ["*"], "method": ["GET"], "responseHeader": ["x-a"], "maxAgeSeconds": 60}],
    "website": {"mainPageSuffix": "index.html"},
    "logging": {"logBucket": "logs", "logObjectPrefix": "p"},
    "billing": {"requesterPays": True},
    "defaultEventBasedHold": False,
    "autoclass": {"enabled": False},
    "iamConfiguration": {"publicAccessPrevention": "enforced", "uniformBucketLevelAccess": {"enabled": True}},
    "softDeletePolicy": {"retentionDurationSeconds": "604800"},
}


@pytest.fixture
def client(local_cloud: LocalCloud) -> Iterator[storage.Client]:
    """Google's client."""
    client = storage_client(local_cloud)
    yield client
    client.close()


def insert(cloud: LocalCloud, name: str, project: str = "p", **settings: Any) -> Any:
    """Create a bucket by plain HTTP."""
    return call(cloud, "POST", f"/storage/v1/b?project={project}", json={"name": name, **settings})


def _contains(have: Any, want: Any) -> bool:
    """Tell whether all that was sent is in an answer, which may hold more at any depth."""
    if isinstance(want, dict):
        return all(name in have and _contains(have[name], value) for name, value in want.items())
    return bool(have == want)


def test_every_setting_is_echoed(local_cloud: LocalCloud) -> None:
    """A bucket answers what was sent, the location in upper case, with the service's fields beside it."""
    body = insert(local_cloud, "echoing-bucket", **SETTINGS).json()
    assert body == call(local_cloud, "GET", "/storage/v1/b/echoing-bucket").json()
    for name, value in SETTINGS.items():
        if isinstance(value, dict):
            assert _contains(body[name], value)
        elif name != "location":
            assert body[name] == value
    assert body["location"] == "US-CENTRAL1"
    assert body["locationType"] == "region"
    assert body["iamConfiguration"]["bucketPolicyOnly"]["enabled"]
    assert body["selfLink"] == f"{local_cloud.url}/storage/v1/b/echoing-bucket"
    assert body["etag"] == "CAE="
    assert {"projectNumber", "timeCreated", "updated", "generation", "metageneration"} <= body.keys()


def test_a_patch_merges_and_null_removes(local_cloud: LocalCloud) -> None:
    """Patching changes what it names, a null label goes, and an empty lifecycle is dropped."""
    insert(local_cloud, "patched-bucket", **SETTINGS)
    change = {"labels": {"env": None, "team": "ml"}, "lifecycle": {"rule": []}, "website": None}
    body = call(local_cloud, "PATCH", "/storage/v1/b/patched-bucket", json=change).json()
    assert body["labels"] == {"goog-pulumi-provisioned": "true", "team": "ml"}
    assert "lifecycle" not in body
    assert "website" not in body
    assert body["versioning"] == {"enabled": True}
    assert body["metageneration"] == "2"


def test_an_update_replaces_but_does_not_move(local_cloud: LocalCloud) -> None:
    """PUT drops settings that it does not name; the location stays, and cannot be changed."""
    insert(local_cloud, "replaced-bucket", **SETTINGS)
    body = call(local_cloud, "PUT", "/storage/v1/b/replaced-bucket", json={"labels": {"a": "b"}}).json()
    assert body["labels"] == {"a": "b"}
    assert "lifecycle" not in body
    assert body["location"] == "US-CENTRAL1"
    moved = call(local_cloud, "PATCH", "/storage/v1/b/replaced-bucket", json={"location": "EU"})
    assert (moved.status_code, reason(moved)) == (400, "invalid")


@pytest.mark.parametrize(
    "name", ["ab", "Upper", "-dash", "a" * 64, "1.2.3.4", "goog-x", "my-google", "a..b", "a b", ""]
)
def test_bad_names_are_refused(local_cloud: LocalCloud, name: str) -> None:
    """A name that the service would not take is a 400 that repeats it."""
    answer = insert(local_cloud, name)
    assert (answer.status_code, reason(answer)) == (400, "invalid")
    assert repr(name) in answer.json()["error"]["message"]


def test_a_taken_name_is_a_conflict(local_cloud: LocalCloud) -> None:
    """The same project hears that the bucket is its own, another that the name is taken."""
    insert(local_cloud, "taken-bucket", "mine")
    own, other = insert(local_cloud, "taken-bucket", "mine"), insert(local_cloud, "taken-bucket", "theirs")
    assert (own.status_code, other.status_code, reason(own)) == (409, 409, "conflict")
    assert "you already own it" in own.json()["error"]["message"]
    assert "not available" in other.json()["error"]["message"]


def test_a_bucket_with_objects_is_not_deleted(client: storage.Client) -> None:
    """Deleting needs an empty bucket; afterwards it is gone, and its name free."""
    bucket = new_bucket(client)
    bucket.blob("a").upload_from_string("x")
    with pytest.raises(exceptions.Conflict, match="The bucket you tried to delete is not empty"):
        bucket.delete()
    bucket.delete(force=True)
    with pytest.raises(exceptions.NotFound):
        client.get_bucket(bucket.name)
    client.create_bucket(bucket.name)


def test_buckets_are_listed_by_project_in_pages(local_cloud: LocalCloud) -> None:
    """A list holds a project's buckets by name, a page at a time, and wants to know the project."""
    for number in (3, 1, 2):
        insert(local_cloud, f"listed-{number}", "lister")
    insert(local_cloud, "listed-other", "another")
    names, token = [], ""
    while True:
        page = call(local_cloud, "GET", f"/storage/v1/b?project=lister&maxResults=2&pageToken={token}").json()
        names += [item["name"] for item in page["items"]]
        token = page.get("nextPageToken", "")
        if not token:
            break
    assert names == ["listed-1", "listed-2", "listed-3"]
    assert reason(call(local_cloud, "GET", "/storage/v1/b")) == "required"


def test_policies_refuse_stale_etags(client: storage.Client) -> None:
    """A new bucket has the project's legacy roles; a policy that changed meanwhile is not overwritten."""
    bucket = new_bucket(client)
    first, second = (bucket.get_iam_policy(requested_policy_version=3) for _ in range(2))
    assert {binding["role"] for binding in first.bindings} == {
        "roles/storage.legacyBucketOwner",
        "roles/storage.legacyBucketReader",
    }
    member = "serviceAccount:a@local-project.iam.gserviceaccount.com"
    first.bindings.append({"role": "roles/storage.objectUser", "members": {member}})
    assert bucket.set_iam_policy(first).etag != second.etag
    with pytest.raises(exceptions.PreconditionFailed):
        bucket.set_iam_policy(second)
    assert member in bucket.get_iam_policy()["roles/storage.objectUser"]
    assert bucket.test_iam_permissions(["storage.buckets.get"]) == ["storage.buckets.get"]


def test_preconditions_hold_for_buckets(client: storage.Client) -> None:
    """A metageneration that is not the present one is a 412, and a read of a known one a 304."""
    bucket = new_bucket(client)
    bucket.labels = {"a": "b"}
    bucket.patch(if_metageneration_match=1)
    with pytest.raises(exceptions.PreconditionFailed):
        bucket.patch(if_metageneration_match=1)
    with pytest.raises(exceptions.NotModified):
        bucket.reload(if_metageneration_not_match=2)


def test_a_locked_retention_policy_stays(client: storage.Client) -> None:
    """A retained object cannot be deleted, and a locked policy cannot be shortened."""
    bucket = new_bucket(client, retention_period=3600)
    bucket.blob("kept").upload_from_string("x")
    with pytest.raises(exceptions.Forbidden, match="retention policy"):
        bucket.blob("kept").delete()
    bucket.lock_retention_policy()
    bucket.retention_period = 10
    with pytest.raises(exceptions.Forbidden, match="locked"):
        bucket.patch()


def test_what_clients_ask_on_the_way_is_answered(local_cloud: LocalCloud, client: storage.Client) -> None:
    """The layout, the caches that the provider looks for before a delete, and the service's account."""
    name = new_bucket(client).name
    layout = call(local_cloud, "GET", f"/storage/v1/b/{name}/storageLayout").json()
    assert layout["hierarchicalNamespace"] == {"enabled": False}
    caches = call(local_cloud, "GET", f"/storage/v1/b/{name}/anywhereCaches/")
    assert (caches.status_code, caches.json()) == (200, {"kind": "storage#anywhereCaches"})
    assert client.get_service_account_email().endswith("gs-project-accounts.iam.gserviceaccount.com")
    missing = call(local_cloud, "GET", "/storage/v1/b/not-there/anywhereCaches/")
    assert (missing.status_code, reason(missing)) == (404, "notFound")
