"""The running local cloud under many clients at once, kills in the middle, a full disk, a long day."""

import contextlib
import random
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest
import requests

from infra.cloud_bench.calls import rate
from tests.cloud import LocalCloud, start_cloud
from tests.state import problems_of
from tests.storage import call, new_bucket, storage_client

UPLOAD = "/upload/storage/v1/b/kept-bucket/o?uploadType=media&name="
RETRIED = {409, 412}  # somebody else was first: read again


def bind(cloud: LocalCloud, get: tuple[str, str], put: tuple[str, str], member: str) -> None:
    """Add a member to a policy as clients do: read, write under the etag, again where somebody was first."""
    role = {"role": "roles/storage.objectViewer", "members": [member]}
    with requests.Session() as session:
        while True:
            policy = session.request(
                get[0], cloud.url + get[1], json={} if get[0] == "POST" else None, timeout=120
            ).json()
            policy["bindings"] = [*policy.get("bindings", []), role]
            wrapped = {"policy": policy} if put[0] == "POST" else policy
            status = session.request(put[0], cloud.url + put[1], json=wrapped, timeout=120).status_code
            if status not in RETRIED:
                assert status == 200
                return
            time.sleep(random.random() / 10)


@pytest.mark.long
def test_two_hundred_clients_lose_no_update(tmp_path: Path) -> None:
    """200 clients at once on one bucket, its policy, its labels and the project's policy: nobody's write is lost."""
    cloud = start_cloud(tmp_path)
    call(cloud, "POST", "/storage/v1/b?project=p", json={"name": "kept-bucket"}).raise_for_status()
    together = threading.Barrier(200)
    failed: list[BaseException] = []
    project = "/cloudresourcemanager/v1/projects/p"

    def work(number: int) -> None:
        try:
            together.wait(60)
            member = f"user:client-{number}@example.com"
            requests.post(f"{cloud.url}{UPLOAD}o-{number}", data=b"x", timeout=120).raise_for_status()
            bind(cloud, ("GET", "/storage/v1/b/kept-bucket/iam"), ("PUT", "/storage/v1/b/kept-bucket/iam"), member)
            bind(cloud, ("POST", f"{project}:getIamPolicy"), ("POST", f"{project}:setIamPolicy"), member)
            label_it(cloud, f"client-{number}")
        except BaseException as error:
            failed.append(error)
            raise

    threads = [threading.Thread(target=work, args=(number,)) for number in range(200)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failed, failed[0]
    everybody = {f"user:client-{number}@example.com" for number in range(200)}
    bucket = call(cloud, "GET", "/storage/v1/b/kept-bucket/iam").json()
    whole = call(cloud, "POST", f"{project}:getIamPolicy", json={}).json()
    for policy in (bucket, whole):
        members = {member for binding in policy["bindings"] for member in binding["members"]}
        assert everybody <= members
    assert len(call(cloud, "GET", "/storage/v1/b/kept-bucket/o?fields=items(name)").json()["items"]) == 200
    labels = call(cloud, "GET", "/storage/v1/b/kept-bucket").json()["labels"]
    assert sum(map(int, labels.values())) == 200
    cloud.stop()
    assert problems_of(tmp_path) == []


def label_it(cloud: LocalCloud, _: str) -> None:
    """Count one of ten labels up under the bucket's metageneration."""
    label = f"count-{random.randrange(10)}"
    while True:
        found = call(cloud, "GET", "/storage/v1/b/kept-bucket").json()
        value = str(int(found.get("labels", {}).get(label, "0")) + 1)
        path = f"/storage/v1/b/kept-bucket?ifMetagenerationMatch={found['metageneration']}"
        status = call(cloud, "PATCH", path, json={"labels": {label: value}}).status_code
        if status != 412:
            assert status == 200
            return
        time.sleep(random.random() / 10)


def write_on(cloud: LocalCloud, prefix: str, acknowledged: dict[str, bytes]) -> None:
    """Overwrite and add objects until the cloud is gone; note what was acknowledged."""
    with requests.Session() as session:
        for number in range(10_000):
            name, data = f"{prefix}-{number % 7}", f"{prefix}/{number}/".encode() * random.randrange(1, 20_000)
            try:
                session.post(f"{cloud.url}{UPLOAD}{quote(name)}", data=data, timeout=30).raise_for_status()
            except requests.RequestException:
                acknowledged.setdefault(f"maybe {name}", data)
                return
            acknowledged[name] = data


@pytest.mark.long
def test_fifty_kills_lose_nothing_and_tear_nothing(tmp_path: Path) -> None:
    """Four writers, fifty kills in the middle: each object is the last one acknowledged, or the one under way."""
    kept: dict[str, bytes] = {}
    for round_ in range(50):
        cloud = start_cloud(tmp_path)
        if not round_:
            call(cloud, "POST", "/storage/v1/b?project=p", json={"name": "kept-bucket"}).raise_for_status()
        wrote: list[dict[str, bytes]] = [{} for _ in range(4)]
        writers = [
            threading.Thread(target=write_on, args=(cloud, f"r{round_}w{number}", wrote[number])) for number in range(4)
        ]
        for writer in writers:
            writer.start()
        while sum(map(len, wrote)) < 12:
            time.sleep(0.002)
        cloud.kill()
        for writer in writers:
            writer.join()
        for one in wrote:
            kept.update(one)
    cloud = start_cloud(tmp_path)
    names = {name.removeprefix("maybe ") for name in kept}
    client = storage_client(cloud)
    found = {blob.name: blob.download_as_bytes(checksum="md5") for blob in client.list_blobs("kept-bucket")}
    client.close()
    assert set(found) <= names
    for name in names:
        allowed = [kept[key] for key in (name, f"maybe {name}") if key in kept]
        assert found.get(name) in (allowed if name in kept else [None, *allowed]), name
    cloud.stop()
    assert problems_of(tmp_path) == []


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 12 MB of its own."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=12m", "tmpfs", str(folder)]
    try:
        done = subprocess.run(mount, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        pytest.skip("no mount on this system")
    if done.returncode:
        pytest.skip(f"no file system may be mounted here: {done.stderr.strip()}")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_a_disk_that_is_really_full_is_told_cleanly(small_disk: Path) -> None:
    """Every write is refused with the reason while there is no room, nothing is torn, and deleting makes room."""
    cloud = start_cloud(small_disk / "state")
    client = storage_client(cloud)
    bucket = new_bucket(client)
    path = f"/upload/storage/v1/b/{bucket.name}/o?uploadType=media&name="
    contents = [random.Random(number).randbytes(900_000) for number in range(20)]
    answers = [call(cloud, "POST", f"{path}{number}", data=content) for number, content in enumerate(contents)]
    stored = [number for number, answer in enumerate(answers) if answer.status_code == 200]
    refused = [answer for answer in answers if answer.status_code != 200]
    assert 5 < len(stored) < 15
    for answer in refused:
        assert answer.status_code == 403
        assert answer.json()["error"]["errors"][0]["reason"] == "quotaExceeded"
        assert "is full: No space left on device" in answer.json()["error"]["message"]
    names = {blob.name: blob for blob in bucket.list_blobs()}
    assert set(names) == {str(number) for number in stored}
    fill = small_disk / "fill"
    with contextlib.suppress(OSError):
        fill.write_bytes(b"x" * 12_000_000)
    endpoints = "/aiplatform/v1/projects/p/locations/us-central1/endpoints"
    statuses = [call(cloud, "POST", endpoints, json={"displayName": "x" * 100}).status_code for _ in range(60)]
    assert set(statuses) <= {200, 403}
    fill.unlink()
    for number in stored[:3]:
        names[str(number)].delete()
    assert names[str(stored[-1])].download_as_bytes() == contents[stored[-1]]
    assert call(cloud, "POST", endpoints, json={"displayName": "room"}).status_code == 200
    client.close()
    cloud.stop()
    assert problems_of(small_disk / "state") == []
    assert "Traceback" not in (small_disk / "state" / "emulator.stderr").read_text()


def memory(cloud: LocalCloud) -> int:
    """Return the memory that the process holds, in KB."""
    status = Path(f"/proc/{cloud.process.pid}/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0])


@pytest.mark.long
def test_memory_is_flat_over_a_hundred_thousand_requests(tmp_path: Path) -> None:
    """After 10,000 requests of several kinds 90,000 more need no more memory."""
    cloud = start_cloud(tmp_path, "--log", str(tmp_path / "log" / "requests.log"))
    call(cloud, "POST", "/storage/v1/b?project=p", json={"name": "kept-bucket"}).raise_for_status()
    call(cloud, "POST", f"{UPLOAD}a", data=b"content").raise_for_status()
    paths = [
        "/storage/v1/b/kept-bucket",
        "/storage/v1/b/kept-bucket/o",
        "/kept-bucket/a",
        "/aiplatform/v1/projects/p/locations/us-central1/models",
    ]

    def ask(calls: int) -> None:
        for path in paths:
            rate(cloud.port, path, calls // len(paths), 8, lambda _: None)

    ask(10_000)
    before = memory(cloud)
    ask(90_000)
    assert memory(cloud) - before < 8_000
    cloud.stop()
