"""Files of a join: CSV and Parquet beside the lines, and the summary that names them."""

import json
from pathlib import Path

import orjson
import polars as pl

from model.files import sha256
from tests.joins import instance, joined


def test_tables_hold_the_same_rows(tmp_path: Path) -> None:
    """Parquet keeps vectors, CSV spreads them over columns; keys stay integers."""
    results = [{"prediction": [0.5 * key], "key": key} for key in (3, 1, 2)]
    joined(tmp_path, [instance(key) for key in (1, 2, 3)], results, formats=("jsonl", "csv", "parquet"))
    parquet = pl.read_parquet(tmp_path / "out" / "joined.parquet")
    assert parquet.schema == {"features": pl.List(pl.Float64), "key": pl.Int64, "prediction": pl.List(pl.Float64)}
    assert parquet.rows() == [([1.0, 2.0], key, [0.5 * key]) for key in (1, 2, 3)]
    csv = pl.read_csv(tmp_path / "out" / "joined.csv")
    assert csv.columns == ["features_0", "features_1", "key", "prediction"]
    assert csv.rows() == [(1.0, 2.0, key, 0.5 * key) for key in (1, 2, 3)]


def test_tables_of_nothing_and_of_odd_shapes(tmp_path: Path) -> None:
    """No joined row still gives tables; vectors of many lengths become JSON text in CSV."""
    joined(tmp_path, [], [], formats=("csv", "parquet"))
    assert pl.read_parquet(tmp_path / "out" / "joined.parquet").height == 0
    asked = [{"key": "a", "words": ["x", "y"]}, {"key": "b", "words": []}]
    results = [{"prediction": [[1.0], [2.0]], "key": key} for key in ("a", "b")]
    joined(tmp_path, asked, results, formats=("csv",))
    rows = pl.read_csv(tmp_path / "out" / "joined.csv").rows(named=True)
    assert [json.loads(row["words"])["words"] for row in rows] == [["x", "y"], []]
    assert not (tmp_path / "out" / "joined.parquet").exists()


def test_summary_names_the_files_it_speaks_of(tmp_path: Path) -> None:
    """The summary on disk is the one returned, with the digest of every file; an earlier join is gone."""
    joined(tmp_path, [instance(1)], [], formats=("jsonl", "csv"))
    summary = joined(tmp_path, [instance(1)], [{"prediction": [1.0], "key": 1}])
    written = orjson.loads((tmp_path / "out" / "summary.json").read_bytes())
    assert (written["complete"], written["joined"]) == (True, 1)
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "joined.jsonl",
        "summary.json",
        "unjoined.jsonl",
    ]
    assert summary.files == {name: sha256(tmp_path / "out" / name) for name in ("joined.jsonl", "unjoined.jsonl")}
