"""Reading objects: ranges, headers, checksums, gzip, plain HTTP readers, parallel downloads."""

import gzip
import io
import random
from collections.abc import Iterator
from pathlib import Path

import pytest
from google.api_core import exceptions
from google.cloud import storage
from google.cloud.storage import transfer_manager
from googleapiclient.discovery import build
from googleapiclient.http import MediaIoBaseDownload
from hypothesis import given, settings
from hypothesis import strategies as st

from infra.emulator.storage_content import byte_range
from tests.cloud import LocalCloud
from tests.storage import call, new_bucket, storage_client

CONTENT = random.Random(1).randbytes(3_000_000)  # more than one piece


@pytest.fixture(scope="module")
def client(local_cloud: LocalCloud) -> Iterator[storage.Client]:
    """Google's client."""
    client = storage_client(local_cloud)
    yield client
    client.close()


@pytest.fixture(scope="module")
def blob(client: storage.Client) -> storage.Blob:
    """An object with CONTENT."""
    blob = new_bucket(client).blob("dir/content.bin")
    blob.metadata = {"Key": "välue"}
    blob.upload_from_string(CONTENT, content_type="application/x-thing")
    return blob


numbers = st.integers(0, 3_000_100)


@settings(max_examples=80, deadline=None)
@given(start=st.none() | numbers, end=st.none() | numbers)
def test_ranges_are_slices(local_cloud: LocalCloud, blob: storage.Blob, start: int | None, end: int | None) -> None:
    """Every Range answers the bytes that Python's slice has, with 206 and Content-Range, or 416, or the whole."""
    header = f"bytes={'' if start is None else start}-{'' if end is None else end}"
    path = f"/storage/v1/b/{blob.bucket.name}/o/dir%2Fcontent.bin?alt=media"
    answer = call(local_cloud, "GET", path, headers={"Range": header})
    size = len(CONTENT)
    if (start is None and end is None) or (start is not None and end is not None and end < start):
        assert (answer.status_code, len(answer.content)) == (200, size)
        return
    low = max(size - (end or 0), 0) if start is None else start
    high = size if start is None or end is None else min(end + 1, size)
    if low >= high:
        assert (answer.status_code, answer.headers["content-range"]) == (416, f"bytes */{size}")
        return
    assert answer.status_code == 206
    assert answer.content == CONTENT[low:high]
    assert answer.headers["content-range"] == f"bytes {low}-{high - 1}/{size}"


@given(text=st.text(max_size=20) | st.from_regex(r"bytes=\d{0,3}-\d{0,3}", fullmatch=True), size=st.integers(0, 500))
def test_any_range_header_is_a_range_or_none(text: str, size: int) -> None:
    """Whatever a client writes, the range lies inside of the content, is empty, or is not there."""
    found = byte_range(text, size)
    assert found is None or found[0] >= found[1] or 0 <= found[0] < found[1] <= size


def test_the_client_reads_wholes_parts_and_files(blob: storage.Blob, tmp_path: Path) -> None:
    """Google's client reads bytes, ranges, files and streams, and its checksum check passes."""
    assert blob.download_as_bytes() == CONTENT
    assert blob.download_as_bytes(start=10, end=19) == CONTENT[10:20]
    assert blob.download_as_bytes(start=2_999_990) == CONTENT[-10:]
    blob.download_to_filename(tmp_path / "whole", checksum="md5")
    assert (tmp_path / "whole").read_bytes() == CONTENT
    with blob.open("rb", chunk_size=1 << 20) as file:
        file.seek(1_000_000)
        assert file.read(100) == CONTENT[1_000_000:1_000_100]
    with pytest.raises(exceptions.RequestRangeNotSatisfiable):
        blob.download_as_bytes(start=5_000_000)


def test_an_empty_object_reads_as_nothing(blob: storage.Blob) -> None:
    """An object without bytes is read like any other."""
    empty = blob.bucket.blob("empty")
    empty.upload_from_string(b"")
    assert empty.download_as_bytes() == b""
    assert empty.size == 0


def test_headers_describe_the_object(local_cloud: LocalCloud, blob: storage.Blob) -> None:
    """A read carries type, checksums, versions and metadata; HEAD carries the same without bytes."""
    for path in (
        f"/{blob.bucket.name}/dir/content.bin",
        f"/download/storage/v1/b/{blob.bucket.name}/o/dir%2Fcontent.bin",
    ):
        read, head = (call(local_cloud, verb, path, params={"alt": "media"}) for verb in ("GET", "HEAD"))
        assert read.content == CONTENT
        assert head.content == b""
        changing = {"date", "server", "x-request-id"}
        headers = {name.lower(): value for name, value in read.headers.items() if name.lower() not in changing}
        assert headers == {name.lower(): value for name, value in head.headers.items() if name.lower() not in changing}
        assert headers["content-length"] == str(len(CONTENT))
        assert headers["content-type"] == "application/x-thing"
        assert headers["x-goog-hash"] == f"crc32c={blob.crc32c},md5={blob.md5_hash}"
        assert headers["x-goog-generation"] == str(blob.generation)
        assert headers["x-goog-meta-key"] == "v%C3%A4lue"


def test_plain_readers_get_xml_refusals(local_cloud: LocalCloud, blob: storage.Blob) -> None:
    """`/<bucket>/<object>` serves signed URLs too, and says in XML what is not there."""
    path = f"/{blob.bucket.name}/dir/content.bin?response-content-type=text/plain"
    assert call(local_cloud, "GET", path).headers["content-type"].startswith("text/plain")
    missing = call(local_cloud, "GET", f"/{blob.bucket.name}/none")
    assert (missing.status_code, missing.headers["content-type"]) == (404, "application/xml; charset=UTF-8")
    assert "<Code>NoSuchKey</Code>" in missing.text
    assert "<Code>NoSuchBucket</Code>" in call(local_cloud, "GET", "/no-such-bucket/none").text


def test_a_known_version_is_not_sent_again(local_cloud: LocalCloud, blob: storage.Blob) -> None:
    """A read with the etag or generation that the client has is a 304 without a body."""
    path = f"/storage/v1/b/{blob.bucket.name}/o/dir%2Fcontent.bin?alt=media"
    etag = call(local_cloud, "HEAD", path).headers["etag"]
    assert call(local_cloud, "GET", path, headers={"If-None-Match": etag}).status_code == 304
    assert call(local_cloud, "GET", f"{path}&ifGenerationNotMatch={blob.generation}").status_code == 304


def test_gzip_is_taken_off_for_those_who_do_not_want_it(local_cloud: LocalCloud, blob: storage.Blob) -> None:
    """An object stored as gzip goes out as it is to clients that accept it, decompressed to others."""
    packed = blob.bucket.blob("packed.txt")
    packed.content_encoding = "gzip"
    content = gzip.compress(b"text " * 500_000)
    packed.upload_from_string(content, content_type="text/plain")
    assert packed.download_as_bytes(raw_download=True) == content
    assert packed.download_as_bytes() == b"text " * 500_000
    path = f"/download/storage/v1/b/{blob.bucket.name}/o/packed.txt?alt=media"
    plain = call(local_cloud, "GET", path, headers={"Accept-Encoding": "identity"})
    assert plain.content == b"text " * 500_000
    assert "content-encoding" not in plain.headers
    assert call(local_cloud, "GET", path, headers={"Accept-Encoding": "gzip;q=0, br"}).content == plain.content
    packed.cache_control = "no-transform"
    packed.patch()
    with call(local_cloud, "GET", path, headers={"Accept-Encoding": "identity"}, stream=True) as fixed:
        assert fixed.raw.read() == content


def test_parallel_downloads_put_the_chunks_together(blob: storage.Blob, tmp_path: Path) -> None:
    """transfer_manager's chunks and many files come out whole."""
    transfer_manager.download_chunks_concurrently(
        blob, tmp_path / "chunks", chunk_size=700_000, worker_type=transfer_manager.THREAD, max_workers=3
    )
    assert (tmp_path / "chunks").read_bytes() == CONTENT
    folder = str(tmp_path / "many")
    transfer_manager.download_many_to_path(
        blob.bucket,
        [blob.name],
        destination_directory=folder,
        worker_type=transfer_manager.THREAD,
        raise_exception=True,
    )
    assert (tmp_path / "many" / blob.name).read_bytes() == CONTENT


def test_googleapiclient_downloads_in_chunks(local_cloud: LocalCloud, blob: storage.Blob) -> None:
    """MediaIoBaseDownload reads an object in pieces."""
    service = build(
        "storage", "v1", client_options={"api_endpoint": local_cloud.url + "/storage/v1/"}, developerKey="x"
    )
    received = io.BytesIO()
    request = service.objects().get_media(bucket=blob.bucket.name, object=blob.name)
    download, done = MediaIoBaseDownload(received, request, chunksize=1 << 20), False
    while not done:
        _, done = download.next_chunk()
    assert received.getvalue() == CONTENT
    service.close()
