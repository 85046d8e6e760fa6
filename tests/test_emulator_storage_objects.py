"""Objects of the local cloud: metadata, generations, preconditions, copies, batches."""

import datetime
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from google.api_core import exceptions
from google.cloud import storage
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.cloud import LocalCloud
from tests.storage import call, new_bucket, reason, storage_client


@pytest.fixture(scope="module")
def client(local_cloud: LocalCloud) -> Iterator[storage.Client]:
    """Google's client."""
    client = storage_client(local_cloud)
    yield client
    client.close()


@pytest.fixture
def bucket(client: storage.Client) -> storage.Bucket:
    """A bucket of the test's own."""
    return new_bucket(client)


@pytest.fixture(scope="module")
def shared(client: storage.Client) -> storage.Bucket:
    """One bucket for all examples of a property."""
    return new_bucket(client)


def put(bucket: storage.Bucket, name: str, content: bytes | str = b"x", **how: object) -> storage.Blob:
    """Upload and return a blob."""
    blob = bucket.blob(name)
    blob.upload_from_string(content, **how)
    return blob


names = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r\n"), min_size=1, max_size=60).filter(
    lambda name: name not in {".", ".."} and not name.startswith(".well-known/acme-challenge/")
)
WEIRD = ["../../x", "/lead", "a//b", "a/", "%2F", "a%252Fb", "ü b?c#d&e=f+g", "日本語", "~", "a:b", "\0", "n" * 1024]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(name=names, content=st.binary(max_size=200))
def test_any_legal_name_makes_the_round_trip(shared: storage.Bucket, name: str, content: bytes) -> None:
    """An object with any legal name is put, read, listed and deleted under exactly that name."""
    put(shared, name, content)
    assert shared.get_blob(name).name == name
    assert shared.blob(name).download_as_bytes() == content
    assert [blob.name for blob in shared.list_blobs(prefix=name)] == [name]
    shared.blob(name).delete()
    assert shared.get_blob(name) is None


@pytest.mark.parametrize("name", WEIRD)
def test_names_never_become_paths(local_cloud: LocalCloud, bucket: storage.Bucket, name: str) -> None:
    """Names with dots, slashes, percent signs or 1,024 bytes are just names; files stay below `objects/`."""
    put(bucket, name, name.encode())
    assert bucket.blob(name).download_as_bytes() == name.encode()
    assert bucket.get_blob(name).self_link.startswith(local_cloud.url)
    outside = [path for path in local_cloud.state.rglob("*") if path.name in {"x", "lead"}]
    assert not outside


@pytest.mark.parametrize("name", [".", "..", "a\nb", "n" * 1025, ".well-known/acme-challenge/x"])
def test_illegal_names_are_refused(local_cloud: LocalCloud, bucket: storage.Bucket, name: str) -> None:
    """A name that the service would not take is a 400."""
    path = f"/upload/storage/v1/b/{bucket.name}/o"
    answer = call(local_cloud, "POST", path, params={"uploadType": "media", "name": name}, data=b"x")
    assert (answer.status_code, reason(answer)) == (400, "invalid")


def test_metadata_is_echoed_and_patched(bucket: storage.Bucket) -> None:
    """What a client may set comes back; patching merges, null removes, and the metageneration counts."""
    blob = bucket.blob("described.txt")
    blob.metadata = {"a": "1", "b": "2"}
    blob.cache_control, blob.content_language, blob.content_disposition = "no-store", "de", "inline"
    blob.custom_time = datetime.datetime(2026, 1, 2, tzinfo=datetime.UTC)
    blob.upload_from_string("x", content_type="text/csv")
    found = bucket.get_blob("described.txt")
    assert (found.metadata, found.content_type, found.cache_control) == ({"a": "1", "b": "2"}, "text/csv", "no-store")
    assert (found.content_language, found.content_disposition) == ("de", "inline")
    assert found.custom_time == blob.custom_time
    found.metadata = {"b": None, "c": "3"}
    found.cache_control = None
    found.patch()
    found.reload()
    assert (found.metadata, found.cache_control, found.metageneration) == ({"a": "1", "c": "3"}, None, 2)
    assert found.generation == blob.generation


def test_an_update_sends_back_what_it_was_answered(bucket: storage.Bucket) -> None:
    """PUT with the whole resource, as clients send it after an upload, changes only what differs."""
    blob = put(bucket, "whole", content_type="text/plain")
    blob.metadata = {"k": "v"}
    blob.update()
    assert bucket.get_blob("whole").metadata == {"k": "v"}
    assert bucket.get_blob("whole").content_type == "text/plain"


def test_overwriting_makes_a_new_generation(bucket: storage.Bucket) -> None:
    """Without versioning the old generation is gone: only as a soft-deleted one can it still be had."""
    first, second = put(bucket, "a", "1"), put(bucket, "a", "22")
    assert second.generation > first.generation
    assert bucket.get_blob("a", generation=first.generation) is None
    assert len(list(bucket.list_blobs(versions=True))) == 1


def test_versioning_keeps_noncurrent_generations(client: storage.Client) -> None:
    """With versioning old generations stay readable by number, are listed on demand, and go only by number."""
    bucket = new_bucket(client, versioning_enabled=True)
    first, second = put(bucket, "a", "1"), put(bucket, "a", "22")
    bucket.blob("a").delete()
    assert bucket.get_blob("a") is None
    assert not list(bucket.list_blobs())
    versions = list(bucket.list_blobs(versions=True))
    assert [blob.generation for blob in versions] == [first.generation, second.generation]
    assert all(blob.time_deleted for blob in versions)
    assert bucket.blob("a", generation=first.generation).download_as_bytes() == b"1"
    bucket.copy_blob(versions[0], bucket, "a", source_generation=first.generation)
    assert bucket.blob("a").download_as_bytes() == b"1"
    bucket.delete_blob("a", generation=second.generation)
    assert len(list(bucket.list_blobs(versions=True))) == 2


def test_preconditions_hold_on_every_method(bucket: storage.Bucket) -> None:
    """A wrong generation or metageneration is a 412 on write, delete and read; 0 means: nothing there."""
    blob = put(bucket, "a", if_generation_match=0)
    with pytest.raises(exceptions.PreconditionFailed):
        put(bucket, "a", if_generation_match=0)
    with pytest.raises(exceptions.PreconditionFailed):
        put(bucket, "new", if_generation_match=7)
    with pytest.raises(exceptions.PreconditionFailed):
        put(bucket, "new", if_generation_not_match=0)
    with pytest.raises(exceptions.PreconditionFailed):
        blob.delete(if_generation_match=1)
    with pytest.raises(exceptions.PreconditionFailed):
        blob.reload(if_metageneration_match=2)
    with pytest.raises(exceptions.NotModified):
        blob.reload(if_generation_not_match=blob.generation)
    with pytest.raises(exceptions.PreconditionFailed):
        blob.download_as_bytes(if_generation_match=1)
    blob.metadata = {"a": "b"}
    blob.patch(if_metageneration_match=1)
    put(bucket, "a", "2", if_generation_match=blob.generation, if_metageneration_match=2)


def test_one_of_many_writers_wins(local_cloud: LocalCloud, bucket: storage.Bucket) -> None:
    """Of twenty that create an object at the same time exactly one does, and the rest hear 412."""
    path = f"/upload/storage/v1/b/{bucket.name}/o?uploadType=media&name=prize&ifGenerationMatch=0"

    def write(number: int) -> int:
        return call(local_cloud, "POST", path, data=str(number).encode()).status_code

    with ThreadPoolExecutor(20) as pool:
        statuses = list(pool.map(write, range(20)))
    assert sorted(statuses) == [200] + [412] * 19
    assert bucket.blob("prize").download_as_bytes() == str(statuses.index(200)).encode()


def test_copies_share_content_and_metadata(client: storage.Client, bucket: storage.Bucket) -> None:
    """A copy has the bytes and metadata of its source, a rewrite the storage class asked for, and both outlive it."""
    source = bucket.blob("source")
    source.metadata = {"k": "v"}
    source.upload_from_string("content", content_type="text/csv")
    other = new_bucket(client)
    copied = bucket.copy_blob(source, other, "dir/copy")
    assert (copied.metadata, copied.content_type, copied.md5_hash) == ({"k": "v"}, "text/csv", source.md5_hash)
    rewritten = bucket.blob("rewritten")
    token, done, total = rewritten.rewrite(source)
    assert (token, done, total) == (None, 7, 7)
    assert rewritten.content_type == "text/csv"
    source.update_storage_class("NEARLINE")
    assert bucket.get_blob("source").storage_class == "NEARLINE"
    source.delete()
    assert other.blob("dir/copy").download_as_bytes() == b"content"
    assert rewritten.download_as_bytes() == b"content"
    with pytest.raises(exceptions.NotFound):
        bucket.copy_blob(source, other, "again")


def test_renaming_moves_an_object(bucket: storage.Bucket) -> None:
    """The client's rename leaves one object under the new name."""
    bucket.rename_blob(put(bucket, "old", "x"), "new")
    assert [blob.name for blob in bucket.list_blobs()] == ["new"]


def test_compose_joins_in_order(bucket: storage.Bucket) -> None:
    """A composed object has its sources' bytes in their order, a checksum over the whole, and no MD5."""
    parts = [put(bucket, f"part{number}", str(number) * 3) for number in range(3)]
    whole = bucket.blob("whole")
    whole.content_type = "text/plain"
    whole.compose(parts, if_source_generation_match=[part.generation for part in parts])
    assert whole.download_as_bytes() == b"000111222"
    assert (whole.component_count, whole.md5_hash, whole.content_type) == (3, None, "text/plain")
    assert whole.crc32c == put(bucket, "same", "000111222").crc32c
    with pytest.raises(exceptions.PreconditionFailed):
        whole.compose(parts, if_source_generation_match=[1, None, None])
    with pytest.raises(exceptions.NotFound):
        whole.compose([bucket.blob("none")])
    with pytest.raises(exceptions.BadRequest, match="32"):
        whole.compose(parts * 11)
    whole.compose([whole, parts[0]])
    assert whole.download_as_bytes() == b"000111222000"


def test_holds_protect_objects(bucket: storage.Bucket) -> None:
    """An object under a hold is neither deleted nor overwritten until the hold is gone."""
    blob = put(bucket, "held")
    blob.temporary_hold = True
    blob.patch()
    for forbidden in (blob.delete, lambda: put(bucket, "held", "other")):
        with pytest.raises(exceptions.Forbidden, match="Temporary hold"):
            forbidden()
    blob.temporary_hold = False
    blob.patch()
    blob.delete()


def test_batches_answer_each_call(client: storage.Client, bucket: storage.Bucket) -> None:
    """A batch of deletes, patches and reads does each, and a call that fails does not stop the others."""
    blobs = [put(bucket, f"b/{number} ü") for number in range(5)]
    with client.batch():
        for blob in blobs[:2]:
            blob.delete()
        blobs[2].metadata = {"k": "v"}
        blobs[2].patch()
    assert [blob.name for blob in bucket.list_blobs()] == ["b/2 ü", "b/3 ü", "b/4 ü"]
    assert bucket.get_blob("b/2 ü").metadata == {"k": "v"}
    with pytest.raises(exceptions.NotFound), client.batch():
        bucket.blob("missing").delete()
        blobs[3].delete()
    assert bucket.get_blob("b/3 ü") is None


def test_refusals_name_their_reason(local_cloud: LocalCloud, bucket: storage.Bucket) -> None:
    """Storage's refusals carry a reason, and what is not there is called by name."""
    missing = call(local_cloud, "GET", f"/storage/v1/b/{bucket.name}/o/a%2Fb")
    assert (missing.status_code, reason(missing)) == (404, "notFound")
    assert missing.json()["error"]["message"] == f"No such object: {bucket.name}/a/b"
    nowhere = call(local_cloud, "GET", "/storage/v1/b/no-such-bucket/o")
    assert nowhere.json()["error"]["message"] == "The specified bucket does not exist."
    bad = call(local_cloud, "GET", f"/storage/v1/b/{bucket.name}/o/a?generation=x")
    assert bad.status_code == 400
    acl = call(local_cloud, "GET", f"/storage/v1/b/{bucket.name}/o/a/acl")
    assert (acl.status_code, reason(acl)) == (404, "notFound")
