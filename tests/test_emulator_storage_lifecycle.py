"""Lifecycle rules: what each condition means, and that they run when the clock moves."""

import time
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from google.api_core.exceptions import NotFound
from google.cloud import storage
from hypothesis import given
from hypothesis import strategies as st

from infra.emulator.storage_catalog import State, StoredObject
from infra.emulator.storage_lifecycle import DELETE, Subject, decide, meets
from tests.cloud import LocalCloud, start_cloud
from tests.storage import advance, call, new_bucket, storage_client

NOW = datetime(2030, 6, 15, 12, tzinfo=UTC)


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalCloud]:
    """A local cloud whose clock nobody else reads."""
    cloud = start_cloud(tmp_path_factory.mktemp("lifecycle"))
    yield cloud
    cloud.stop()


@pytest.fixture(scope="module")
def client(cloud: LocalCloud) -> storage.Client:
    """Google's client."""
    return storage_client(cloud)


def subject(*, name: str = "a", state: State = State.LIVE, newer: int = 0, size: int = 10, **body: str) -> Subject:
    """Make an object as rules see it."""
    body = {"storageClass": "STANDARD", "timeCreated": "2030-06-01T12:00:00.000000Z", "metageneration": "1", **body}
    return Subject(StoredObject("b", name, 1, state, size, "", Path(), body), newer, NOW)


def rule(action: str | dict[str, str], **condition: Any) -> dict[str, Any]:
    """Make a rule."""
    return {"action": {"type": action} if isinstance(action, str) else action, "condition": condition}


OLD = subject(state=State.NONCURRENT, newer=2, timeDeleted="2030-06-10T00:00:00Z")
CUSTOM = subject(customTime="2030-06-05T23:00:00Z")


@pytest.mark.parametrize(
    ("condition", "yes", "no"),
    [
        ({"age": 14}, subject(), subject(timeCreated="2030-06-01T12:00:01Z")),
        ({"createdBefore": "2030-06-02"}, subject(), subject(timeCreated="2030-06-02T00:00:00Z")),
        ({"isLive": True}, subject(), OLD),
        ({"isLive": False}, OLD, subject()),
        ({"numNewerVersions": 2}, OLD, subject(newer=1)),
        ({"daysSinceNoncurrentTime": 5}, OLD, subject()),
        ({"daysSinceNoncurrentTime": 6}, subject(timeDeleted="2030-06-09T12:00:00Z"), OLD),
        ({"noncurrentTimeBefore": "2030-06-11"}, OLD, subject()),
        ({"daysSinceCustomTime": 9}, CUSTOM, subject()),
        ({"customTimeBefore": "2030-06-06"}, CUSTOM, subject(customTime="2030-06-06T00:00:00Z")),
        ({"matchesPrefix": ["x", "a/"]}, subject(name="a/b"), subject(name="ab")),
        ({"matchesSuffix": [".tmp"]}, subject(name="b.tmp"), subject(name="b.tmp2")),
        ({"matchesStorageClass": ["NEARLINE"]}, subject(storageClass="NEARLINE"), subject()),
        ({"sizeAboveBytes": "9"}, subject(), subject(size=9)),
        ({"sizeBelowBytes": "11"}, subject(), subject(size=11)),
        ({"age": 1, "matchesPrefix": ["a"]}, subject(), subject(name="b")),
    ],
)
def test_a_condition_holds_as_documented(condition: dict[str, Any], yes: Subject, no: Subject) -> None:
    """Each condition is met by the one object and not by the other; several must hold together."""
    assert meets(rule(DELETE, **condition), yes)
    assert not meets(rule(DELETE, **condition), no)


def test_deletion_wins_and_classes_only_get_colder() -> None:
    """Of several rules deletion wins, then the coldest class; nothing moves to a warmer one."""
    to = [rule({"type": "SetStorageClass", "storageClass": name}, age=1) for name in ("ARCHIVE", "NEARLINE")]
    assert decide(to, subject()) == "ARCHIVE"
    assert decide([*to, rule(DELETE, age=1)], subject()) == DELETE
    assert decide(to[1:], subject(storageClass="COLDLINE")) == ""
    assert decide([rule(DELETE, age=15)], subject()) == ""


@given(st.dates(date(2020, 1, 1), date(2040, 1, 1)), st.integers(0, 9000))
def test_age_counts_whole_days_from_the_creation(day: date, days: int) -> None:
    """An object has an age from the moment on that it was created so many days ago."""
    created = f"{day}T12:00:00Z"
    expected = datetime.fromisoformat(created) + timedelta(days=days) <= NOW
    assert meets(rule(DELETE, age=days), subject(timeCreated=created)) is expected


@pytest.mark.parametrize("condition", ["age", "daysSinceCustomTime", "daysSinceNoncurrentTime"])
def test_no_number_of_days_is_too_large(condition: str) -> None:
    """The largest that a rule can say never comes, and stops no other rule."""
    old = subject(customTime="2030-06-05T23:00:00Z", timeDeleted="2030-06-05T23:00:00Z")
    assert not meets(rule(DELETE, **{condition: 2**31 - 1}), old)


@pytest.mark.parametrize(
    "broken",
    [
        rule("Shred", age=1),
        rule(DELETE),
        rule(DELETE, age=-1),
        rule("SetStorageClass", age=1),
        rule("AbortIncompleteMultipartUpload", isLive=True),
        rule(DELETE, matchesPattern="a.*"),
        rule(DELETE, createdBefore="2030-13-01"),
        rule(DELETE, noncurrentTimeBefore="20300131"),
    ],
)
def test_rules_that_could_not_be_followed_are_refused(local_cloud: LocalCloud, broken: dict[str, Any]) -> None:
    """An unknown action, no condition, a negative age: 400, and no bucket is made."""
    body = {"name": "ruled-bucket", "lifecycle": {"rule": [broken]}}
    assert call(local_cloud, "POST", "/storage/v1/b?project=p", json=body).status_code == 400
    assert call(local_cloud, "GET", "/storage/v1/b/ruled-bucket").status_code == 404


def test_rules_run_when_their_time_comes(client: storage.Client, cloud: LocalCloud) -> None:
    """A week after: the old object is moved and then deleted, held and retained ones stay, as do other names."""
    bucket = new_bucket(client)
    bucket.soft_delete_policy.retention_duration_seconds = 0
    bucket.add_lifecycle_set_storage_class_rule("NEARLINE", age=3, matches_prefix=["tmp/"])
    bucket.add_lifecycle_delete_rule(age=7, matches_prefix=["tmp/"])
    bucket.patch()
    for name in ("tmp/a", "tmp/held", "other"):
        bucket.blob(name).upload_from_string(name)
    held = bucket.blob("tmp/held")
    held.temporary_hold = True
    held.patch()
    advance(cloud, days=2)
    assert bucket.get_blob("tmp/a").storage_class == "STANDARD"
    advance(cloud, days=2)
    moved = bucket.get_blob("tmp/a")
    assert (moved.storage_class, moved.metageneration, moved.download_as_bytes()) == ("NEARLINE", 2, b"tmp/a")
    advance(cloud, days=4)
    assert [blob.name for blob in bucket.list_blobs()] == ["other", "tmp/held"]


def test_noncurrent_generations_go_by_their_number_and_age(client: storage.Client, cloud: LocalCloud) -> None:
    """The live generation and its one predecessor stay; a deleted object becomes noncurrent first."""
    bucket = new_bucket(client, versioning_enabled=True)
    bucket.add_lifecycle_delete_rule(number_of_newer_versions=2)
    bucket.add_lifecycle_delete_rule(days_since_noncurrent_time=10)
    bucket.add_lifecycle_delete_rule(age=30, is_live=True)
    bucket.patch()
    made = [bucket.blob("a") for _ in range(4)]
    for number, blob in enumerate(made):
        blob.upload_from_string(str(number))
    advance(cloud, seconds=1)
    assert [blob.generation for blob in bucket.list_blobs(versions=True)] == [blob.generation for blob in made[2:]]
    advance(cloud, days=10)
    assert [blob.generation for blob in bucket.list_blobs(versions=True)] == [made[3].generation]
    advance(cloud, days=20)
    (last,) = bucket.list_blobs(versions=True)
    assert last.time_deleted
    assert not list(bucket.list_blobs())


def test_unfinished_parts_are_given_up(client: storage.Client, cloud: LocalCloud) -> None:
    """An XML multipart upload that is too old is aborted with its parts."""
    bucket = new_bucket(client)
    bucket.add_lifecycle_abort_incomplete_multipart_upload_rule(age=2, matches_prefix=["tmp/"])
    bucket.patch()
    sessions = {}
    for name in ("tmp/a", "kept"):
        text = call(cloud, "POST", f"/{bucket.name}/{name}?uploads").text
        sessions[name] = text.partition("<UploadId>")[2].partition("<")[0]
        assert call(cloud, "PUT", f"/{bucket.name}/{name}?uploadId={sessions[name]}&partNumber=1", data=b"x").ok
    advance(cloud, days=8)
    states = {
        name: call(cloud, "PUT", f"/{bucket.name}/{name}?uploadId={session}&partNumber=2", data=b"x").status_code
        for name, session in sessions.items()
    }
    assert states == {"tmp/a": 404, "kept": 200}


def test_rules_run_by_themselves_too(tmp_path: Path) -> None:
    """What became due while the local cloud was down is done when it starts."""
    cloud = start_cloud(tmp_path)
    bucket = new_bucket(storage_client(cloud))
    bucket.add_lifecycle_delete_rule(age=0)
    bucket.patch()
    bucket.blob("a").upload_from_string("a")
    cloud.stop()
    cloud = start_cloud(tmp_path)
    blob = storage_client(cloud).bucket(bucket.name).blob("a")
    deadline = time.monotonic() + 30
    while blob.exists():
        assert time.monotonic() < deadline, "the rule did not run"
        time.sleep(0.05)
    with pytest.raises(NotFound):
        blob.download_as_bytes()
    cloud.stop()
