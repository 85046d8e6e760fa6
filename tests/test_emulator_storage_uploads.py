"""Every way in which clients upload: whole, with metadata, resumable, in parallel parts; and what is refused."""

import base64
import hashlib
import io
import json
import random
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import google_crc32c
import pytest
import requests
from google.cloud import storage
from googleapiclient.discovery import build
from googleapiclient.http import MediaFileUpload
from hypothesis import given, settings
from hypothesis import strategies as st

from infra.emulator.errors import ApiError
from infra.emulator.storage_resumable import span_of
from tests.cloud import LocalCloud
from tests.storage import call, new_bucket, reason, storage_client

CONTENT = random.Random(2).randbytes(1_500_000)
QUANTUM = 256 * 1024


@pytest.fixture(scope="module")
def client(local_cloud: LocalCloud) -> Iterator[storage.Client]:
    """Google's client."""
    client = storage_client(local_cloud)
    yield client
    client.close()


@pytest.fixture(scope="module")
def bucket(client: storage.Client) -> storage.Bucket:
    """One bucket for every test: names differ."""
    return new_bucket(client)


def md5(content: bytes) -> str:
    """Return the checksum as the service writes it."""
    return base64.b64encode(hashlib.md5(content).digest()).decode()


def crc32c(content: bytes) -> str:
    """Return the checksum as the service writes it."""
    return base64.b64encode(google_crc32c.value(content).to_bytes(4, "big")).decode()


def begin(cloud: LocalCloud, bucket: storage.Bucket, name: str, **metadata: object) -> str:
    """Begin a resumable upload; return its address."""
    path = f"/upload/storage/v1/b/{bucket.name}/o?uploadType=resumable"
    answer = call(cloud, "POST", path, json={"name": name, **metadata}, headers={"X-Upload-Content-Type": "a/b"})
    assert answer.status_code == 200, answer.text
    return answer.headers["location"]


def send(address: str, content: bytes, span: str, **headers: str) -> requests.Response:
    """Send a chunk, or ask."""
    return requests.put(address, data=content, headers={"Content-Range": span, **headers}, timeout=30)


def test_a_media_upload_keeps_its_type(local_cloud: LocalCloud, bucket: storage.Bucket) -> None:
    """A body alone becomes an object with the request's content type and both checksums."""
    path = f"/upload/storage/v1/b/{bucket.name}/o?uploadType=media&name=media%2Fa"
    body = call(local_cloud, "POST", path, data=CONTENT, headers={"Content-Type": "text/csv"}).json()
    assert (body["name"], body["size"], body["contentType"]) == ("media/a", str(len(CONTENT)), "text/csv")
    assert (body["md5Hash"], body["crc32c"]) == (md5(CONTENT), crc32c(CONTENT))
    assert body["selfLink"] == f"{local_cloud.url}/storage/v1/b/{bucket.name}/o/media%2Fa"
    assert requests.get(body["mediaLink"], timeout=30).content == CONTENT
    chunked = call(local_cloud, "POST", path, data=iter([b"a", b"b"])).json()
    assert (chunked["size"], chunked["contentType"]) == ("2", "application/octet-stream")


@settings(max_examples=60, deadline=None)
@given(
    content=st.binary(max_size=300) | st.text("-\r\nbB", max_size=60).map(str.encode),
    newline=st.sampled_from(["\r\n", "\n"]),
)
def test_related_parts_are_taken_apart(
    local_cloud: LocalCloud, bucket: storage.Bucket, content: bytes, newline: str
) -> None:
    """Whatever the bytes and the line ends, the second part arrives unchanged."""
    n = newline.encode()
    metadata = json.dumps({"name": "related", "metadata": {"k": "v"}}).encode()
    head = n.join([b"--bound", b"Content-Type: application/json", b"", metadata, b"--bound", b"Content-Type: a/b", b""])
    path = f"/upload/storage/v1/b/{bucket.name}/o?uploadType=multipart"
    headers = {"Content-Type": 'multipart/related; boundary="bound"'}
    body = call(local_cloud, "POST", path, data=head + n + content + n + b"--bound--" + n, headers=headers).json()
    assert (body["contentType"], body["metadata"]) == ("a/b", {"k": "v"})
    assert requests.get(body["mediaLink"], timeout=30).content == content


def test_wrong_checksums_are_refused(local_cloud: LocalCloud, bucket: storage.Bucket) -> None:
    """Bytes that are not those the client meant to send become no object, whichever way it says so."""
    path = f"/upload/storage/v1/b/{bucket.name}/o?uploadType=media&name=wrong"
    for headers in (
        {"X-Goog-Hash": "crc32c=AAAAAA=="},
        {"X-Goog-Hash": f"md5={md5(b'y')}"},
        {"Content-MD5": md5(b"y")},
    ):
        answer = call(local_cloud, "POST", path, data=b"x", headers=headers)
        assert (answer.status_code, reason(answer)) == (400, "invalid")
        assert "doesn't match calculated" in answer.json()["error"]["message"]
    address = begin(local_cloud, bucket, "wrong", md5Hash=md5(b"other"))
    assert send(address, b"x", "bytes 0-0/1").status_code == 400
    right = begin(local_cloud, bucket, "right")
    assert send(right, b"x", "bytes 0-0/1", **{"X-Goog-Hash": f"crc32c={crc32c(b'y')}"}).status_code == 400
    assert bucket.get_blob("wrong") is None
    assert bucket.get_blob("right") is None
    good = call(local_cloud, "POST", path, data=b"x", headers={"X-Goog-Hash": f"crc32c={crc32c(b'x')},md5={md5(b'x')}"})
    assert good.status_code == 200


def test_refusals_come_before_and_after_the_bytes(local_cloud: LocalCloud, bucket: storage.Bucket) -> None:
    """A missing bucket, name, type or boundary, and metadata of the wrong form are each a clear refusal."""
    path = f"/upload/storage/v1/b/{bucket.name}/o"
    related = {"Content-Type": "multipart/related; boundary=b"}
    for query, headers, body, expected in [
        ("?uploadType=media", {}, b"x", (400, "required")),
        ("?uploadType=what&name=a", {}, b"x", (400, "invalidParameter")),
        ("?uploadType=multipart", {}, b"x", (400, "badRequest")),
        ("?uploadType=multipart", related, b"nothing\n", (400, "badRequest")),
        ("?uploadType=multipart", related, b"--b\n\n{bad\n--b\n\nx\n--b--", (400, "parseError")),
        ("?uploadType=multipart", related, b'--b\n\n{"size": [1]}\n--b\n\nx\n--b--', (400, "invalid")),
        ("?uploadType=multipart", related, b'--b\n\n{"name": "cut"}\n--b\n\nx', (400, "badRequest")),
        ("?uploadType=resumable&name=a", {}, b"{bad", (400, "parseError")),
        ("?uploadType=resumable&upload_id=none", {}, b"x", (404, "notFound")),
    ]:
        answer = call(local_cloud, "PUT" if "none" in query else "POST", path + query, data=body, headers=headers)
        assert (answer.status_code, reason(answer)) == expected, answer.text
    missing = call(local_cloud, "POST", "/upload/storage/v1/b/no-such-bucket/o?uploadType=media&name=a", data=CONTENT)
    assert (missing.status_code, reason(missing)) == (404, "notFound")
    assert bucket.get_blob("cut") is None


def test_chunks_are_acknowledged_and_joined(local_cloud: LocalCloud, bucket: storage.Bucket) -> None:
    """Chunks answer 308 with what is there, a question too, bytes sent again are skipped, the last one answers 200."""
    address = begin(local_cloud, bucket, "chunks", metadata={"k": "v"})
    assert "range" not in send(address, b"", "bytes */*").headers
    first = send(address, CONTENT[:QUANTUM], f"bytes 0-{QUANTUM - 1}/*")
    assert (first.status_code, first.headers["range"]) == (308, f"bytes=0-{QUANTUM - 1}")
    asked = send(address, b"", f"bytes */{len(CONTENT)}")
    assert (asked.status_code, asked.headers["range"]) == (308, f"bytes=0-{QUANTUM - 1}")
    again = send(address, CONTENT[100 : 2 * QUANTUM + 100], f"bytes 100-{2 * QUANTUM + 99}/{len(CONTENT)}")
    assert again.headers["range"] == f"bytes=0-{2 * QUANTUM + 99}"
    rest = 2 * QUANTUM + 100
    last = send(address, CONTENT[rest:], f"bytes {rest}-{len(CONTENT) - 1}/{len(CONTENT)}")
    assert (last.status_code, last.json()["md5Hash"]) == (200, md5(CONTENT))
    assert (last.json()["contentType"], last.json()["metadata"]) == ("a/b", {"k": "v"})
    assert send(address, b"", "bytes */*").json()["generation"] == last.json()["generation"]
    assert bucket.blob("chunks").download_as_bytes() == CONTENT


def test_an_upload_of_unknown_size_ends_with_its_size(local_cloud: LocalCloud, bucket: storage.Bucket) -> None:
    """Chunks with `/*` go on until a request names the total, with bytes or without."""
    address = begin(local_cloud, bucket, "unknown")
    send(address, CONTENT[:QUANTUM], f"bytes 0-{QUANTUM - 1}/*")
    assert send(address, b"", f"bytes */{QUANTUM}").json()["size"] == str(QUANTUM)
    empty = begin(local_cloud, bucket, "nothing")
    assert send(empty, b"", "bytes */0").json()["size"] == "0"
    whole = requests.put(begin(local_cloud, bucket, "at-once"), data=CONTENT, timeout=30)
    assert whole.json()["size"] == str(len(CONTENT))


def test_chunks_that_cannot_be_are_refused(local_cloud: LocalCloud, bucket: storage.Bucket) -> None:
    """A gap, a chunk that is too small, a range that is none, and a body of another length are 400s."""
    address = begin(local_cloud, bucket, "bad")
    for content, span in [
        (b"x" * QUANTUM, f"bytes 10-{QUANTUM + 9}/*"),
        (b"x" * 10, "bytes 0-9/*"),
        (b"x" * 10, "bytes 0-9/1000000"),
        (b"x" * 10, "bytes 9-0/10"),
        (b"x" * 10, "items 0-9/10"),
        (b"x" * 3, "bytes 0-9/10"),
        (b"x" * 30, "bytes 0-9/10"),
    ]:
        assert send(address, content, span).status_code == 400, span
    assert send(address, b"x" * 10, "bytes 0-9/10").json()["size"] == "10"


def test_a_cancelled_upload_is_over(local_cloud: LocalCloud, bucket: storage.Bucket) -> None:
    """Cancelling answers 499, and so does what is sent afterwards."""
    address = begin(local_cloud, bucket, "cancelled")
    send(address, CONTENT[:QUANTUM], f"bytes 0-{QUANTUM - 1}/*")
    assert requests.delete(address, timeout=30).status_code == 499
    assert send(address, b"", "bytes */*").status_code == 499
    assert bucket.get_blob("cancelled") is None


def test_preconditions_of_the_start_hold_at_the_end(local_cloud: LocalCloud, bucket: storage.Bucket) -> None:
    """An object that appears while an upload runs is not overwritten by one that expected nothing."""
    path = f"/upload/storage/v1/b/{bucket.name}/o?uploadType=resumable&name=late&ifGenerationMatch=0"
    address = call(local_cloud, "POST", path).headers["location"]
    bucket.blob("late").upload_from_string("first")
    assert send(address, b"x", "bytes 0-0/1").status_code == 412
    assert call(local_cloud, "POST", path).status_code == 412
    assert bucket.blob("late").download_as_bytes() == b"first"


def test_the_client_uploads_files_and_streams(bucket: storage.Bucket, tmp_path: Path) -> None:
    """Google's client: a file in chunks, a stream without a size, a writer."""
    (tmp_path / "file").write_bytes(CONTENT)
    chunked = bucket.blob("chunked", chunk_size=QUANTUM)
    chunked.upload_from_filename(tmp_path / "file", checksum="md5")
    assert (chunked.size, chunked.md5_hash) == (len(CONTENT), md5(CONTENT))
    stream = bucket.blob("stream")
    stream.upload_from_file(io.BytesIO(CONTENT))
    assert stream.crc32c == crc32c(CONTENT)
    written = bucket.blob("written", chunk_size=QUANTUM)
    with written.open("wb") as file:
        file.write(CONTENT)
    assert written.download_as_bytes() == CONTENT


@pytest.mark.parametrize("resumable", [True, False])
def test_googleapiclient_uploads(
    local_cloud: LocalCloud, bucket: storage.Bucket, tmp_path: Path, resumable: bool
) -> None:
    """The media upload of googleapiclient, in one request and in chunks."""
    (tmp_path / "file").write_bytes(CONTENT)
    service = build(
        "storage", "v1", client_options={"api_endpoint": local_cloud.url + "/storage/v1/"}, developerKey="x"
    )
    media = MediaFileUpload(str(tmp_path / "file"), "text/csv", chunksize=QUANTUM, resumable=resumable)
    request = service.objects().insert(bucket=bucket.name, name="api", media_body=media)
    request.uri = request.uri.replace("https://", "http://")  # the library takes our host, but its own scheme
    body = request.execute()
    assert (body["md5Hash"], body["contentType"]) == (md5(CONTENT), "text/csv")
    service.close()


@given(st.text(max_size=30) | st.from_regex(r"bytes (\d{0,3}-\d{0,3}|\*)/(\d{0,3}|\*)", fullmatch=True))
def test_any_content_range_is_read_or_refused(text: str) -> None:
    """A Content-Range means a span that makes sense, or is refused with 400."""
    try:
        span = span_of(text, 5)
    except ApiError as error:
        assert error.code == 400
    else:
        assert span.start is None or span.end is None or 0 <= span.start < span.end or not text


def test_slow_clients_hold_nobody_up(local_cloud: LocalCloud, bucket: storage.Bucket) -> None:
    """While many uploads hang half-sent, another one is done; what hung leaves no object."""
    with ExitStack() as stack:
        for number in range(50):
            connection = stack.enter_context(socket.create_connection(("127.0.0.1", local_cloud.port)))
            path = f"/upload/storage/v1/b/{bucket.name}/o?uploadType=media&name=hanging-{number}"
            head = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 2000000\r\n\r\n"
            connection.sendall(head.encode() + CONTENT[:300_000])
        bucket.blob("quick").upload_from_string(CONTENT)
        assert bucket.blob("quick").download_as_bytes() == CONTENT
    assert not list(bucket.list_blobs(prefix="hanging"))
