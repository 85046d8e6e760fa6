"""The data: the split, the instances, their keys."""

import json
from pathlib import Path

import numpy as np
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.dataset import DATA, load, main, write_instances, write_targets, write_test_rows
from model.errors import UserError
from model.keys import FLOAT32_EXACT, INT64, Key, check_keys, make_keys

# The ten lines that the tutorial prints as its input file.
TUTORIAL = """
{"features": [18.0846, 0.0, 18.1, 0.0, 0.679, 6.434, 100.0, 1.8347, 24.0, 666.0, 20.2, 27.25, 29.05], "key": 0}
{"features": [0.12329, 0.0, 10.01, 0.0, 0.547, 5.913, 92.9, 2.3534, 6.0, 432.0, 17.8, 394.95, 16.21], "key": 1}
{"features": [0.05497, 0.0, 5.19, 0.0, 0.515, 5.985, 45.4, 4.8122, 5.0, 224.0, 20.2, 396.9, 9.74], "key": 2}
{"features": [1.27346, 0.0, 19.58, 1.0, 0.605, 6.25, 92.6, 1.7984, 5.0, 403.0, 14.7, 338.92, 5.5], "key": 3}
{"features": [0.07151, 0.0, 4.49, 0.0, 0.449, 6.121, 56.8, 3.7476, 3.0, 247.0, 18.5, 395.15, 8.44], "key": 4}
{"features": [0.27957, 0.0, 9.69, 0.0, 0.585, 5.926, 42.6, 2.3817, 6.0, 391.0, 19.2, 396.9, 13.59], "key": 5}
{"features": [0.03049, 55.0, 3.78, 0.0, 0.484, 6.874, 28.1, 6.4654, 5.0, 370.0, 17.6, 387.97, 4.61], "key": 6}
{"features": [0.03551, 25.0, 4.86, 0.0, 0.426, 6.167, 46.7, 5.4007, 4.0, 281.0, 19.0, 390.64, 7.51], "key": 7}
{"features": [0.09299, 0.0, 25.65, 0.0, 0.581, 5.961, 92.9, 2.0869, 2.0, 188.0, 19.1, 378.09, 17.93], "key": 8}
{"features": [3.56868, 0.0, 18.1, 0.0, 0.58, 6.437, 75.0, 2.8965, 24.0, 666.0, 20.2, 393.37, 14.36], "key": 9}
""".strip().splitlines()

finite = st.floats(allow_nan=False, allow_infinity=False)


def test_first_ten_test_rows_are_the_tutorials_instances(tmp_path: Path) -> None:
    """The tutorial's ten instances come out exactly, in their order, digit by digit."""
    write_test_rows(tmp_path / "seed.jsonl", 10)
    lines = (tmp_path / "seed.jsonl").read_text().splitlines()
    assert [json.dumps(json.loads(line)) for line in lines] == TUTORIAL


def test_split_is_404_to_102_and_loses_no_row() -> None:
    """Every row of the CSV is a training row or a test row, once."""
    data = load()
    assert (data.train_features.shape, data.test_features.shape) == ((404, 13), (102, 13))
    rows = np.vstack(
        [
            np.column_stack([data.train_features, data.train_prices]),
            np.column_stack([data.test_features, data.test_prices]),
        ]
    )
    original = np.loadtxt(DATA, delimiter=",", skiprows=1)
    assert sorted(map(tuple, rows)) == sorted(map(tuple, original))


def test_all_test_rows_are_written_with_string_keys_and_prices(tmp_path: Path) -> None:
    """102 rows with text keys, and their true prices under the same keys."""
    assert write_test_rows(tmp_path / "all.jsonl", 1000, "string", tmp_path / "prices.jsonl") == 102
    rows = [orjson.loads(line) for line in (tmp_path / "all.jsonl").read_bytes().splitlines()]
    prices = [orjson.loads(line) for line in (tmp_path / "prices.jsonl").read_bytes().splitlines()]
    assert [row["key"] for row in rows] == [price["key"] for price in prices] == list(make_keys(102, "string"))
    assert [price["price"] for price in prices] == load().test_prices.tolist()


@given(st.lists(st.tuples(st.lists(finite, min_size=13, max_size=13), st.text() | st.integers(-(2**63), 2**63 - 1))))
def test_instances_read_back_as_they_were(rows: list[tuple[list[float], Key]]) -> None:
    """Any features and keys survive the file, bit by bit."""
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "instances.jsonl"
        write_instances(path, [features for features, _ in rows], [key for _, key in rows])
        found = [orjson.loads(line) for line in path.read_bytes().splitlines()]
    assert [(row["features"], row["key"]) for row in found] == rows


def test_keys_and_rows_must_be_equally_many(tmp_path: Path) -> None:
    """A row without a key is refused, and no half-written file stays."""
    with pytest.raises(ValueError, match="argument"):
        write_instances(tmp_path / "short.jsonl", [[1.0] * 13, [2.0] * 13], [0])
    with pytest.raises(ValueError, match="argument"):
        write_targets(tmp_path / "short.jsonl", [1.0], [0, 1])
    assert list(tmp_path.iterdir()) == []


@given(st.integers())
def test_functional_form_takes_a_key_exactly_where_float32_holds_it(key: int) -> None:
    """What is accepted comes back from float32 unchanged; what is beyond 2**24 is refused, with the way out."""
    if abs(key) <= FLOAT32_EXACT:
        check_keys([key], "functional")
        assert int(np.float32(key)) == key
    else:
        with pytest.raises(UserError, match=rf"Key {key} .* float32.* Use the decorator wrapper"):
            check_keys([0, key], "functional")


def test_first_refused_key_is_one_that_float32_changes() -> None:
    """The limit is no rounder than it has to be."""
    assert int(np.float32(FLOAT32_EXACT + 1)) == FLOAT32_EXACT
    check_keys([FLOAT32_EXACT, -FLOAT32_EXACT], "functional")


@given(st.integers() | st.text())
def test_decorator_form_takes_every_int64_and_text(key: Key) -> None:
    """Only integers beyond 64 bits are refused."""
    if isinstance(key, str) or key in INT64:
        check_keys([key], "decorator")
    else:
        with pytest.raises(UserError, match="--key-type string"):
            check_keys([key], "decorator")


@pytest.mark.parametrize("key", [True, None, 1.0, [1]])
def test_other_keys_are_refused_by_both_forms(key: object) -> None:
    """A key is an integer or text; true is neither."""
    for wrapper in ("functional", "decorator"):
        with pytest.raises(UserError, match="neither an integer nor a string"):
            check_keys([key], wrapper)  # type: ignore[list-item]


def test_text_keys_name_the_wrapper_that_takes_them() -> None:
    """The functional form returns numbers only."""
    with pytest.raises(UserError, match=r"'house' is text.*decorator"):
        check_keys(["house"], "functional")


def test_missing_or_torn_data_is_one_line(tmp_path: Path) -> None:
    """Data that is not there or not data says so with its path."""
    with pytest.raises(UserError, match="No data at"):
        load(tmp_path / "none.csv")
    (tmp_path / "torn.csv").write_text("crim,zn\n1,2\n1,abc\n")
    with pytest.raises(UserError, match="cannot be read"):
        load(tmp_path / "torn.csv")
    (tmp_path / "narrow.csv").write_text("crim,zn\n1,2\n")
    with pytest.raises(UserError, match="2 columns"):
        load(tmp_path / "narrow.csv")


def test_program_writes_instances(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`python -m model.dataset --json` ends with one JSON object."""
    assert main(["--rows", "seed", "--output", str(tmp_path / "a.jsonl"), "--json"]) == 0
    assert orjson.loads(capsys.readouterr().out)["instances"] == 10


def test_program_complains_in_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A place that cannot be written is a user's mistake: one line, exit 2."""
    (tmp_path / "file").write_text("")
    assert main(["--output", str(tmp_path / "file" / "a.jsonl")]) == 2
    assert capsys.readouterr().err.count("\n") == 1
