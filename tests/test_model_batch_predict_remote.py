"""The batch engine on gs://: read by ranges, written by uploads, against the local cloud with Google's own client."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from model.gcs import _translated
from tests.batch import ROOT, Finished, run, write_rows
from tests.cloud import LocalCloud
from tests.storage import new_bucket, storage_client


@pytest.fixture
def bucket(local_cloud: LocalCloud, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A bucket, and the environment that leads to it; the cache is the test's own."""
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", local_cloud.url)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return new_bucket(storage_client(local_cloud))


def put_folder(bucket: Any, folder: Path, prefix: str) -> str:
    """Upload a folder and return its address."""
    for path in folder.rglob("*"):
        if path.is_file():
            bucket.blob(f"{prefix}/{path.relative_to(folder)}").upload_from_filename(str(path))
    return f"gs://{bucket.name}/{prefix}"


def objects(bucket: Any, prefix: str) -> dict[str, bytes]:
    """Return the objects below a prefix, by the rest of their name."""
    return {blob.name.removeprefix(prefix): blob.download_as_bytes() for blob in bucket.list_blobs(prefix=prefix)}


def files(finished: Finished) -> dict[str, bytes]:
    """Return the shards of a local run."""
    return {path.name: path.read_bytes() for path in finished.output.glob("prediction.*")}


def test_everything_on_gs_gives_what_local_files_give(saved_models: Path, tmp_path: Path, bucket: Any) -> None:
    """Model, inputs and output in a bucket: the same shards byte for byte, with line numbers in the errors."""
    write_rows(tmp_path / "a.jsonl", 3000)
    write_rows(tmp_path / "b.jsonl", 3000, first=3000)
    with (tmp_path / "b.jsonl").open("a") as file:
        file.write("broken\n")
    options = ("--shards", "3", "--workers", "2", "--seed", "5")
    local = run(saved_models / "keyed", [tmp_path / "a.jsonl", tmp_path / "b.jsonl"], tmp_path / "out", *options)
    model = put_folder(bucket, saved_models / "keyed", "model")
    for name in ("a.jsonl", "b.jsonl"):
        bucket.blob(f"in/{name}").upload_from_filename(str(tmp_path / name))
    output = f"gs://{bucket.name}/out/"
    remote = run(model, [f"gs://{bucket.name}/in/*.jsonl"], output, *options)
    assert remote.code == 0, remote.stderr
    there = objects(bucket, "out/")
    manifest = json.loads(there.pop("manifest.json"))
    places = (f"gs://{bucket.name}/in".encode(), str(tmp_path).encode())
    there = {name: data.replace(*places) for name, data in there.items()}
    assert there == files(local)
    assert (manifest["instances"], manifest["failed"]) == (6001, 1)
    assert manifest["plan"]["inputs"][0]["sha256"].startswith("crc32c ")
    assert not list((tmp_path / "cache" / "keras-batch-prediction" / "runs").iterdir())


@pytest.mark.long
def test_an_address_that_holds_predictions_is_left_alone(saved_models: Path, tmp_path: Path, bucket: Any) -> None:
    """Not without --resume, and with it only where it is the same run, which is then finished already."""
    write_rows(tmp_path / "in.jsonl", 20)
    output = f"gs://{bucket.name}/again"
    first = run(saved_models / "keyed", [tmp_path / "in.jsonl"], output)
    assert first.code == 0, first.stderr
    stamps = {blob.name: blob.generation for blob in bucket.list_blobs(prefix="again/prediction")}
    again = run(saved_models / "keyed", [tmp_path / "in.jsonl"], output)
    assert (again.code, "already holds predictions" in again.stderr) == (2, True)
    resumed = run(saved_models / "keyed", [tmp_path / "in.jsonl"], output, "--resume")
    assert (resumed.code, resumed.summary["predicted"]) == (0, 20)
    other = run(saved_models / "two", [tmp_path / "in.jsonl"], output, "--resume")
    assert (other.code, "other model" in other.stderr) == (2, True)
    assert stamps == {blob.name: blob.generation for blob in bucket.list_blobs(prefix="again/prediction")}


def test_listed_objects_are_read(saved_models: Path, tmp_path: Path, bucket: Any) -> None:
    """A list names objects whole, or seen from its own place; one that is not there fails alone."""
    bucket.blob("texts/one").upload_from_string("abc")
    bucket.blob("texts/all.filelist").upload_from_string(f"gs://{bucket.name}/texts/one\none\nnone\n")
    done = run(saved_models / "text", [f"gs://{bucket.name}/texts/all.filelist"], tmp_path / "out")
    assert done.code == 0, done.stderr
    assert [line["prediction"]["length"] for line in done.results] == [3, 3]
    assert [(error["key"], error["code"]) for error in done.errors] == [("none", "FILE_NOT_FOUND")]


VALIDATE = """
import json, sys
from model.batch_predict.validation import settings_of, validate
print(json.dumps(validate(settings_of(sys.argv[1], sys.argv[2], "serving_default", ""), lambda *_: None)))
"""


def test_what_is_there_is_validated_where_it_is(saved_models: Path, tmp_path: Path, bucket: Any) -> None:
    """Model and instances by their addresses, which the examples name."""
    write_rows(tmp_path / "in.jsonl", 3)
    bucket.blob("in/a.jsonl").upload_from_string((tmp_path / "in.jsonl").read_bytes() + b"broken\n")
    model, source = put_folder(bucket, saved_models / "keyed", "model"), f"gs://{bucket.name}/in/*"
    done = subprocess.run(
        [sys.executable, "-c", VALIDATE, model, source], cwd=ROOT, capture_output=True, text=True, check=True
    )
    found = json.loads(done.stdout)
    [example] = found["examples"]
    assert (found["valid"], example["code"], example["line"]) == (3, "INVALID_JSON", 4)
    assert example["file"] == f"gs://{bucket.name}/in/a.jsonl"


def test_what_is_not_there_is_said_in_one_line(saved_models: Path, tmp_path: Path, bucket: Any) -> None:
    """No object, no bucket, no model: exit 2 and the address."""
    write_rows(tmp_path / "in.jsonl", 1)
    keyed = saved_models / "keyed"
    none = f"gs://{bucket.name}/none"
    for model, source, reason in (
        (keyed, f"{none}/*", f"No object matches '{none}/*'"),
        (keyed, "gs://no-such-bucket/x", "No such object or bucket"),
        (none, str(tmp_path / "in.jsonl"), "there are no objects below it"),
    ):
        done = run(model, [source], tmp_path / "out")
        assert (done.code, len(done.stderr.splitlines())) == (2, 1), done.stderr
        assert reason in done.stderr


@pytest.mark.parametrize(
    ("pattern", "matching", "other"),
    [
        ("in/*.jsonl", "in/a.jsonl", "in/deep/a.jsonl"),
        ("in/**.jsonl", "in/deep/a.jsonl", "in/a.csv"),
        ("in/part-?", "in/part-1", "in/part-11"),
        ("in/[!a]*", "in/b", "in/a"),
    ],
)
def test_patterns_are_those_of_cloud_storage(pattern: str, matching: str, other: str) -> None:
    """One star stops at a slash, two do not."""
    assert _translated(pattern).fullmatch(matching)
    assert not _translated(pattern).fullmatch(other)
