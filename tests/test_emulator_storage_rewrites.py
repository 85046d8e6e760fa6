"""Copies in steps, renamed objects, and what is refused: rewrite tokens, move, notifications."""

from typing import Any

import pytest
from google.api_core.exceptions import BadRequest, MethodNotImplemented, NotFound
from google.cloud import storage

from tests.cloud import LocalCloud
from tests.storage import call, new_bucket, storage_client

MB = 1 << 20


@pytest.fixture(scope="module")
def client(local_cloud: LocalCloud) -> storage.Client:
    """Google's client."""
    return storage_client(local_cloud)


@pytest.fixture(scope="module")
def blob(client: storage.Client) -> storage.Blob:
    """An object of 3.5 MB with metadata."""
    blob = new_bucket(client).blob("dir/large")
    blob.metadata = {"k": "v"}
    blob.upload_from_string(b"x" * (7 * MB // 2))
    return blob


def rewrite(cloud: LocalCloud, blob: storage.Blob, query: str, **body: str) -> Any:
    """Take one step of a rewrite to another storage class."""
    way = f"/storage/v1/b/{blob.bucket.name}/o/dir%2Flarge/rewriteTo/b/{blob.bucket.name}/o/copy"
    return call(cloud, "POST", f"{way}?{query}", json={"storageClass": "NEARLINE", **body})


def test_a_rewrite_goes_step_by_step_with_its_token(local_cloud: LocalCloud, blob: storage.Blob) -> None:
    """Until the last step there is a token and no object; then it is whole, in its new class."""
    query, progress = f"maxBytesRewrittenPerCall={MB}", []
    answer = rewrite(local_cloud, blob, query).json()
    while not answer["done"]:
        progress.append(int(answer["totalBytesRewritten"]))
        assert blob.bucket.get_blob("copy") is None
        answer = rewrite(local_cloud, blob, f"{query}&rewriteToken={answer['rewriteToken']}").json()
    assert progress == [MB, 2 * MB, 3 * MB]
    assert answer["resource"]["storageClass"] == "NEARLINE"
    assert answer["resource"]["metadata"] == {"k": "v"}
    blob.bucket.blob("copy").delete()


def test_a_token_is_good_for_its_own_rewrite_only(local_cloud: LocalCloud, blob: storage.Blob) -> None:
    """Another limit, another class or a made-up token is a 400; a limit is in whole MB."""
    token = rewrite(local_cloud, blob, f"maxBytesRewrittenPerCall={MB}").json()["rewriteToken"]
    assert rewrite(local_cloud, blob, f"maxBytesRewrittenPerCall={2 * MB}&rewriteToken={token}").status_code == 400
    other = rewrite(local_cloud, blob, f"maxBytesRewrittenPerCall={MB}&rewriteToken={token}", storageClass="ARCHIVE")
    assert other.status_code == 400
    assert rewrite(local_cloud, blob, "rewriteToken=nonsense").status_code == 400
    assert rewrite(local_cloud, blob, "maxBytesRewrittenPerCall=1000").status_code == 400


def test_inside_of_a_place_and_class_one_step_is_enough(client: storage.Client, blob: storage.Blob) -> None:
    """Google's client rewrites, and changes a storage class in place."""
    target = blob.bucket.blob("same")
    token, done, total = target.rewrite(blob)
    assert (token, done, total) == (None, 7 * MB // 2, 7 * MB // 2)
    target.update_storage_class("COLDLINE")
    assert blob.bucket.get_blob("same").storage_class == "COLDLINE"
    elsewhere = client.create_bucket("rewrite-elsewhere-bucket", location="EU").blob("a")
    assert elsewhere.rewrite(target)[0] is None
    assert elsewhere.crc32c == blob.crc32c


def test_a_move_renames_in_one_step(local_cloud: LocalCloud, client: storage.Client) -> None:
    """The old name is gone, bytes and metadata are under the new one; preconditions are held."""
    bucket = new_bucket(client)
    blob = bucket.blob("old/a")
    blob.metadata = {"k": "v"}
    blob.upload_from_string("content")
    way = f"/storage/v1/b/{bucket.name}/o/old%2Fa/moveTo/o/"
    assert call(local_cloud, "POST", f"{way}old%2Fa").status_code == 400
    assert call(local_cloud, "POST", f"{way}new?ifSourceGenerationMatch=1").status_code == 412
    moved = bucket.move_blob(blob, "new/a")
    assert (moved.metadata, moved.download_as_bytes()) == ({"k": "v"}, b"content")
    assert [found.name for found in bucket.list_blobs()] == ["new/a"]


def test_notifications_are_refused_with_their_reason(client: storage.Client) -> None:
    """A bucket has none; making one is a 501 that names Pub/Sub and the topic."""
    bucket = new_bucket(client)
    assert list(bucket.list_notifications()) == []
    with pytest.raises(MethodNotImplemented, match=r"Pub/Sub.*my-topic"):
        bucket.notification(topic_name="my-topic").create()
    with pytest.raises(NotFound):
        bucket.get_notification("1")


@pytest.mark.parametrize(
    ("path", "method"),
    [
        ("relocate", "storage.buckets.relocate"),
        ("anywhereCaches", "storage.anywhereCaches.insert"),
    ],
)
def test_what_is_not_here_says_its_name(
    local_cloud: LocalCloud, client: storage.Client, path: str, method: str
) -> None:
    """Every other method is a 501 that names it."""
    answer = call(local_cloud, "POST", f"/storage/v1/b/{new_bucket(client).name}/{path}", json={})
    assert answer.status_code == 501
    assert method in answer.json()["error"]["message"]


def test_hmac_keys_live_and_die(client: storage.Client) -> None:
    """The secret is told once; a key is listed, switched off before it is deleted, and seen afterwards if asked."""
    email = "robot@p.iam.gserviceaccount.com"
    made, secret = client.create_hmac_key(email)
    assert (len(made.access_id), len(secret), made.state) == (61, 40, "ACTIVE")
    other, _ = client.create_hmac_key("other@p.iam.gserviceaccount.com")
    assert [key.access_id for key in client.list_hmac_keys(service_account_email=email)] == [made.access_id]
    assert len(list(client.list_hmac_keys(max_results=1))) == 1
    with pytest.raises(BadRequest, match="ACTIVE"):
        made.delete()
    made.state = "INACTIVE"
    made.update()
    assert client.get_hmac_key_metadata(made.access_id).state == "INACTIVE"
    made.delete()
    assert [key.access_id for key in client.list_hmac_keys()] == [other.access_id]
    shown = client.list_hmac_keys(show_deleted_keys=True)
    assert {key.state for key in shown} == {"ACTIVE", "DELETED"}
