"""The engine's instanceConfig: what is sent of a line, what the result says instead, and which lines are refused."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.batch_predict.transforms import InstanceConfig, send
from tests.batch import lines_of, run

NAMES = st.text(max_size=6)  # shorter than the names of a result line
VALUES = st.recursive(st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=5), st.lists, max_leaves=5)


def sent(config: InstanceConfig, line: object) -> tuple[Any, Any]:
    """Return what is sent for a line, and what its result begins with, both parsed."""
    text = line if isinstance(line, bytes) else json.dumps(line).encode()
    found = send(config, [text])
    assert not found.rejections, found
    return json.loads(found.lines[0]), json.loads(b"{" + found.heads[0] + b"}")


ROW = {"customerId": 1001, "col1": 1, "col2": 2}


@pytest.mark.parametrize(
    ("config", "line", "instance", "head"),
    [
        (InstanceConfig(excluded=("customerId",), type="object"), ROW, {"col1": 1, "col2": 2}, {"customerId": 1001}),
        (InstanceConfig(included=("col1", "col2"), type="object"), ROW, {"col1": 1, "col2": 2}, {}),
        (InstanceConfig(included=("col2", "col1"), type="array"), ROW, [2, 1], {}),
        (InstanceConfig(key_field="customerId"), ROW, {"col1": 1, "col2": 2}, {"key": 1001}),
        (InstanceConfig(key_field="customerId", excluded=("col2",)), ROW, {"col1": 1}, {"key": 1001}),
        (InstanceConfig(key_field="col1", included=("col1", "col2"), type="array"), ROW, [2], {"key": 1}),
        (InstanceConfig(type="array"), [1, 2], [1, 2], {}),
    ],
)
def test_instances(config: InstanceConfig, line: object, instance: object, head: dict[str, Any]) -> None:
    """Filters choose fields, a type gives their form, and the key stands in the instance's place in the result."""
    found, begin = sent(config, line)
    assert found == instance
    assert begin == (head if "key" in head else {"instance": instance, **head})


@given(st.dictionaries(NAMES, VALUES, min_size=1), st.data())
def test_every_field_goes_one_way(row: dict[str, Any], data: st.DataObject) -> None:
    """Whatever the names, a field is either sent or excluded, and none is lost or changed on the way."""
    excluded = tuple(data.draw(st.lists(st.sampled_from(sorted(row)), unique=True, min_size=1)))
    instance, head = sent(InstanceConfig(excluded=excluded), row)
    assert head.pop("instance") == instance
    assert {**instance, **head} == row
    assert set(head) == set(excluded)


def test_names_of_the_result_line_are_not_attached() -> None:
    """An excluded field that is called as a part of the result line would hide it, and is left out."""
    row = {"prediction": 1, "instance": 2, "a": 3, "b": 4}
    instance, head = sent(InstanceConfig(excluded=("prediction", "instance", "b")), row)
    assert (instance, head) == ({"a": 3}, {"instance": {"a": 3}, "b": 4})


@pytest.mark.parametrize(
    ("config", "line", "code"),
    [
        (InstanceConfig(key_field="id"), b'{"a": 1}', "MISSING_FIELD"),
        (InstanceConfig(included=("b",), type="array"), b'{"a": 1}', "MISSING_FIELD"),
        (InstanceConfig(included=("a",)), b"[1]", "NOT_AN_OBJECT"),
        (InstanceConfig(type="object"), b"[1]", "NOT_AN_OBJECT"),
        (InstanceConfig(type="array"), b'{"a": 1}', "NO_FIELD_ORDER"),
        (InstanceConfig(key_field="id"), b'{"id": 1, "id": 2}', "DUPLICATE_FIELD"),
        (InstanceConfig(key_field="id"), b'{"id": 1', "INVALID_JSON"),
        (InstanceConfig(key_field="id"), b'{"a": NaN, "id": 1}', "NOT_FINITE"),
        (InstanceConfig(key_field="id", columns=("id", "a")), b"[1, Infinity]", "NOT_FINITE"),
    ],
)
def test_refused_lines(config: InstanceConfig, line: bytes, code: str) -> None:
    """A line that the configuration does not fit is refused with the reason."""
    assert [rejection.code for rejection in send(config, [line]).rejections] == [code]


def mixed(path: Path) -> Path:
    """Write eight good rows with ids of their own, and four lines of other kinds among them."""
    rows = [json.dumps({"id": f"r{key}", "features": [key / 10] * 13, "key": key}) for key in range(8)]
    rows[3:3] = ['{"id": "bad", "features": [1.0], "key": 1}', "not json", "", "[1]"]
    path.write_text("\n".join(rows) + "\n")
    return path


def test_key_field_stands_for_the_instance(saved_models: Path, tmp_path: Path) -> None:
    """Results carry the key field's value and no instance; error records carry it too; every line is accounted for."""
    source = mixed(tmp_path / "in.jsonl")
    done = run(saved_models / "keyed", [source], tmp_path / "out", "--key-field", "id")
    assert [line["key"] for line in done.results] == [f"r{key}" for key in range(8)]
    assert all(list(line) == ["key", "prediction"] for line in done.results)
    assert [line["prediction"]["key"] for line in done.results] == list(range(8))
    found = [(error["key"], error["line"], error["code"]) for error in done.errors]
    assert found == [("bad", 4, "WRONG_LENGTH"), (None, 5, "INVALID_JSON"), (None, 7, "NOT_AN_OBJECT")]
    assert (done.summary["instances"], done.summary["blank_lines"]) == (11, 1)


def test_another_configuration_is_another_run(saved_models: Path, tmp_path: Path) -> None:
    """A folder of one configuration is not continued with another."""
    source = mixed(tmp_path / "in.jsonl")
    run(saved_models / "keyed", [source], tmp_path / "out", "--key-field", "id")
    again = run(saved_models / "keyed", [source], tmp_path / "out", "--excluded-fields", "id", "--resume")
    assert again.code == 2
    assert "other config" in again.stderr


def test_lines_are_the_texts_of_a_model_that_takes_one(saved_models: Path, tmp_path: Path) -> None:
    """With --text-lines a line is the model's one string input as it stands; other models still read JSON."""
    (tmp_path / "in.txt").write_text('plain "text"\n\n{"text": 1}\n')
    done = run(saved_models / "text", [tmp_path / "in.txt"], tmp_path / "out", "--text-lines")
    assert [line["upper"] for line in done.results] == ['PLAIN "TEXT"', '{"TEXT": 1}']
    assert done.summary["blank_lines"] == 1
    source = mixed(tmp_path / "in.jsonl")
    options = ("--text-lines", "--excluded-fields", "id")
    assert run(saved_models / "keyed", [source], tmp_path / "json", *options).summary["predicted"] == 8


def test_parity_loses_the_batch(saved_models: Path, tmp_path: Path) -> None:
    """One bad line in 64 loses 64 rows and is told as one tuple; by default it loses itself."""
    rows = [json.dumps({"features": [key / 100] * 13, "key": key}) for key in range(128)]
    rows[10] = "not json"
    (tmp_path / "in.jsonl").write_text("\n".join(rows) + "\n")
    default = run(saved_models / "keyed", [tmp_path / "in.jsonl"], tmp_path / "default")
    assert (default.summary["predicted"], default.summary["failed"]) == (127, 1)
    parity = run(saved_models / "keyed", [tmp_path / "in.jsonl"], tmp_path / "parity", "--parity", "ai-platform")
    assert [line["key"] for line in parity.results] == list(range(64, 128))
    assert (parity.summary["predicted"], parity.summary["failed"]) == (64, 64)
    assert lines_of(parity.output, "prediction.errors_stats-*") == ["('not JSON at byte 5: \"not json\"', 1)"]
    assert {error["batch"] for error in parity.errors} == {f"{tmp_path / 'in.jsonl'}:1"}


def test_parity_counts_batches_of_one_message(saved_models: Path, tmp_path: Path) -> None:
    """Batches that fail alike are one line with their number, in the words of the service that is copied."""
    rows = [json.dumps({"features": [0.5] * 13, "key": key}) for key in range(12)]
    for at in (0, 4, 5):
        rows[at] = json.dumps({"features": [0.5] * 13})
    (tmp_path / "in.jsonl").write_text("\n".join(rows) + "\n")
    options = ("--parity", "vertex-ai", "--batch-size", "4")
    done = run(saved_models / "keyed", [tmp_path / "in.jsonl"], tmp_path / "out", *options)
    (line,) = lines_of(done.output, "prediction.errors_stats-*")
    assert line.startswith("('Post request fails. Cannot get predictions. Error: Exceeded retries: Non-OK result 400 (")
    assert line.endswith(", 2)")
    assert [result["key"] for result in done.results] == [8, 9, 10, 11]
