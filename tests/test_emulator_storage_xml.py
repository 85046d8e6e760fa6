"""Writing through the XML API: parts in parallel, plain PUTs and DELETEs."""

import random
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from google.cloud import storage
from google.cloud.storage import transfer_manager

from tests.cloud import LocalCloud
from tests.storage import call, new_bucket, storage_client

CONTENT = random.Random(4).randbytes(1_500_000)


@pytest.fixture(scope="module")
def bucket(local_cloud: LocalCloud) -> Iterator[storage.Bucket]:
    """One bucket for every test: names differ."""
    client = storage_client(local_cloud)
    yield new_bucket(client)
    client.close()


def test_parallel_parts_are_joined_in_their_order(bucket: storage.Bucket, tmp_path: Path) -> None:
    """transfer_manager's XML multipart upload makes one object of parts that arrive at the same time."""
    content = CONTENT * 12
    (tmp_path / "file").write_bytes(content)
    blob = bucket.blob("dir/parts")
    blob.metadata = {"k": "v"}
    transfer_manager.upload_chunks_concurrently(
        str(tmp_path / "file"), blob, chunk_size=5 << 20, worker_type=transfer_manager.THREAD, max_workers=4
    )
    blob.reload()
    assert (blob.size, blob.metadata) == (len(content), {"k": "v"})
    assert blob.download_as_bytes(checksum="crc32c") == content


def test_an_aborted_parallel_upload_leaves_nothing(local_cloud: LocalCloud, bucket: storage.Bucket) -> None:
    """A part that was never sent cannot be joined, and an aborted upload is gone with its parts."""
    path = f"/{bucket.name}/aborted"
    begun = call(local_cloud, "POST", f"{path}?uploads").text
    session = begun.partition("<UploadId>")[2].partition("<")[0]
    assert call(local_cloud, "PUT", f"{path}?partNumber=1&uploadId={session}", data=b"x").headers["etag"]
    part = "<Part><PartNumber>2</PartNumber><ETag>x</ETag></Part>"
    body = f"<CompleteMultipartUpload>{part}</CompleteMultipartUpload>"
    assert call(local_cloud, "POST", f"{path}?uploadId={session}", data=body).status_code == 400
    assert call(local_cloud, "DELETE", f"{path}?uploadId={session}").status_code == 204
    assert call(local_cloud, "PUT", f"{path}?partNumber=1&uploadId={session}", data=b"x").status_code == 404
    assert not list((local_cloud.state / "objects" / "uploads").glob(f"{session}*"))


def test_plain_puts_and_deletes(local_cloud: LocalCloud, bucket: storage.Bucket) -> None:
    """`PUT /<bucket>/<object>` writes an object with its headers as metadata, DELETE removes it."""
    path = f"/{bucket.name}/plain/object"
    headers = {"Content-Type": "text/x", "x-goog-meta-k": "v", "x-goog-if-generation-match": "0"}
    assert call(local_cloud, "PUT", path, data=b"x", headers=headers).status_code == 200
    assert call(local_cloud, "PUT", path, data=b"x", headers=headers).status_code == 412
    found = bucket.get_blob("plain/object")
    assert (found.content_type, found.metadata) == ("text/x", {"k": "v"})
    assert call(local_cloud, "DELETE", path).status_code == 204
    assert bucket.get_blob("plain/object") is None


def names(text: str, tag: str) -> list[str]:
    """Return the texts of all elements of a name."""
    return [part.partition("<")[0] for part in text.split(f"<{tag}>")[1:]]


@pytest.mark.parametrize("version", ["", "list-type=2&"])
def test_lists_come_in_pages(local_cloud: LocalCloud, version: str) -> None:
    """Both versions fold at a delimiter, and go on where the page before ended."""
    bucket = new_bucket(storage_client(local_cloud))
    for name in ("a/1", "a/2", "b", "c d/ü", "e"):
        bucket.blob(name).upload_from_string(name)
    seen: list[str] = []
    after = ""
    while True:
        text = call(local_cloud, "GET", f"/{bucket.name}?{version}delimiter=/&max-keys=2{after}").text
        seen += names(text, "Key") + names(text.replace("<CommonPrefixes><Prefix>", "<Folder>"), "Folder")
        if names(text, "IsTruncated") == ["false"]:
            break
        token = names(text, "NextContinuationToken" if version else "NextMarker")[0]
        after = f"&{'continuation-token' if version else 'marker'}={token}"
    assert sorted(seen) == ["a/", "b", "c d/", "e"]
    encoded = call(local_cloud, "GET", f"/{bucket.name}/?{version}prefix=c&encoding-type=url").text
    assert names(encoded, "Key") == ["c%20d/%C3%BC"]
    assert names(encoded, "Size") == ["6"]
    assert call(local_cloud, "HEAD", f"/{bucket.name}").status_code == 200
    assert "NoSuchBucket" in call(local_cloud, "GET", "/no-such-bucket").text
    assert call(local_cloud, "GET", f"/{bucket.name}?cors").status_code == 501


def test_a_put_can_copy(local_cloud: LocalCloud, bucket: storage.Bucket) -> None:
    """x-goog-copy-source copies with the source's metadata, or with new one where that is said."""
    blob = bucket.blob("copied/source ü")
    blob.metadata = {"k": "v"}
    blob.upload_from_string("content", content_type="text/plain")
    source = {"x-goog-copy-source": f"/{bucket.name}/copied/source%20%C3%BC"}
    answer = call(local_cloud, "PUT", f"/{bucket.name}/copied/1", headers=source)
    assert (answer.status_code, names(answer.text, "ETag")) == (
        200,
        [f"&quot;{bucket.get_blob('copied/1').etag}&quot;"],
    )
    replacing = {**source, "x-goog-metadata-directive": "REPLACE", "content-type": "text/csv"}
    assert call(local_cloud, "PUT", f"/{bucket.name}/copied/2", headers=replacing).status_code == 200
    stale = {**source, "x-goog-copy-source-if-generation-match": "1"}
    assert call(local_cloud, "PUT", f"/{bucket.name}/copied/3", headers=stale).status_code == 412
    first, second = bucket.get_blob("copied/1"), bucket.get_blob("copied/2")
    assert (first.content_type, first.metadata) == ("text/plain", {"k": "v"})
    assert (second.content_type, second.metadata) == ("text/csv", None)
    assert first.download_as_bytes() == second.download_as_bytes() == b"content"


def test_uploads_and_their_parts_are_listed(local_cloud: LocalCloud, bucket: storage.Bucket) -> None:
    """Those under way, in pages by name and id; the parts by number; neither once an upload is over."""
    place = f"/{new_bucket(bucket.client).name}"
    sessions = {}
    for name in ("b", "a/1", "a/2"):
        begun = call(local_cloud, "POST", f"{place}/{name}?uploads").text
        sessions[name] = re.search(r"<UploadId>(.*)</UploadId>", begun)[1]  # type: ignore[index]
    every = call(local_cloud, "GET", f"{place}?uploads").text
    assert re.findall(r"<Key>(.*?)</Key>", every) == ["a/1", "a/2", "b"]
    first = call(local_cloud, "GET", f"{place}?uploads&prefix=a/&max-uploads=1").text
    marks = re.findall(r"<Next(?:Key|UploadId)Marker>(.*?)<", first)
    assert (re.findall(r"<Key>(.*?)</Key>", first), marks) == (["a/1"], ["a/1", sessions["a/1"]])
    rest = call(local_cloud, "GET", f"{place}?uploads&prefix=a/&key-marker={marks[0]}&upload-id-marker={marks[1]}").text
    assert (re.findall(r"<Key>(.*?)</Key>", rest), "<IsTruncated>false<" in rest) == (["a/2"], True)
    upload = f"{place}/b?uploadId={sessions['b']}"
    for number in (2, 1, 3):
        assert call(local_cloud, "PUT", f"{upload}&partNumber={number}", data=b"x" * number).status_code == 200
    shown = call(local_cloud, "GET", f"{upload}&max-parts=2").text
    assert re.findall(r"<PartNumber>(\d)</PartNumber><ETag>.{34}</ETag><Size>(\d)<", shown) == [("1", "1"), ("2", "2")]
    assert "<NextPartNumberMarker>2</NextPartNumberMarker>" in shown
    assert "<Size>3<" in call(local_cloud, "GET", f"{upload}&part-number-marker=2").text
    assert call(local_cloud, "DELETE", upload).status_code == 204
    assert call(local_cloud, "GET", upload).status_code == 404


def test_buckets_say_their_place_and_whether_they_keep_versions(
    local_cloud: LocalCloud, bucket: storage.Bucket
) -> None:
    """As clients of S3 ask before they begin."""
    kept = new_bucket(bucket.client, versioning_enabled=True)
    assert "<LocationConstraint>US-CENTRAL1<" in call(local_cloud, "GET", f"/{kept.name}?location").text
    assert "<Status>Enabled</Status>" in call(local_cloud, "GET", f"/{kept.name}?versioning").text
    assert "Status" not in call(local_cloud, "GET", f"/{bucket.name}?versioning").text
