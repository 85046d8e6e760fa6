"""A run whose output is on gs:// leaves shard by shard, and goes on after a kill, here or on another machine."""

import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import requests
from google.api_core.exceptions import Conflict

from tests.batch import Finished, run, start, write_rows
from tests.cloud import LocalCloud
from tests.storage import new_bucket, storage_client

SHARDS = ("--shards", "12", "--workers", "1")


@pytest.fixture
def bucket(local_cloud: LocalCloud, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A bucket, and the environment that leads to it; the cache is the test's own."""
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", local_cloud.url)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return new_bucket(storage_client(local_cloud))


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file of 60,000 rows, and behind them one that is none and a key that was there."""
    path = tmp_path_factory.mktemp("delivery") / "in.jsonl"
    write_rows(path, 60_000)
    with path.open("a") as file:
        file.write("broken\n" + path.read_text().partition("\n")[0] + "\n")
    return path


@pytest.fixture(scope="module")
def uninterrupted(saved_models: Path, source: Path) -> Finished:
    """A local run that nothing broke off."""
    done = run(saved_models / "keyed", [source], source.parent / "whole", *SHARDS)
    assert done.code == 0, done.stderr
    return done


def objects(bucket: Any) -> dict[str, Any]:
    """Return the objects of the output, by the rest of their name."""
    return {blob.name.removeprefix("out/"): blob for blob in bucket.list_blobs(prefix="out/")}


def remove(bucket: Any) -> None:
    """Delete a bucket with all that it holds, and what still comes while it is emptied."""
    while True:
        bucket.delete_blobs(list(bucket.list_blobs()), on_error=lambda _: None)
        try:
            bucket.delete()
            return
        except Conflict:
            time.sleep(0.01)


def records(bucket: Any) -> list[str]:
    """Return the names of the shards that are vouched for."""
    return sorted(name for name in objects(bucket) if name.endswith(".delivered"))


@contextmanager
def slow(method: str = "storage.objects.insert") -> Iterator[None]:
    """Have the local cloud take its time for uploads: a run that is to be ended in the middle is not over before."""
    faults = f"{os.environ['STORAGE_EMULATOR_HOST']}/_local/faults"
    fault: dict[str, Any] = {"kind": "latency", "method": method, "seconds": 0.2}
    made = requests.post(faults, json=fault, timeout=30).json()
    try:
        yield
    finally:
        requests.delete(f"{faults}/{made['id']}", timeout=30).raise_for_status()


def wait_for(process: "subprocess.Popen[str]", happened: Callable[[], bool]) -> None:
    """Wait for something that a run does before its end."""
    while not happened():
        assert process.poll() is None
        time.sleep(0.005)


def kill(model: Path, source: Path | str, bucket: Any, *options: str) -> dict[str, Any]:
    """Start a run, end it with SIGKILL when two more of its shards are there, and return what is there then."""
    with slow():
        process, already = start(model, [source], f"gs://{bucket.name}/out", *SHARDS, *options), len(records(bucket))
        wait_for(process, lambda: len(records(bucket)) >= already + 2)
        process.kill()
        process.communicate(timeout=60)
    return objects(bucket)


def kill_reader(model: Path, source: str, output: Path, *options: str) -> None:
    """Start a run that reads from a slow cloud, and end it with SIGKILL when one more of its blocks is whole."""
    work = output / ".batch_predict"

    def whole() -> int:
        return sum(path.read_bytes().count(b"\n") for path in work.glob("*.journal"))

    with slow("storage.objects.get"):
        process, already = start(model, [source], output, *SHARDS, *options), whole()
        wait_for(process, lambda: whole() > already and json.loads((work / "plan.json").read_text())["model"])
        process.kill()
        process.communicate(timeout=60)


def shards_gone(cache: Path) -> set[str]:
    """Return the numbers of the shards that are vouched for here and lie here no more."""
    (work,) = list(cache.glob("keras-batch-prediction/runs/*/.batch_predict")) or [cache]
    return {path.stem for path in work.glob("*.delivered") if not path.with_suffix(".results").exists()}


def check(bucket: Any, uninterrupted: Finished) -> dict[str, Any]:
    """Hold what is there against a local run's output, and return it."""
    there = objects(bucket)
    manifest = json.loads(there.pop("manifest.json").download_as_bytes())
    expected = {path.name: path.read_bytes() for path in uninterrupted.output.glob("prediction.*")}
    assert {name: blob.download_as_bytes() for name, blob in there.items()} == expected
    for name in ("instances", "predicted", "failed", "duplicate_keys", "first_duplicates", "shards", "plan"):
        assert manifest[name] == uninterrupted.manifest[name], name
    return there


@pytest.mark.long
def test_another_machine_goes_on_where_a_killed_run_was(
    saved_models: Path, source: Path, uninterrupted: Finished, tmp_path: Path, bucket: Any
) -> None:
    """Kill -9 in the middle, twice, each time without what this machine kept: shards that are there are sent once."""
    first = kill(saved_models / "keyed", source, bucket)
    assert "manifest.json" not in first
    fresh = run(saved_models / "keyed", [source], f"gs://{bucket.name}/out")
    assert (fresh.code, "holds an unfinished run. Continue it with --resume" in fresh.stderr) == (2, True)
    shutil.rmtree(tmp_path / "cache")
    second = kill(saved_models / "keyed", source, bucket, "--resume")
    shutil.rmtree(tmp_path / "cache")
    done = run(saved_models / "keyed", [source], f"gs://{bucket.name}/out", "--resume")
    assert done.code == 0, done.stderr
    there = check(bucket, uninterrupted)
    for before in (first, second):
        vouched = [name[-15:-10] for name in before if name.endswith(".delivered")]
        shards = [name for name in before if name[-14:-9] in vouched]
        assert len(shards) >= 2 * len(vouched) >= 4
        assert all(before[name].generation == there[name].generation for name in shards)
    assert not list((tmp_path / "cache" / "keras-batch-prediction" / "runs").iterdir())


@pytest.mark.long
def test_a_killed_run_goes_on_with_inputs_in_a_bucket(
    saved_models: Path, source: Path, uninterrupted: Finished, tmp_path: Path, bucket: Any
) -> None:
    """Kill -9 while objects are read, for output here (twice) and there: a local run's bytes; others are refused."""
    held, uri = bucket.blob("in/rows.jsonl"), f"gs://{bucket.name}/in/rows.jsonl"
    held.upload_from_filename(str(source))
    kill_reader(saved_models / "keyed", uri, tmp_path / "here")
    kill_reader(saved_models / "keyed", uri, tmp_path / "here", "--resume")
    kill(saved_models / "keyed", uri, bucket)
    for output in (tmp_path / "here", f"gs://{bucket.name}/out"):
        done = run(saved_models / "keyed", [uri], output, *SHARDS, "--resume")
        assert done.code == 0, done.stderr
        assert (done.summary["predicted"], done.summary["failed"]) == (60_001, 1)
    expected = {path.name: path.read_bytes() for path in uninterrupted.output.glob("prediction.*")}
    expected = {name: data.replace(str(source).encode(), uri.encode()) for name, data in expected.items()}
    assert {path.name: path.read_bytes() for path in (tmp_path / "here").glob("prediction.*")} == expected
    there = {name: blob.download_as_bytes() for name, blob in objects(bucket).items() if name != "manifest.json"}
    assert there == expected
    kill_reader(saved_models / "keyed", uri, tmp_path / "other")
    held.upload_from_string(source.read_bytes()[:-1])
    refused = run(saved_models / "keyed", [uri], tmp_path / "other", *SHARDS, "--resume")
    assert (refused.code, f"{uri!r} is not what it was" in refused.stderr) == (2, True), refused.stderr


@pytest.mark.long
def test_shards_leave_this_machine_before_the_run_ends(
    saved_models: Path, source: Path, uninterrupted: Finished, tmp_path: Path, bucket: Any
) -> None:
    """What is there is here no more; what was deleted or changed there meanwhile is made again."""
    with slow():
        process = start(saved_models / "keyed", [source], f"gs://{bucket.name}/out", *SHARDS)
        wait_for(process, lambda: len(shards_gone(tmp_path / "cache")) >= 2)
        process.kill()
        process.communicate(timeout=60)
    gone = shards_gone(tmp_path / "cache")
    there = objects(bucket)
    assert "manifest.json" not in there
    assert gone <= {name[-15:-10] for name in records(bucket)}
    first, second = (f"prediction.results-{number}-of-00012" for number in sorted(gone)[:2])
    there[first].delete()
    there[second].upload_from_string("changed")
    done = run(saved_models / "keyed", [source], f"gs://{bucket.name}/out", "--resume")
    assert done.code == 0, done.stderr
    check(bucket, uninterrupted)


@pytest.mark.long
@pytest.mark.parametrize("options", [("--predictions-format", "parquet"), ("--parity", "vertex-ai")])
def test_what_is_made_of_shards_goes_with_them(
    saved_models: Path, tmp_path: Path, bucket: Any, options: tuple[str, ...]
) -> None:
    """Tables, and the services' own error files, are those of a local run."""
    source = tmp_path / "in.jsonl"
    write_rows(source, 6000)
    with source.open("a") as file:
        file.write("broken\n")
    local = run(saved_models / "keyed", [source], tmp_path / "out", "--shards", "3", *options)
    done = run(saved_models / "keyed", [source], f"gs://{bucket.name}/out", "--shards", "3", *options)
    assert (local.code, done.code) == (0, 0), done.stderr
    check(bucket, local)


@pytest.mark.long
def test_a_stopped_run_is_finished_elsewhere(saved_models: Path, tmp_path: Path, bucket: Any) -> None:
    """What the threshold stopped has its manifest there, which says so, until the run goes on."""
    source, output = tmp_path / "in.jsonl", f"gs://{bucket.name}/out"
    write_rows(source, 6000)
    with source.open("a") as file:
        file.write("broken\n" * 3)
    local = run(saved_models / "keyed", [source], tmp_path / "out", "--shards", "3")
    stopped = run(saved_models / "keyed", [source], output, "--shards", "3", "--workers", "1", "--max-errors", "1")
    assert stopped.code == 3, stopped.stderr
    assert json.loads(objects(bucket)["manifest.json"].download_as_bytes())["state"] == "stopped"
    shutil.rmtree(tmp_path / "cache")
    done = run(saved_models / "keyed", [source], output, "--resume")
    assert (done.code, done.summary["predicted"], done.summary["failed"]) == (0, 6000, 3), done.stderr
    check(bucket, local)


@pytest.mark.long
def test_an_address_that_is_lost_in_the_middle_ends_the_run(saved_models: Path, source: Path, bucket: Any) -> None:
    """Exit code 1 and one line, as soon as a shard cannot be brought there; --resume finishes when it can."""
    with slow():
        process = start(saved_models / "keyed", [source], f"gs://{bucket.name}/out", *SHARDS)
        wait_for(process, lambda: bool(records(bucket)))
        process.send_signal(signal.SIGSTOP)
    remove(bucket)
    process.send_signal(signal.SIGCONT)
    _, errors = process.communicate(timeout=60)
    assert (process.returncode, len(errors.splitlines())) == (1, 1), errors
    assert errors.startswith("No such object or bucket: 'gs://")
    assert errors.endswith("Nothing is lost: run again with --resume\n")
