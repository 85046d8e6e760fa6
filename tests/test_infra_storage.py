"""Storage: what goes to a bucket and comes back is the same bytes, once, or one line says why not."""

from pathlib import Path

import pytest

from infra.storage import (
    StorageError,
    download_prefix,
    exists,
    list_objects,
    parse_uri,
    read_text,
    upload_file,
    upload_folder,
)
from infra.storage_client import storage_client
from tests.cloud import LocalCloud
from tests.local_stack import new_bucket, outputs, unique


@pytest.fixture(scope="module")
def bucket(local_cloud: LocalCloud) -> str:
    """Address of a bucket of this file's tests."""
    return new_bucket(local_cloud)


def make_files(folder: Path) -> dict[str, bytes]:
    """Write a few files, some in folders, some with odd names, one larger than a single request takes."""
    files = {
        "saved_model.pb": b"graph",
        "variables/variables.index": b"",
        "variables/with space & ünïcode%2F.data": b"\x00\xff" * 999,
        "assets/large.bin": bytes(range(256)) * (40 * 1024),  # 10 MB: a resumable upload
    }
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return files


def test_a_folder_comes_back_as_it_went(local_cloud: LocalCloud, bucket: str, tmp_path: Path) -> None:
    """Names and bytes survive the way to the bucket and back; progress ends at the whole."""
    files, seen = make_files(tmp_path / "in"), list[tuple[int, int]]()
    uri = f"{bucket}/{unique('folder')}"
    sent = upload_folder(outputs(local_cloud), tmp_path / "in", uri, lambda done, total: seen.append((done, total)))
    assert (sent.uri, sent.files, sent.sent) == (uri, 4, 4)
    assert sent.bytes == sum(map(len, files.values()))
    assert seen[-1] == (sent.bytes, sent.bytes)
    back = download_prefix(outputs(local_cloud), uri, tmp_path / "out")
    assert {path.relative_to(tmp_path / "out").as_posix(): path.read_bytes() for path in back} == files
    assert sorted(path for path in (tmp_path / "out").rglob("*") if path.is_file()) == sorted(back)


def test_a_repeated_upload_changes_nothing(local_cloud: LocalCloud, bucket: str, tmp_path: Path) -> None:
    """Equal content is not sent again: every object keeps its generation; a changed file is the only one sent."""
    make_files(tmp_path)
    uri = f"{bucket}/{unique('again')}"
    upload_folder(outputs(local_cloud), tmp_path, uri)
    before = list_objects(outputs(local_cloud), uri)
    assert upload_folder(outputs(local_cloud), tmp_path, uri).sent == 0
    assert list_objects(outputs(local_cloud), uri) == before
    (tmp_path / "saved_model.pb").write_bytes(b"another graph")
    assert upload_folder(outputs(local_cloud), tmp_path, uri).sent == 1
    assert read_text(outputs(local_cloud), f"{uri}/saved_model.pb") == "another graph"


def test_an_interrupted_upload_is_completed(local_cloud: LocalCloud, bucket: str, tmp_path: Path) -> None:
    """Files that went before the interruption stay as they are, the others follow."""
    make_files(tmp_path)
    uri = f"{bucket}/{unique('interrupted')}"
    upload_file(outputs(local_cloud), tmp_path / "saved_model.pb", f"{uri}/saved_model.pb")
    assert upload_folder(outputs(local_cloud), tmp_path, uri).sent == 3


def test_a_download_fetches_only_what_is_missing_or_changed(
    local_cloud: LocalCloud, bucket: str, tmp_path: Path
) -> None:
    """A file that is there and right stays untouched, a damaged one is fetched anew."""
    make_files(tmp_path / "in")
    uri = f"{bucket}/{unique('download')}"
    upload_folder(outputs(local_cloud), tmp_path / "in", uri)
    download_prefix(outputs(local_cloud), uri, tmp_path / "out")
    right, damaged = tmp_path / "out" / "assets" / "large.bin", tmp_path / "out" / "saved_model.pb"
    stamp = right.stat().st_mtime_ns
    damaged.write_bytes(b"grXph")
    download_prefix(outputs(local_cloud), f"{uri}/", tmp_path / "out")
    assert damaged.read_bytes() == b"graph"
    assert right.stat().st_mtime_ns == stamp


def test_a_prefix_is_a_folder_not_a_beginning_of_names(local_cloud: LocalCloud, bucket: str, tmp_path: Path) -> None:
    """`predictions/a` does not fetch `predictions/ab`."""
    (tmp_path / "x").write_text("1")
    base = f"{bucket}/{unique('prefix')}"
    upload_file(outputs(local_cloud), tmp_path / "x", f"{base}/a/x")
    upload_file(outputs(local_cloud), tmp_path / "x", f"{base}/ab/x")
    assert len(download_prefix(outputs(local_cloud), f"{base}/a", tmp_path / "out")) == 1
    assert exists(outputs(local_cloud), f"{base}/a")
    assert exists(outputs(local_cloud), f"{base}/a/x")
    assert not exists(outputs(local_cloud), f"{base}/abc")


@pytest.mark.parametrize("name", ["../outside", "a/../../outside", "/etc/passwd", "a//b", "./a"])
def test_names_that_lead_out_of_the_folder_are_refused(
    local_cloud: LocalCloud, bucket: str, tmp_path: Path, name: str
) -> None:
    """An object's name is another's to choose: it must not write where it wants."""
    prefix = unique("odd")
    storage_client(outputs(local_cloud)).bucket(bucket[5:]).blob(f"{prefix}/{name}").upload_from_string("x")
    with pytest.raises(StorageError, match="cannot be a file below"):
        download_prefix(outputs(local_cloud), f"{bucket}/{prefix}", tmp_path / "out")
    assert not (tmp_path / "outside").exists()


def test_what_is_not_there_is_said_in_one_line(local_cloud: LocalCloud, bucket: str, tmp_path: Path) -> None:
    """Missing bucket, object, prefix and file: the address and the way out."""
    there = outputs(local_cloud)
    with pytest.raises(StorageError, match=r"has no 'gs://no-such-bucket/x'\. Run: invoke up"):
        list_objects(there, "gs://no-such-bucket/x")
    with pytest.raises(StorageError, match=r"has no 'gs://.*/missing/x'\. Run: gcloud storage ls"):
        read_text(there, f"{bucket}/missing/x")
    with pytest.raises(StorageError, match=r"Nothing at 'gs://.*/nowhere/'"):
        download_prefix(there, f"{bucket}/nowhere", tmp_path)
    with pytest.raises(StorageError, match=r"Cannot read .*: No such file"):
        upload_file(there, tmp_path / "missing", f"{bucket}/x")
    with pytest.raises(StorageError, match=r"No files in .*\. Run: invoke export"):
        upload_folder(there, tmp_path, f"{bucket}/x")
    with pytest.raises(StorageError, match="is no address in a bucket"):
        list_objects(there, "s3://x/y")


def test_a_cloud_that_does_not_answer_is_said_at_once(tmp_path: Path) -> None:
    """No two minutes of retries for a local cloud that is not running."""
    (tmp_path / "x").write_text("1")
    gone = {"project": "local-project", "storageEndpoint": "http://127.0.0.1:9"}
    with pytest.raises(StorageError, match=r"No answer from http://127\.0\.0\.1:9 .* Run: invoke local\.start"):
        upload_file(gone, tmp_path / "x", "gs://some-bucket/x")


def test_a_place_that_cannot_be_written_is_said_in_one_line(
    local_cloud: LocalCloud, bucket: str, tmp_path: Path
) -> None:
    """A file where a folder is wanted: the path and the way out."""
    (tmp_path / "x").write_text("1")
    uri = f"{bucket}/{unique('unwritable')}"
    upload_file(outputs(local_cloud), tmp_path / "x", f"{uri}/folder/x")
    (tmp_path / "folder").write_text("in the way")
    with pytest.raises(StorageError, match=r"Cannot write .*folder.*: .* Run: ls"):
        download_prefix(outputs(local_cloud), uri, tmp_path)


def test_addresses_split_into_bucket_and_name() -> None:
    """Names may hold anything, buckets may not."""
    assert parse_uri("gs://bucket-1/a/b?c#d%20") == ("bucket-1", "a/b?c#d%20")
    assert parse_uri("gs://bucket-1") == ("bucket-1", "")
