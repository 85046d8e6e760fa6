"""The batch engine on CSV, TFRecord and file lists: the numbers of JSON Lines, each wrong instance with its reason."""

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.batch import run
from tests.saved_models import RECORDS, bare_predictions, rows

HEADER = [f"features_{n}" for n in range(13)] + ["key"]


def write_csv(path: Path, features: np.ndarray, extra: list[str] | None = None) -> None:
    """Write keyed rows with a header, and lines as they are behind them."""
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([HEADER, *([*row, key] for key, row in enumerate(features.tolist()))])
        file.write("".join(extra or []))


def close(results: list[dict[str, Any]], expected: np.ndarray) -> bool:
    """Whether predictions are the bare model's."""
    return bool(np.abs(np.array([line["prediction"] for line in results]) - expected).max() < 1e-4)


@pytest.mark.parametrize("option", ["--instances-format", "--predictions-format"])
def test_an_unknown_format_is_refused_beside_the_known_ones(saved_models: Path, tmp_path: Path, option: str) -> None:
    """They are named as they are written."""
    done = run(saved_models / "keyed", [tmp_path / "in.csv"], tmp_path / "out", option, "xml")
    assert done.code == 2
    assert "'xml'" in done.stderr
    assert "jsonl" in done.stderr
    assert "<" not in done.stderr


def test_csv_columns_are_the_models_inputs(saved_models: Path, tmp_path: Path) -> None:
    """Rows in several shards, line numbers of the file, each wrong cell named; the header is no instance."""
    features, ones = rows(4000), ",".join(["1"] * 12)
    bad = [
        f"{ones},abc,4000\n",
        f"{ones},4001\n",
        f'{ones},"x,4002\n',
        f"{ones},nan,4003\n",
        f"{ones},.5,4004\r\n",
        "\n",
    ]
    bad += [f"{ones},1,4005.0\n", f"{ones},,4006"]
    write_csv(tmp_path / "in.csv", features, bad)
    done = run(saved_models / "keyed", [tmp_path / "in.csv"], tmp_path / "out", "--shards", "3", "--workers", "2")
    assert done.code == 0, done.stderr
    assert [line["key"] for line in done.results] == [*range(4000), 4004]
    assert close(done.results[:-1], bare_predictions(saved_models, features))
    assert [(error["line"], error["key"], error["code"]) for error in done.errors] == [
        (4002, 4000, "WRONG_TYPE"),
        (4003, None, "WRONG_LENGTH"),
        (4004, 4002, "INVALID_CSV"),
        (4005, 4003, "NOT_FINITE"),
        (4008, 4005, "WRONG_TYPE"),
        (4009, 4006, "WRONG_TYPE"),
    ]
    assert done.errors[0]["message"] == "field 'features[12]' is \"abc\": expected a number"
    assert (done.summary["instances"], done.summary["blank_lines"]) == (4007, 1)


def test_csv_is_sent_as_vertex_ai_sends_it(saved_models: Path, tmp_path: Path) -> None:
    """A row is an array of its cells, and so the result echoes it."""
    (tmp_path / "in.csv").write_text('a,b,c\n1,2,3\n"x",1,1\n')
    done = run(saved_models / "single", [tmp_path / "in.csv"], tmp_path / "out", "--with-instance")
    assert [line["instance"] for line in done.results] == [[1.0, 2.0, 3.0]]
    assert [(error["line"], error["code"]) for error in done.errors] == [(3, "WRONG_TYPE")]


@pytest.mark.parametrize("name", ["rows.tfrecord", "rows.tfrecord.gz"])
def test_records_are_the_models_examples(saved_models: Path, tmp_path: Path, name: str) -> None:
    """Serialized examples reach the one string input; one that the graph cannot parse fails alone, with its key."""
    done = run(saved_models / "examples", [saved_models / name], tmp_path / "out")
    assert done.code == 0, done.stderr
    assert [line["key"] for line in done.results] == list(range(-5, RECORDS - 5))
    assert close(done.results, bare_predictions(saved_models, rows(RECORDS)))


def test_a_corrupt_record_fails_alone(saved_models: Path, tmp_path: Path) -> None:
    """Number and reason stand in its error record; a torn end is one more."""
    content = bytearray((saved_models / "rows.tfrecord").read_bytes())
    content[40] ^= 1
    (tmp_path / "in").write_bytes(content[:-3])
    done = run(saved_models / "examples", [tmp_path / "in"], tmp_path / "out", "--instances-format", "tf-record")
    assert [line["key"] for line in done.results] == list(range(-4, RECORDS - 6))
    assert [(error["line"], error["code"]) for error in done.errors] == [
        (1, "CORRUPT_RECORD"),
        (RECORDS, "DAMAGED_INPUT"),
    ]


def test_a_file_list_sends_the_files_bytes(saved_models: Path, tmp_path: Path) -> None:
    """Names stand beside the predictions; a missing file, a folder and a pipe-like name fail alone, by name."""
    (tmp_path / "one.txt").write_bytes(b"abc")
    (tmp_path / "two.txt").write_bytes("é".encode())
    names = ["one.txt", str(tmp_path / "two.txt"), "none.txt", "", "/dev/zero", ".", "one.txt"]
    (tmp_path / "all.filelist").write_text("\n".join(names))
    done = run(saved_models / "text", [tmp_path / "all.filelist"], tmp_path / "out")
    assert done.code == 0, done.stderr
    lengths = [(line["instance"], line["prediction"]["length"]) for line in done.results]
    assert lengths == [(names[0], 3), (names[1], 2), (names[0], 3)]
    assert [(error["line"], error["key"], error["code"]) for error in done.errors] == [
        (3, "none.txt", "FILE_NOT_FOUND"),
        (5, "/dev/zero", "UNREADABLE_FILE"),
        (6, ".", "UNREADABLE_FILE"),
    ]
    assert (done.summary["instances"], done.summary["blank_lines"], done.summary["duplicate_keys"]) == (6, 1, 1)


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("in.csv", "features_0,key\n", "there is no column 'features_1'"),
        ("in.csv", "", "its first line is empty"),
        ("in.tfrecord", "", "the model must have one string input, and it takes features: float32[any, 13], key"),
    ],
)
def test_a_format_that_cannot_be_sent_is_refused(
    saved_models: Path, tmp_path: Path, name: str, content: str, reason: str
) -> None:
    """Before anything is predicted, in one line."""
    (tmp_path / name).write_text(content)
    done = run(saved_models / "keyed", [tmp_path / name], tmp_path / "out")
    assert done.code == 2
    assert reason in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_another_format_is_another_run(saved_models: Path, tmp_path: Path) -> None:
    """A run is not resumed with its files read otherwise."""
    (tmp_path / "in").write_text(json.dumps([1, 2, 3]) + "\n")
    run(saved_models / "single", [tmp_path / "in"], tmp_path / "out")
    again = run(saved_models / "single", [tmp_path / "in"], tmp_path / "out", "--resume", "--instances-format", "csv")
    assert again.code == 2
    assert "other inputs" in again.stderr
