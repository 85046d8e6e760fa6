"""Joins on disk: any number of parts, any format of instances, every odd key in a file, memory that does not grow."""

import csv
import gzip
import json
import random
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from model import spill
from model.instance_files import instances_of
from model.results import asked_instances, find_shards, join, main
from tests.batch import ROOT, run
from tests.joins import instance, joined, rows_of, write
from tests.saved_models import RECORDS


@pytest.fixture
def tiny_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Part by a hundred bytes, and write at every third line."""
    monkeypatch.setattr(spill, "PART_SIZE", 100)
    monkeypatch.setattr(spill, "HELD", 3)


def test_many_parts_give_what_one_gives(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Order, statuses and lists do not depend on how the keys were parted."""
    keys: list[Any] = [*range(200), *(f"é-{n}\t" for n in range(100)), 7, 7]
    results = [{"prediction": [n / 3], "key": key} for n, key in enumerate(keys[:150] + keys[200:280])]
    random.Random(3).shuffle(results)
    errors = [{"key": key, "code": "X", "message": ""} for key in [*range(150, 160), "foreign"]]
    whole, parted = tmp_path / "whole", tmp_path / "parted"
    for folder in (whole, parted):
        folder.mkdir()
        joined(folder, [instance(key) for key in keys], results, errors)
        monkeypatch.setattr(spill, "PART_SIZE", 100)
        monkeypatch.setattr(spill, "HELD", 3)
    names = sorted(path.name for path in (whole / "out").iterdir())
    assert names == sorted(path.name for path in (parted / "out").iterdir())
    for name in set(names) - {"summary.json"}:
        assert (whole / "out" / name).read_bytes() == (parted / "out" / name).read_bytes(), name


@pytest.mark.usefixtures("tiny_parts")
def test_every_odd_key_stands_in_a_file(tmp_path: Path) -> None:
    """Counts and examples stand in the summary, all keys in a file of their kind, with line and counts."""
    asked = [instance(key) for key in (*range(30), 5, 5)] + [b"no json"]
    results = [{"prediction": [1.0], "key": key} for key in (*range(12), 3, *range(100, 115))]
    summary = joined(tmp_path, asked, results, [{"key": 999, "code": "X", "message": ""}, b"torn"])
    assert (summary.missing.count, len(summary.missing.first)) == (19, 10)
    missing = [(row["key"], row["line"]) for row in rows_of(tmp_path, "missing.jsonl")]
    assert missing == [*((key, key + 1) for key in range(12, 30)), (None, 33)]
    assert rows_of(tmp_path, "duplicate_instances.jsonl") == [{"key": 5, "line": 6, "instances": 3}]
    assert rows_of(tmp_path, "duplicate_predictions.jsonl") == [{"key": 3, "line": 4, "instances": 1, "predictions": 2}]
    assert [row["line"] for row in rows_of(tmp_path, "ambiguous.jsonl")] == [6, 31, 32]
    assert sorted(row["key"] for row in rows_of(tmp_path, "unknown.jsonl")) == list(range(100, 115))
    assert rows_of(tmp_path, "unknown_errors.jsonl") == [{"key": 999, "errors": 1}]
    assert rows_of(tmp_path, "malformed.jsonl")[0]["line"].startswith("prediction.errors-0:2 is no JSON object")
    assert set(summary.files) >= {"missing.jsonl", "unknown.jsonl", "malformed.jsonl"}
    joined(tmp_path, [instance(1)], [{"prediction": [1.0], "key": 1}])
    assert not (tmp_path / "out" / "missing.jsonl").exists()


@pytest.mark.parametrize("key", [7, "7"])
def test_csv_instances_are_joined(tmp_path: Path, key: int | str) -> None:
    """Numbered columns become one vector; whether keys are text, the results tell."""
    (tmp_path / "asked.csv").write_text('features_0,features_1,key,note\n1,2.5,7,"a ""b"""\nbroken\n')
    shard = write(tmp_path / "prediction.results-0", [{"prediction": [1.5], "key": key}])
    error = write(tmp_path / "prediction.errors-0", [{"key": None, "code": "WRONG_LENGTH", "message": ""}])
    summary = join(asked_instances(tmp_path / "asked.csv", [shard]), [shard], [error], tmp_path / "out")
    assert (summary.complete, summary.joined, summary.failed) == (True, 1, 1)
    assert rows_of(tmp_path) == [{"features": [1, 2.5], "key": key, "note": 'a "b"', "prediction": [1.5]}]


@pytest.mark.parametrize(("key", "note"), [(7, "007"), ("7", '[1, nan] "a", b')])
def test_ai_platforms_own_tables_are_joined(tmp_path: Path, key: int | str, note: str) -> None:
    """Rows without a header, which lies beside them; values as Python prints them; a broken row is told."""
    values = {"prediction": [1.5, -2e-07], "label": {"b64": "QQ=="}, "ok": True, "note": note, "count": 3, "key": key}
    (tmp_path / "prediction.results_header.csv").write_text(",".join(values) + "\n")
    with (tmp_path / "prediction.results-00000-of-00001.csv").open("w", newline="") as file:
        csv.writer(file).writerows([[*values.values()], ["1", "2"]])
    (tmp_path / "prediction.errors_stats-00000-of-00001").touch()
    summary = join(write(tmp_path / "asked", [{"key": key}]), *find_shards(tmp_path), tmp_path / "out", ("jsonl",))
    assert (summary.joined, summary.malformed.count) == (1, 1)
    assert rows_of(tmp_path) == [values]


@pytest.mark.parametrize("name", ["rows.tfrecord", "rows.tfrecord.gz"])
def test_examples_are_joined(saved_models: Path, tmp_path: Path, name: str) -> None:
    """A serialized example's features are the instance's fields, its feature `key` the key."""
    shard = write(tmp_path / "results", [{"prediction": [key], "key": key} for key in range(-5, RECORDS - 5)])
    summary = join(instances_of(saved_models / name), [shard], [], tmp_path / "out")
    assert (summary.complete, summary.joined) == (True, RECORDS)
    first = rows_of(tmp_path)[0]
    assert (first["key"], len(first["features"]), first["prediction"]) == (-5, 13, [-5])


def test_file_lists_are_joined_by_name(tmp_path: Path) -> None:
    """A listed file's name is its key, as the services echo it."""
    (tmp_path / "all.filelist").write_text("gs://b/one\ngs://b/two\n")
    shard = write(tmp_path / "results", [{"instance": "gs://b/one", "prediction": {"y": 1, "z": "a"}}])
    error = write(tmp_path / "errors", [{"key": "gs://b/two", "code": "FILE_NOT_FOUND", "message": ""}])
    summary = join(instances_of(tmp_path / "all.filelist"), [shard], [error], tmp_path / "out")
    assert (summary.complete, summary.joined, summary.failed) == (True, 1, 1)
    assert rows_of(tmp_path) == [{"key": "gs://b/one", "y": 1, "z": "a"}]


def test_refused_lines_are_matched_to_their_records(saved_models: Path, tmp_path: Path) -> None:
    """Of a line that is no instance, the key is the one that its error record has: none is missing, none unknown."""
    lines = tmp_path / "in.jsonl"
    row = json.dumps([0.5] * 13)
    rows = (f'{{"features": {row}, "key": {key}}}' for key in ("1", "2}", "NaN", "4, 5", "5.0", '6, "key": 7', "[8]"))
    lines.write_text("\n".join([*rows, "broken", f'{{"key": 9, "features": {row.replace("0.5", "NaN")}}}']) + "\n")
    torn = tmp_path / "torn.jsonl.gz"
    text = "".join(f'{{"features": {row}, "key": {key}}}\n' for key in range(200)).encode()
    torn.write_bytes(gzip.compress(text, 0)[: 15 + text.index(b'"key": 123') + len('"key": 12')])  # 15: before the text
    for source, predicted, failed in ((lines, 1, 8), (torn, 123, 1)):
        done = run(saved_models / "keyed", [source], tmp_path / source.stem)
        assert {type(error["key"]) for error in done.errors} <= {int, float, type(None)}
        assert (done.summary["predicted"], done.summary["failed"]) == (predicted, failed), done.errors
        shards, errors = find_shards(done.output)
        summary = join(asked_instances(source, shards), shards, errors, tmp_path / "joined", ("jsonl",))
        assert (summary.complete, summary.joined, summary.failed) == (True, predicted, failed), summary


ROWS = [
    "7,1,2,3",
    "8,1,2",
    '9,1,"2,3',
    "10,1,2,abc",
    "11,1,2,3,4",
    "12,nan,1,2",
    "13,1,\udcff,3",
    "\udcff,1,2,3",
    "14,1,2,3",
]


@pytest.mark.parametrize("names", ["x_0,x_1,x_2", "a,b,c"])
def test_keys_of_refused_rows_are_read(saved_models: Path, tmp_path: Path, names: str) -> None:
    """By the inputs' names or as an array, a CSV row that is no instance has its key in its record, and in the join."""
    source = tmp_path / "in.csv"
    source.write_text("\n".join([f"id,{names}", *ROWS]), errors="surrogateescape")
    done = run(saved_models / "single", [source], tmp_path / "job", "--key-field", "id")
    assert [line["key"] for line in done.results] == [7, 14], done.stderr
    assert [error["key"] for error in done.errors] == [8, 9, 10, 11, 12, 13, None]
    shards, errors = find_shards(done.output)
    summary = join(asked_instances(source, shards, key="id"), shards, errors, tmp_path / "joined", ("jsonl",))
    assert (summary.complete, summary.joined, summary.failed) == (True, 2, 7), summary


def test_nothing_is_asked_of_a_spoilt_gzip(tmp_path: Path) -> None:
    """Its checksum is looked at before its lines, of which the batch engine predicts none."""
    packed = bytearray(gzip.compress(b'{"key": 1}\n{"key": 2}\n'))
    packed[-8] ^= 1
    (tmp_path / "in.jsonl.gz").write_bytes(packed)
    assert list(instances_of(tmp_path / "in.jsonl.gz")) == [(1, b"null")]


def test_another_field_may_hold_the_key(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A job with keyField returns `{"key", "prediction"}`; the instances keep their own name for it."""
    job = tmp_path / "job"
    job.mkdir()
    asked = write(tmp_path / "asked", [{"id": "a", "x": 1}, {"id": "b", "x": 2}])
    write(job / "prediction.results-00000-of-00001", [{"key": k, "prediction": [n]} for n, k in enumerate("ba")])
    command = ["--instances", str(asked), "--predictions", str(job), "--output", str(tmp_path / "out")]
    assert main([*command, "--key-field", "id", "--format", "jsonl"]) == 0
    assert rows_of(tmp_path) == [{"id": "a", "x": 1, "prediction": [1]}, {"id": "b", "x": 2, "prediction": [0]}]
    assert capsys.readouterr().out.startswith("complete: 2 of 2 instances joined")


# VmHWM counts from the process's own start; ru_maxrss would carry over what the testing process held.
MEASURED_JOIN = """
import re, sys
from model.results import main
code = main(sys.argv[1:])
print(re.search(r"VmHWM:\\s+(\\d+) kB", open("/proc/self/status").read())[1])
sys.exit(code)
"""


@pytest.mark.long
def test_memory_does_not_grow_with_the_rows(tmp_path: Path) -> None:
    """A million shuffled rows take at most a quarter more than a quarter of a million, and all are joined."""
    peaks = {rows: _peak(tmp_path / str(rows), rows) for rows in (250_000, 1_000_000)}
    assert peaks[1_000_000] < 1.25 * peaks[250_000], peaks
    assert peaks[1_000_000] < 400 << 10, peaks


def _peak(folder: Path, rows: int) -> int:
    """Return the peak memory of a join in kilobytes."""
    (folder / "job").mkdir(parents=True)
    features = json.dumps([0.123456] * 13)
    with (folder / "asked.jsonl").open("w") as file:
        file.writelines(f'{{"features": {features}, "key": {key}}}\n' for key in range(rows))
    order = np.random.default_rng(1).permutation(rows).tolist()
    for part in range(4):
        with (folder / "job" / f"prediction.results-{part:05d}-of-00004").open("w") as file:
            file.writelines(f'{{"prediction": [{key / 8}], "key": {key}}}\n' for key in order[part::4])
    command = ["--instances", folder / "asked.jsonl", "--predictions", folder / "job", "--output", folder / "out"]
    done = subprocess.run(
        [sys.executable, "-c", MEASURED_JOIN, *map(str, command)], cwd=ROOT, check=True, capture_output=True, text=True
    )
    assert done.stdout.startswith(f"complete: {rows:,} of {rows:,} instances joined, 0 failed")
    shutil.rmtree(folder)
    return int(done.stdout.splitlines()[-1])
