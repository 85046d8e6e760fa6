"""Writing through the XML API: parts in parallel, plain PUTs and DELETEs."""

import random
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
