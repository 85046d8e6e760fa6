"""Predictions as CSV and Parquet: the rows of JSON Lines, typed by the signature, the same bytes whenever resumed."""

import hashlib
import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from model.batch_predict.tables import Table, TableFormat
from model.signature import Signature, TensorSpec
from tests.batch import run, write_rows
from tests.saved_models import bare_predictions

OUTPUTS = (
    TensorSpec("y", "y:0", "float32", (None, 2)),
    TensorSpec("n", "n:0", "int64", (None,)),
    TensorSpec("one", "one:0", "float32", (None, 1)),
    TensorSpec("m", "m:0", "float64", (None, 2, None)),
    TensorSpec("s", "s:0", "string", (None,)),
    TensorSpec("raw_bytes", "raw:0", "string", (None,)),
    TensorSpec("c", "c:0", "bool", (None,)),
)
B64 = {"b64": "/w=="}
ROWS = [
    {
        "y": [0.1, 2],
        "n": 2**53 + 1,
        "one": [1.5],
        "m": [[1.0], [2.0]],
        "s": 'a,"é',
        "raw_bytes": {"b64": "/w=="},
        "c": True,
    },
    {"y": [3.0, -4.5], "n": -1, "one": [0.0], "m": [[], []], "s": "7", "raw_bytes": {"b64": ""}, "c": False},
]


def table(folder: Path, kind: TableFormat, rows: list[dict[str, object]], *heads: str) -> Path:
    """Write rows as a table."""
    lines, target = folder / "lines", folder / f"table.{kind}"
    lines.write_text("".join(json.dumps(row) + "\n" for row in rows))
    Table(Signature("s", (), OUTPUTS), kind, heads).write(lines, target)
    return target


def test_parquet_has_the_signatures_types(tmp_path: Path) -> None:
    """Integers beyond 2^53, bytes, lists and lists of lists come back as they are; float32 stays float32."""
    frame = pl.read_parquet(table(tmp_path, TableFormat.PARQUET, ROWS))
    assert dict(frame.schema) == {
        "y": pl.List(pl.Float32),
        "n": pl.Int64,
        "one": pl.List(pl.Float32),
        "m": pl.List(pl.List(pl.Float64)),
        "s": pl.String,
        "raw_bytes": pl.Binary,
        "c": pl.Boolean,
    }
    assert frame["n"].to_list() == [2**53 + 1, -1]
    assert frame["m"].to_list() == [[[1.0], [2.0]], [[], []]]
    assert frame["raw_bytes"].to_list() == [b"\xff", b""]


def test_csv_quotes_all_but_numbers(tmp_path: Path) -> None:
    """Vectors are columns, a vector of one is one column, matrices are JSON text; a header stands in each shard."""
    text = table(tmp_path, TableFormat.CSV, ROWS).read_text()
    assert text.splitlines() == [
        '"y_0","y_1","n","one","m","s","raw_bytes","c"',
        '0.1,2.0,9007199254740993,1.5,"[[1.0], [2.0]]","a,""é","/w==","true"',
        '3.0,-4.5,-1,0.0,"[[], []]","7","","false"',
    ]


@pytest.mark.parametrize("kind", [TableFormat.CSV, TableFormat.PARQUET])
def test_no_row_is_a_table_too(tmp_path: Path, kind: TableFormat) -> None:
    """Columns without rows."""
    path = table(tmp_path, kind, [])
    frame = pl.read_parquet(path) if kind == "parquet" else pl.read_csv(path)
    assert (frame.height, "n" in frame.columns) == (0, True)


def test_what_was_sent_stands_beside_its_prediction(tmp_path: Path) -> None:
    """An instance is JSON text, a file's name is itself."""
    rows: list[dict[str, object]] = [{"instance": value, "prediction": ROWS[0]} for value in ("gs://b/x", [1, "é"])]
    frame = pl.read_parquet(table(tmp_path, TableFormat.PARQUET, rows, "instance"))
    assert frame["instance"].to_list() == ["gs://b/x", '[1, "é"]']


@pytest.mark.long
@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_stopped_tables_grow_to_what_they_would_have_been(saved_models: Path, tmp_path: Path, kind: str) -> None:
    """A run that was stopped publishes tables, goes on from its lines, and ends in the bytes of one that was not."""
    features = write_rows(tmp_path / "in.jsonl", 30_000)
    text = (tmp_path / "in.jsonl").read_text().replace('"key": 11}', '"key": "x"}')
    (tmp_path / "in.jsonl").write_text(text)
    options = ("--predictions-format", kind, "--shards", "2", "--workers", "1")
    source: list[Path | str] = [tmp_path / "in.jsonl"]
    whole = run(saved_models / "keyed", source, tmp_path / "whole", *options)
    stopped = run(saved_models / "keyed", source, tmp_path / "parts", *options, "--max-errors", "0")
    assert (whole.code, stopped.code) == (0, 3), whole.stderr + stopped.stderr
    resumed = run(saved_models / "keyed", source, tmp_path / "parts", *options, "--resume")
    assert resumed.code == 0, resumed.stderr
    names = [shard["file"] for shard in whole.summary["shards"]]
    assert names == [f"prediction.results-0000{n}-of-00002.{kind}" for n in range(2)]
    for shard in resumed.summary["shards"]:
        content = (tmp_path / "parts" / shard["file"]).read_bytes()
        assert content == (tmp_path / "whole" / shard["file"]).read_bytes()
        assert hashlib.sha256(content).hexdigest() == shard["sha256"]
    read = pl.read_parquet if kind == "parquet" else pl.read_csv
    frame = pl.concat([read(tmp_path / "whole" / name) for name in names])
    assert frame["key"].to_list() == [key for key in range(30_000) if key != 11]
    predicted = np.array(frame["prediction"].to_list()).ravel()
    expected = np.delete(bare_predictions(saved_models, features).ravel(), 11)
    assert np.abs(predicted - expected).max() < 1e-4
