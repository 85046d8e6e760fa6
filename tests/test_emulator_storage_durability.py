"""What survives: acknowledged objects and half-done uploads, a stop, a kill, a crash between two writes."""

import random
import shutil
import socket
import threading
from pathlib import Path

import pytest
import requests
from google.cloud import storage

from infra.emulator import storage_catalog as catalog
from infra.emulator import storage_sessions
from infra.emulator.buckets import insert as insert_bucket
from infra.emulator.calls import Call, Cloud
from infra.emulator.errors import ApiError
from infra.emulator.objects import add_file, bucket_exists, parse_gs_uri, prepare, stored_objects
from infra.emulator.resources import Resources
from infra.emulator.storage_blobs import blob_path, upload_path
from tests.cloud import LocalCloud, start_cloud
from tests.storage import call, storage_client

CONTENT = random.Random(3).randbytes(2_000_000)
QUANTUM = 256 * 1024


def begin(cloud: LocalCloud, name: str) -> str:
    """Begin a resumable upload; return its path and query."""
    answer = call(cloud, "POST", f"/upload/storage/v1/b/kept-bucket/o?uploadType=resumable&name={name}")
    return answer.headers["location"].removeprefix(cloud.url)


def send(cloud: LocalCloud, path: str, content: bytes, span: str) -> requests.Response:
    """Send a chunk, or ask."""
    return call(cloud, "PUT", path, data=content, headers={"Content-Range": span})


@pytest.mark.parametrize("ending", ["stop", "kill"])
def test_objects_and_uploads_outlive_the_process(tmp_path: Path, ending: str) -> None:
    """After a stop or a kill objects, buckets and policies are there, and an upload goes on where it was."""
    cloud = start_cloud(tmp_path)
    client = storage_client(cloud)
    bucket = client.create_bucket("kept-bucket")
    bucket.blob("a/b").upload_from_string("content")
    path = begin(cloud, "half")
    send(cloud, path, CONTENT[: 4 * QUANTUM], f"bytes 0-{4 * QUANTUM - 1}/*")
    client.close()
    getattr(cloud, ending)()

    cloud = start_cloud(tmp_path)
    client = storage_client(cloud)
    bucket = client.get_bucket("kept-bucket")
    assert [blob.name for blob in bucket.list_blobs()] == ["a/b"]
    assert bucket.blob("a/b").download_as_bytes() == b"content"
    assert send(cloud, path, b"", "bytes */*").headers["range"] == f"bytes=0-{4 * QUANTUM - 1}"
    last = send(cloud, path, CONTENT[4 * QUANTUM :], f"bytes {4 * QUANTUM}-{len(CONTENT) - 1}/{len(CONTENT)}")
    assert last.status_code == 200
    assert bucket.blob("half").download_as_bytes(checksum="md5") == CONTENT
    client.close()
    cloud.stop()


def test_a_crash_before_the_last_step_loses_nothing(tmp_path: Path) -> None:
    """Where every byte is there but the answer never came, the question how far the upload is makes the object."""
    cloud = start_cloud(tmp_path)
    call(cloud, "POST", "/storage/v1/b?project=p", json={"name": "kept-bucket"})
    path = begin(cloud, "complete")
    send(cloud, path, CONTENT[:QUANTUM], f"bytes 0-{QUANTUM - 1}/{len(CONTENT)}")
    cloud.kill()
    with upload_path(tmp_path, path.rpartition("=")[2]).open("ab") as file:
        file.write(CONTENT[QUANTUM:])

    cloud = start_cloud(tmp_path)
    assert send(cloud, path, b"", "bytes */*").json()["size"] == str(len(CONTENT))
    assert call(cloud, "GET", "/kept-bucket/complete").content == CONTENT
    cloud.stop()


def test_a_kill_while_bytes_arrive_tears_nothing(tmp_path: Path) -> None:
    """Writers that are killed in the middle leave every acknowledged object whole, and no other."""
    cloud = start_cloud(tmp_path)
    call(cloud, "POST", "/storage/v1/b?project=p", json={"name": "kept-bucket"})
    acknowledged: list[str] = []
    enough = threading.Event()

    def write(writer: int) -> None:
        for number in range(1000):
            name = f"{writer}-{number}"
            path = f"/upload/storage/v1/b/kept-bucket/o?uploadType=media&name={name}"
            try:
                call(cloud, "POST", path, data=CONTENT[:300_000] + name.encode()).raise_for_status()
            except requests.RequestException:
                return
            acknowledged.append(name)
            if len(acknowledged) > 30:
                enough.set()

    threads = [threading.Thread(target=write, args=(writer,)) for writer in range(3)]
    for thread in threads:
        thread.start()
    assert enough.wait(60)
    cloud.kill()
    for thread in threads:
        thread.join()

    cloud = start_cloud(tmp_path)
    client = storage_client(cloud)
    found = {blob.name for blob in client.list_blobs("kept-bucket")}
    assert set(acknowledged) <= found
    assert len(found) <= len(acknowledged) + 3  # what was stored but not yet answered
    for name in found:
        assert client.bucket("kept-bucket").blob(name).download_as_bytes() == CONTENT[:300_000] + name.encode()
    client.close()
    cloud.stop()
    assert not list((tmp_path / "objects" / "uploads").iterdir())


def test_a_client_that_breaks_off_goes_on(local_cloud: LocalCloud) -> None:
    """What arrived before the connection broke is kept, and the client's own recovery sends the rest."""
    call(local_cloud, "POST", "/storage/v1/b?project=p", json={"name": "kept-bucket"})
    path = begin(local_cloud, "broken")
    with socket.create_connection(("127.0.0.1", local_cloud.port)) as connection:
        span = f"bytes 0-{len(CONTENT) - 1}/{len(CONTENT)}"
        head = (
            f"PUT {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Range: {span}\r\nContent-Length: {len(CONTENT)}\r\n\r\n"
        )
        connection.sendall(head.encode() + CONTENT[:1_200_000])
    asked = send(local_cloud, path, b"", "bytes */*")
    received = int(asked.headers.get("range", "bytes=0--1").removeprefix("bytes=0-")) + 1
    assert received <= 1_200_000
    rest = send(local_cloud, path, CONTENT[received:], f"bytes {received}-{len(CONTENT) - 1}/{len(CONTENT)}")
    assert rest.status_code == 200, rest.text
    assert call(local_cloud, "GET", "/kept-bucket/broken").content == CONTENT


@pytest.fixture
def cloud(tmp_path: Path) -> Cloud:
    """A cloud's state without a server, with one bucket."""
    cloud = Cloud(Resources(tmp_path / "cloud.sqlite"), tmp_path, "http://127.0.0.1:1")
    prepare(cloud)
    query = {"project": ["p"]}
    body = {"name": "jobs-bucket", "softDeletePolicy": {"retentionDurationSeconds": "0"}}
    insert_bucket(Call(cloud, "storage.buckets.insert", "storage", "v1", {}, query, body))
    return cloud


def test_jobs_put_files_and_find_objects(cloud: Cloud, tmp_path: Path) -> None:
    """A finished local file becomes an object by link, and is found by prefix as a plain file."""
    (tmp_path / "result").write_bytes(CONTENT)
    made = add_file(cloud, "jobs-bucket", "out/a", tmp_path / "result", "application/json")
    assert (made["size"], made["contentType"]) == (str(len(CONTENT)), "application/json")
    (found,) = stored_objects(cloud, "jobs-bucket", "out/")
    assert (found.name, found.size, str(found.generation)) == ("out/a", len(CONTENT), made["generation"])
    assert found.path.read_bytes() == CONTENT
    assert found.path.stat().st_ino == (tmp_path / "result").stat().st_ino
    assert bucket_exists(cloud, "jobs-bucket")
    assert not bucket_exists(cloud, "other-bucket")
    with pytest.raises(ApiError, match="does not exist"):
        add_file(cloud, "other-bucket", "a", tmp_path / "result")


@pytest.mark.parametrize(
    ("uri", "parts"),
    [("gs://b/a/c", ("b", "a/c")), ("gs://b", ("b", "")), ("gs://b/", ("b", "")), ("gs://b//a", ("b", "/a"))],
)
def test_uris_name_bucket_and_object(uri: str, parts: tuple[str, str]) -> None:
    """A gs:// URI is split at the first slash after the bucket."""
    assert parse_gs_uri(uri) == parts


@pytest.mark.parametrize("uri", ["", "b/a", "gs://", "s3://b/a", "gs:///a"])
def test_other_uris_are_refused(uri: str) -> None:
    """What is no gs:// URI is a 400 that repeats it."""
    with pytest.raises(ApiError, match=repr(uri)):
        parse_gs_uri(uri)


def test_what_a_crash_left_is_swept(cloud: Cloud, tmp_path: Path) -> None:
    """Files that no row names go at the next start; those of objects and open uploads stay."""
    (tmp_path / "result").write_bytes(b"x")
    add_file(cloud, "jobs-bucket", "kept", tmp_path / "result")
    session = storage_sessions.begin(cloud, {})
    for path in (
        blob_path(cloud.state, "ab" * 16),
        upload_path(cloud.state, "lost"),
        upload_path(cloud.state, session),
    ):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
    prepare(cloud)
    left = {path.name for path in (cloud.state / "objects").glob("*/*")}
    assert left == {stored_objects(cloud, "jobs-bucket")[0].blob, session}


def test_bytes_go_with_the_last_object_that_has_them(cloud: Cloud, tmp_path: Path) -> None:
    """Overwriting removes the old bytes from disk, unless another object shares them."""
    for content in (b"1", b"22"):
        (tmp_path / "result").unlink(missing_ok=True)
        (tmp_path / "result").write_bytes(content)
        add_file(cloud, "jobs-bucket", "a", tmp_path / "result")
    (found,) = catalog.scan(cloud, "jobs-bucket", (b"", 0), None, tuple(catalog.State))
    assert [path.name for path in (cloud.state / "objects").glob("*/*")] == [found.blob]


def test_what_a_power_cut_tore_is_gone(cloud: Cloud, tmp_path: Path) -> None:
    """An object whose bytes never reached the disk is not there after the next start; the others are."""
    for name in ("whole", "short", "lost"):
        (tmp_path / name).write_bytes(b"12345")
        add_file(cloud, "jobs-bucket", name, tmp_path / name)
    paths = {found.name: found.path for found in stored_objects(cloud, "jobs-bucket")}
    paths["short"].write_bytes(b"123")
    paths["lost"].unlink()
    prepare(cloud)
    assert [found.name for found in stored_objects(cloud, "jobs-bucket")] == ["whole"]


@pytest.mark.long
def test_large_files_stream(tmp_path: Path) -> None:
    """2 GB go up in three ways, are joined and come down, and the emulator never has 200 MB in memory."""
    cloud = start_cloud(tmp_path / "state")
    client: storage.Client = storage_client(cloud)
    bucket = client.create_bucket("large-bucket")
    size = 2_000_000_000
    with (tmp_path / "source").open("wb") as file:
        file.truncate(size)  # zeros that take no room
    chunked = bucket.blob("chunked", chunk_size=32 << 20)
    chunked.upload_from_filename(tmp_path / "source")
    with (tmp_path / "source").open("rb") as file:
        call(cloud, "PUT", "/large-bucket/put", data=file).raise_for_status()
    bucket.blob("joined").compose([bucket.blob("chunked"), bucket.blob("put")])
    assert bucket.get_blob("joined").size == 2 * size
    with requests.get(f"{cloud.url}/large-bucket/put", stream=True, timeout=60) as answer:
        assert sum(map(len, answer.iter_content(1 << 20))) == size
    assert chunked.crc32c == bucket.get_blob("put").crc32c
    assert peak(cloud) < 200_000
    client.close()
    cloud.stop()
    shutil.rmtree(tmp_path / "state")  # eight gigabytes that pytest would keep


def peak(cloud: LocalCloud) -> int:
    """Return the most memory that the process had, in KB."""
    status = Path(f"/proc/{cloud.process.pid}/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0])
