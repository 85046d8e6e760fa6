"""Snapshots of the local cloud: whole, taken and brought back while it runs, whatever is under way or is killed."""

import shutil
import socket
import sqlite3
import threading
from pathlib import Path
from typing import Any

import pytest
import requests

from infra.emulator import state_files
from infra.emulator.state_format import FORMAT
from tests.clones import make_clone
from tests.cloud import LocalCloud, start_cloud
from tests.storage import call, storage_client
from tests.test_emulator_process import create, names, run


def content(cloud: LocalCloud) -> dict[str, bytes]:
    """Return every object, and check each against its checksum."""
    client = storage_client(cloud)
    buckets = [bucket.name for bucket in client.list_buckets()]
    blobs = [blob for bucket in buckets for blob in client.list_blobs(bucket)]
    found = {f"{blob.bucket.name}/{blob.name}": blob.download_as_bytes(checksum="crc32c") for blob in blobs}
    client.close()
    return found


def put(cloud: LocalCloud, name: str, data: bytes) -> None:
    """Upload an object, and fail unless that is acknowledged."""
    path = f"/upload/storage/v1/b/kept-bucket/o?uploadType=media&name={name}"
    call(cloud, "POST", path, data=data).raise_for_status()


def post(cloud: LocalCloud, path: str, **arguments: Any) -> dict[str, Any]:
    """Call an admin route that must succeed."""
    answer = call(cloud, "POST", f"/_local/{path}", **arguments)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def furnish(cloud: LocalCloud) -> None:
    """Make a bucket with two objects, and a repository."""
    call(cloud, "POST", "/storage/v1/b?project=local-project", json={"name": "kept-bucket"}).raise_for_status()
    put(cloud, "a", b"first")
    put(cloud, "b", b"x" * 300_000)
    create(cloud, "one")


def test_a_snapshot_brings_everything_back(tmp_path: Path) -> None:
    """After any change a restore gives the same objects, resources, faults, clock and half-done uploads; twice too."""
    cloud = start_cloud(tmp_path)
    furnish(cloud)
    call(cloud, "POST", "/_local/clock", json={"advanceSeconds": 5000})
    begun = call(cloud, "POST", "/upload/storage/v1/b/kept-bucket/o?uploadType=resumable&name=half")
    path = begun.headers["location"].removeprefix(cloud.url)
    call(cloud, "PUT", path, data=b"y" * 262144, headers={"Content-Range": "bytes 0-262143/*"})
    before = content(cloud)
    assert len(before) == 2
    made = post(cloud, "snapshots", json={"name": "base"})
    assert (made["name"], made["objects"], made["bytes"], made["format"]) == ("base", 2, 300_005, FORMAT)
    for round_ in range(2):
        put(cloud, "a", b"changed")
        put(cloud, f"new-{round_}", b"new")
        call(cloud, "DELETE", "/storage/v1/b/kept-bucket/o/b")
        create(cloud, "two")
        call(cloud, "PUT", path, data=b"z" * 262144, headers={"Content-Range": "bytes 262144-524287/*"})
        post(cloud, "clock")
        post(cloud, "snapshots/base/restore")
        assert content(cloud) == before
        assert names(cloud) == ["one"]
        assert call(cloud, "GET", "/_local/clock").json()["aheadSeconds"] == 5000
        asked = call(cloud, "PUT", path, headers={"Content-Range": "bytes */*"})
        assert asked.headers["range"] == "bytes=0-262143"
    cloud.kill()
    cloud = start_cloud(tmp_path)
    assert (content(cloud), names(cloud)) == (before, ["one"])
    post(cloud, "reset")
    assert content(cloud) == {}
    assert names(cloud) == []
    assert [one["name"] for one in call(cloud, "GET", "/_local/snapshots").json()["snapshots"]] == ["base"]
    post(cloud, "snapshots/base/restore")
    assert content(cloud) == before
    cloud.stop()
    assert (tmp_path / "emulator.stderr").read_text() == ""


@pytest.mark.long
def test_a_snapshot_is_one_moment_while_writers_write(tmp_path: Path) -> None:
    """Taken and brought back among four writers, it holds each writer's objects without a gap, and whole."""
    cloud = start_cloud(tmp_path)
    furnish(cloud)
    stop = threading.Event()

    def write(writer: int) -> None:
        number = 0
        while not stop.is_set():
            put(cloud, f"w{writer}-{number:04}", f"{writer}-{number}".encode() * 2000)
            number += 1

    writers = [threading.Thread(target=write, args=(writer,)) for writer in range(4)]
    for one in writers:
        one.start()
    for number in range(3):
        stop.wait(0.3)
        post(cloud, "snapshots", json={"name": f"while-{number}"})
    stop.set()
    for one in writers:
        one.join()
    for number in range(3):
        post(cloud, f"snapshots/while-{number}/restore")
        found = content(cloud)
        for writer in range(4):
            own = sorted(name for name in found if name.startswith(f"kept-bucket/w{writer}-"))
            assert own == [f"kept-bucket/w{writer}-{index:04}" for index in range(len(own))]
            assert all(found[name] == f"{writer}-{index}".encode() * 2000 for index, name in enumerate(own))
    cloud.stop()


@pytest.mark.long
def test_restoring_among_requests_loses_none_of_them(tmp_path: Path) -> None:
    """Requests wait while the state is replaced; one that never ends is broken off and holds nothing up."""
    cloud = start_cloud(tmp_path)
    furnish(cloud)
    post(cloud, "snapshots", json={"name": "base"})
    statuses: list[int] = []
    stop = threading.Event()

    def read() -> None:
        with requests.Session() as session:
            while not stop.is_set():
                answer = session.get(f"{cloud.url}/kept-bucket/a", timeout=60)
                statuses.append(answer.status_code)

    readers = [threading.Thread(target=read) for _ in range(4)]
    for one in readers:
        one.start()
    with socket.create_connection(("127.0.0.1", cloud.port)) as slow:
        path = "/upload/storage/v1/b/kept-bucket/o?uploadType=media&name=slow"
        slow.sendall(f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 9000\r\n\r\nabc".encode())
        for _ in range(3):
            post(cloud, "snapshots/base/restore")
    stop.set()
    for one in readers:
        one.join()
    assert set(statuses) == {200}
    assert set(content(cloud)) == {"kept-bucket/a", "kept-bucket/b"}
    cloud.stop()
    assert "Traceback" not in (tmp_path / "emulator.stderr").read_text()


@pytest.mark.parametrize(
    "moved", [1, *(pytest.param(n, marks=pytest.mark.long) for n in range(len(state_files.PIECES) + 1) if n != 1)]
)
def test_a_restore_that_is_killed_goes_on_at_the_next_start(tmp_path: Path, moved: int) -> None:
    """Killed after any of its steps, the state is the snapshot's: never a mixture."""
    cloud = start_cloud(tmp_path)
    furnish(cloud)
    before = content(cloud)
    assert len(before) == 2
    post(cloud, "snapshots", json={"name": "base"})
    put(cloud, "a", b"changed")
    create(cloud, "two")
    cloud.kill()
    state_files.agree(tmp_path, state_files.stage(tmp_path, tmp_path / "snapshots" / "base"))
    for name in state_files.PIECES[:moved]:  # as put_in_place does it, a step at a time
        if name == state_files.DATABASE:
            for suffix in ("-wal", "-shm", ""):
                (tmp_path / f"{name}{suffix}").unlink(missing_ok=True)
        else:
            shutil.rmtree(tmp_path / name, ignore_errors=True)
        (tmp_path / state_files.STAGED / name).rename(tmp_path / name)
    cloud = start_cloud(tmp_path)
    assert (content(cloud), names(cloud)) == (before, ["one"])
    cloud.stop()


def test_a_restore_that_was_only_prepared_changes_nothing(tmp_path: Path) -> None:
    """Before the one rename that decides, the old state is the state."""
    cloud = start_cloud(tmp_path)
    furnish(cloud)
    post(cloud, "snapshots", json={"name": "base"})
    put(cloud, "a", b"changed")
    cloud.kill()
    state_files.stage(tmp_path, tmp_path / "snapshots" / "base")
    cloud = start_cloud(tmp_path)
    assert content(cloud)["kept-bucket/a"] == b"changed"
    assert not (tmp_path / state_files.STAGING).exists()
    cloud.stop()


def test_names_are_checked_and_stay_in_their_folder(local_cloud: LocalCloud) -> None:
    """A snapshot's name is one part of a path; what is taken, or missing, is said."""
    for name in ("", "..", "../x", "a/b", ".making", "A", "x" * 64, "a\x00"):
        refused = call(local_cloud, "POST", "/_local/snapshots", json={"name": name})
        assert refused.status_code == 400, name
    post(local_cloud, "snapshots", json={"name": "taken"})
    assert call(local_cloud, "POST", "/_local/snapshots", json={"name": "taken"}).status_code == 409
    missing = call(local_cloud, "POST", "/_local/snapshots/missing/restore")
    assert (missing.status_code, missing.json()["error"]["message"]) == (
        404,
        "No snapshot 'missing'; there are: taken.",
    )
    assert call(local_cloud, "DELETE", "/_local/snapshots/taken").status_code == 200
    assert call(local_cloud, "DELETE", "/_local/snapshots/taken").status_code == 404
    foreign = call(local_cloud, "POST", "/_local/reset", headers={"Origin": "http://evil.example"})
    assert foreign.status_code == 403


def numbered(path: Path, number: int) -> None:
    """Write a format's number into a database."""
    database = sqlite3.connect(path)
    database.execute(f"PRAGMA user_version = {number}")
    database.close()


def test_a_newer_format_is_refused_an_older_one_brought_up(tmp_path: Path) -> None:
    """State of a later version is not touched and named in one line; that of before there were numbers is taken."""
    cloud = start_cloud(tmp_path)
    furnish(cloud)
    cloud.stop()
    file = tmp_path / "cloud.sqlite"
    numbered(file, FORMAT + 1)
    whole = file.read_bytes()
    refused = run("--port", "0", "--state", str(tmp_path))
    (line,) = refused.stderr.splitlines()
    assert refused.returncode == 2
    assert f"has format {FORMAT + 1}, this local cloud knows up to {FORMAT}. Update it" in line
    assert file.read_bytes() == whole
    numbered(file, 0)
    cloud = start_cloud(tmp_path)
    assert names(cloud) == ["one"]
    cloud.stop()
    database = sqlite3.connect(file)
    assert database.execute("PRAGMA user_version").fetchone() == (FORMAT,)
    database.close()


@pytest.mark.long
def test_the_tasks_keep_the_stack_with_the_cloud(tmp_path: Path) -> None:
    """`invoke local.snapshot` and `local.restore` keep both sides in step; `local.reset` leaves snapshots alone."""
    clone = make_clone(tmp_path)
    url = clone.facts("local.start")["url"]
    stack = clone.path / "infra/stacks/Pulumi.local.yaml"
    deployment = clone.path / ".local/stacks/state.json"
    try:
        deployment.parent.mkdir(parents=True)
        deployment.write_text("before")
        stack.write_text(f"{stack.read_text()}  keras-batch-prediction:region: europe-west4\n")
        whole = stack.read_text()
        create_bucket = {"json": {"name": "task-bucket"}, "timeout": 30}
        requests.post(f"{url}/storage/v1/b?project=p", **create_bucket).raise_for_status()  # type: ignore[arg-type]
        assert clone.facts("local.snapshot", "base")["name"] == "base"
        assert "There is a snapshot 'base'" in clone.invoke("local.snapshot", "base").stderr
        assert clone.facts("local.snapshot", "base", "--replace")["name"] == "base"
        deployment.write_text("after")
        stack.write_text(whole.replace("europe-west4", "us-east1"))
        requests.delete(f"{url}/storage/v1/b/task-bucket", timeout=30).raise_for_status()
        asking = clone.invoke("local.restore", "base").stderr
        assert "Nobody is there to ask. Run: invoke local.restore base --yes" in asking
        assert clone.facts("local.restore", "base", "--yes")["stack"]
        assert requests.get(f"{url}/storage/v1/b/task-bucket", timeout=30).status_code == 200
        assert (deployment.read_text(), stack.read_text()) == ("before", whole)
        clone.facts("local.reset", "--yes")
        clone.facts("local.start")
        assert [one["name"] for one in clone.facts("local.snapshots")["snapshots"]] == ["base"]
        assert clone.facts("local.restore", "base", "--yes")["name"] == "base"
        assert requests.get(f"{url}/storage/v1/b/task-bucket", timeout=30).status_code == 200
        assert clone.facts("local.snapshots", "--remove", "base")["snapshots"] == []
    finally:
        clone.invoke("local.stop")
