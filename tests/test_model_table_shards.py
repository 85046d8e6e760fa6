"""A run's tables are joined as its JSON Lines are: the same rows, whatever the outputs are."""

import json
from pathlib import Path

import orjson
import pytest

from model.batch_predict.tables import Table, TableFormat
from model.errors import UserError
from model.results import main
from model.signature import Signature
from model.table_shards import table_lines
from tests.batch import run, write_rows
from tests.joins import rows_of, write
from tests.test_model_batch_predict_tables import OUTPUTS, ROWS

KINDS = ("csv", "parquet")


def write_table(folder: Path, kind: str, rows: list[dict[str, object]], *heads: str) -> Path:
    """Write a table with the manifest that says what it is."""
    lines, target = write(folder / "lines", rows), folder / f"prediction.results-00000-of-00001.{kind}"
    signature = Signature("serving_default", (), OUTPUTS)
    Table(signature, TableFormat(kind), heads).write(lines, target)
    (folder / "manifest.json").write_text(json.dumps({"plan": {"signature": str(signature)}}))
    return target


@pytest.mark.parametrize("kind", KINDS)
def test_a_table_gives_back_its_lines(tmp_path: Path, kind: str) -> None:
    """Vectors, matrices, texts, bytes and truth values are what they were; numbers are equal."""
    lines = [orjson.loads(line) for _, line in table_lines(write_table(tmp_path, kind, ROWS), text_keys=False)]
    for found, row in zip(lines, ROWS, strict=True):
        assert list(found) == list(row)
        assert found == {**row, "y": pytest.approx(row["y"], rel=1e-7)}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("key", "text_keys"), [(7, False), ("7", True), ("a", False)])
def test_a_key_beside_the_prediction_has_the_instances_type(
    tmp_path: Path, kind: str, key: int | str, text_keys: bool
) -> None:
    """In a table it is text."""
    table = write_table(tmp_path, kind, [{"key": key, "prediction": ROWS[0]}], "key")
    [(_, line)] = table_lines(table, text_keys=text_keys)
    assert orjson.loads(line)["key"] == key


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("instance", [{"x": [1], "key": 3}, [1, 2], "a.png", "7"])
def test_an_instance_beside_the_prediction_is_what_it_was(tmp_path: Path, kind: str, instance: object) -> None:
    """JSON is JSON, and a text is a text."""
    [(_, line)] = table_lines(
        write_table(tmp_path, kind, [{"instance": instance, "prediction": ROWS[0]}], "instance"), text_keys=False
    )
    assert orjson.loads(line)["instance"] == instance


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_no_table_is_said_in_one_line(tmp_path: Path, kind: str) -> None:
    """Damaged, or without the manifest that says what its columns are."""
    table = write_table(tmp_path, kind, ROWS)
    table.write_bytes(b'"\xff')
    with pytest.raises(UserError, match=r"^The table .* cannot be read"):
        list(table_lines(table, text_keys=False))
    (tmp_path / "manifest.json").unlink()
    with pytest.raises(UserError, match=r"is a table without its run's manifest\.json beside it"):
        list(table_lines(table, text_keys=False))


@pytest.mark.long
def test_a_runs_tables_are_joined(saved_models: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The command line on what the engine wrote, with a failed row: the same lines as from JSON Lines."""
    source = tmp_path / "in.jsonl"
    write_rows(source, 50)
    with source.open("a") as file:
        file.write('{"features": [1], "key": 50}\n')
    found = []
    for kind in ("jsonl", *KINDS):
        done = run(saved_models / "keyed", [source], tmp_path / kind, "--predictions-format", kind)
        assert done.code == 0, done.stderr
        command = ["--instances", str(source), "--predictions", str(tmp_path / kind), "--output", str(tmp_path / "out")]
        assert main([*command, "--format", "jsonl"]) == 0
        assert capsys.readouterr().out.startswith("complete: 50 of 51 instances joined, 1 failed")
        found.append(rows_of(tmp_path))
    for rows in found[1:]:
        assert [row["key"] for row in rows] == [row["key"] for row in found[0]]
        assert [row["prediction"] for row in rows] == [pytest.approx(row["prediction"]) for row in found[0]]
