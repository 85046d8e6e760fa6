"""Forms that browsers post, made by Google's client: the policy document's conditions hold."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
import requests
from google.cloud import storage

from tests.cloud import LocalCloud, start_cloud
from tests.storage import advance, call, new_bucket, storage_client
from tests.test_emulator_storage_signed_urls import credentials  # noqa: F401 - a fixture


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalCloud]:
    """A strict local cloud whose clock nobody else reads."""
    cloud = start_cloud(tmp_path_factory.mktemp("forms"), "--strict")
    yield cloud
    cloud.stop()


@pytest.fixture(scope="module")
def bucket(cloud: LocalCloud) -> Any:
    """A bucket, by its owner."""
    client = storage_client(cloud)
    client._http.headers["authorization"] = "Bearer local"
    return new_bucket(client)


def post(cloud: LocalCloud, bucket: str, fields: dict[str, str], content: bytes = b"content") -> requests.Response:
    """Post a form as a browser does: the file is its last field."""
    file = {"file": ("name of ü.txt", content, "text/plain")}
    return requests.post(f"{cloud.url}/{bucket}", data=fields, files=file, timeout=30, allow_redirects=False)


def test_a_form_uploads_within_its_policy(cloud: LocalCloud, bucket: storage.Bucket, credentials: Any) -> None:  # noqa: F811
    """What the policy allows is stored with the fields' metadata; what it does not is refused, also when it expired."""
    made = bucket.client.generate_signed_post_policy_v4(
        bucket.name,
        "dir/${filename}",
        expiration=timedelta(minutes=10),
        conditions=[["content-length-range", 2, 9]],
        fields={"success_action_status": "201", "x-goog-meta-by": "förm 好", "content-type": "text/x-form"},
        credentials=credentials,
    )["fields"]
    answer = post(cloud, bucket.name, made)
    assert answer.status_code == 201, answer.text
    assert "<Key>dir/name of ü.txt</Key>" in answer.content.decode()
    stored = bucket.get_blob("dir/name of ü.txt")
    assert stored.download_as_bytes() == b"content"
    assert (stored.content_type, stored.metadata) == ("text/x-form", {"by": "förm 好"})
    refused = {
        "EntityTooLarge": post(cloud, bucket.name, made, b"x" * 10),
        "EntityTooSmall": post(cloud, bucket.name, made, b"x"),
        "InvalidPolicyDocument": post(cloud, bucket.name, {**made, "x-goog-meta-by": "somebody else"}),
    }
    unnamed = post(cloud, bucket.name, {**made, "x-goog-meta-more": "more"})
    for code, answer in {**refused, "No condition names the field": unnamed}.items():
        assert answer.status_code == 400
        assert code in answer.text
    advance(cloud, minutes=11)
    expired = post(cloud, bucket.name, made)
    call(cloud, "POST", "/_local/clock", json={})
    assert (expired.status_code, "<Code>ExpiredToken</Code>" in expired.text) == (400, True)
    assert [blob.name for blob in bucket.client.list_blobs(bucket.name)] == ["dir/name of ü.txt"]


def test_a_form_without_a_policy_needs_the_right(cloud: LocalCloud, bucket: storage.Bucket) -> None:
    """In strict mode nobody's form is refused, its owner's is taken, and may ask for a redirection."""
    fields = {"key": "free", "success_action_redirect": "http://127.0.0.1:1/done?a=ü"}
    assert post(cloud, bucket.name, fields).status_code == 401
    url, file = f"{cloud.url}/{bucket.name}", {"file": ("a", b"content")}
    owner = {"authorization": "Bearer local"}
    taken = requests.post(url, data=fields, files=file, headers=owner, timeout=30, allow_redirects=False)
    assert taken.status_code == 303
    assert taken.headers["location"].startswith(f"http://127.0.0.1:1/done?a=%C3%BC&bucket={bucket.name}&key=free&etag=")
    nameless = requests.post(url, data={"a": "b"}, files=file, headers=owner, timeout=30)
    without = requests.post(url, files={"key": (None, "x")}, headers=owner, timeout=30)
    assert (nameless.status_code, without.status_code) == (400, 400)
    assert "named 'key'" in nameless.text
    assert "named 'file'" in without.text
