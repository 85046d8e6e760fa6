"""What an object's metadata may hold: the same rules in every way that writes it."""

import json
from collections.abc import Callable
from typing import Any

import pytest
import requests
from google.cloud import storage

from tests.cloud import LocalCloud
from tests.storage import call, new_bucket, storage_client

Write = Callable[[LocalCloud, str, dict[str, Any]], requests.Response]


@pytest.fixture(scope="module")
def bucket(local_cloud: LocalCloud) -> storage.Bucket:
    """A bucket with an object `source`."""
    bucket = new_bucket(storage_client(local_cloud))
    bucket.blob("source").upload_from_string("x")
    return bucket


def related(cloud: LocalCloud, bucket: str, fields: dict[str, Any]) -> requests.Response:
    """Upload in one request with metadata."""
    head = "--B\r\nContent-Type: application/json\r\n\r\n"
    body = f"{head}{json.dumps({**fields, 'name': 'made'})}\r\n--B\r\nContent-Type: text/plain\r\n\r\nx\r\n--B--"
    headers = {"Content-Type": "multipart/related; boundary=B"}
    return call(cloud, "POST", f"/upload/storage/v1/b/{bucket}/o?uploadType=multipart", data=body, headers=headers)


def resumable(cloud: LocalCloud, bucket: str, fields: dict[str, Any]) -> requests.Response:
    """Begin a resumable upload: refused before a byte is sent."""
    return call(cloud, "POST", f"/upload/storage/v1/b/{bucket}/o?uploadType=resumable&name=made", json=fields)


def rewritten(cloud: LocalCloud, bucket: str, fields: dict[str, Any]) -> requests.Response:
    """Copy with other metadata."""
    return call(cloud, "POST", f"/storage/v1/b/{bucket}/o/source/rewriteTo/b/{bucket}/o/made", json=fields)


def composed(cloud: LocalCloud, bucket: str, fields: dict[str, Any]) -> requests.Response:
    """Join with metadata."""
    body = {"sourceObjects": [{"name": "source"}], "destination": fields}
    return call(cloud, "POST", f"/storage/v1/b/{bucket}/o/made/compose", json=body)


@pytest.mark.parametrize("write", [related, resumable, rewritten, composed])
@pytest.mark.parametrize(
    "fields",
    [
        {"storageClass": "LUKEWARM"},
        {"metadata": {"k": "v" * 8192}},
        {"contentType": "text/plain\r\nx: y"},
        {"customTime": "2030-02-30T00:00:00Z"},
    ],
    ids=["class", "size", "header", "time"],
)
def test_metadata_that_no_object_has_is_refused(
    local_cloud: LocalCloud, bucket: storage.Bucket, write: Write, fields: dict[str, Any]
) -> None:
    """An unknown class, more than 8 KiB of its own, a line break in a header, a day that there is not."""
    assert write(local_cloud, bucket.name, fields).status_code == 400
    assert bucket.get_blob("made") is None


def test_changes_keep_the_rules(local_cloud: LocalCloud, bucket: storage.Bucket) -> None:
    """A patch that would make the whole too large, though it is small itself, changes nothing."""
    path = f"/storage/v1/b/{bucket.name}/o/source"
    assert call(local_cloud, "PATCH", path, json={"metadata": {"a": "v" * 8000}}).status_code == 200
    assert call(local_cloud, "PATCH", path, json={"metadata": {"b": "v" * 192}}).status_code == 400
    assert call(local_cloud, "PATCH", path, json={"metadata": {"b": "v" * 190}}).status_code == 200
    assert call(local_cloud, "PATCH", path, json={"metadata": None}).status_code == 200


def test_xml_headers_are_metadata_too(local_cloud: LocalCloud, bucket: storage.Bucket) -> None:
    """Class and time as headers; each refusal has its name."""
    path = f"/{bucket.name}/by-xml"
    kept = {"x-goog-storage-class": "nearline", "x-goog-custom-time": "2030-01-01T00:00:00Z"}
    assert call(local_cloud, "PUT", path, data=b"x", headers=kept).status_code == 200
    found = bucket.get_blob("by-xml")
    assert (found.storage_class, found.custom_time.year) == ("NEARLINE", 2030)
    for name, value, code in (
        ("x-goog-storage-class", "LUKEWARM", "InvalidArgument"),
        ("x-goog-custom-time", "soon", "InvalidArgument"),
        ("x-goog-meta-k", "v" * 8192, "MetadataTooLarge"),
    ):
        refused = call(local_cloud, "PUT", path, data=b"y", headers={name: value})
        assert (refused.status_code, f"<Code>{code}</Code>" in refused.text) == (400, True), name
    assert found.download_as_bytes() == b"x"
