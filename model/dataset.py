"""Boston housing CSV -> training and test rows -> instances with keys, as JSON Lines."""

import argparse
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import orjson

from model.command import Outcome, parser, run
from model.errors import UserError, unreadable
from model.files import replacing
from model.keys import KEY_TYPES, Key, KeyType, make_keys
from model.signature import UnusableModelError, read_signature

DATA = Path(__file__).parent / "data" / "boston_housing.csv"
FEATURES = 13
SHUFFLE_SEED = 113  # keras.datasets.boston_housing's: its first ten test rows are the tutorial's ten instances
TEST_SHARE = 0.2
SEED_ROWS = 10

Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Dataset:
    """Rows to train on and rows to test with; prices are the median values in 1,000 dollars."""

    train_features: Array
    train_prices: Array
    test_features: Array
    test_prices: Array


def load(path: Path = DATA) -> Dataset:
    """Read the CSV and split it as `keras.datasets.boston_housing.load_data()` does."""
    rows = _read(path)
    order = np.arange(len(rows))
    np.random.RandomState(SHUFFLE_SEED).shuffle(order)
    shuffled = rows[order]
    cut = int(len(rows) * (1 - TEST_SHARE))
    features, prices = shuffled[:, :FEATURES], shuffled[:, FEATURES]
    return Dataset(features[:cut], prices[:cut], features[cut:], prices[cut:])


def _read(path: Path) -> Array:
    """Read a CSV of 13 features and the price, with a header line."""
    try:
        rows = np.loadtxt(path, delimiter=",", skiprows=1, dtype=np.float64, ndmin=2)
    except FileNotFoundError:
        raise UserError(f"No data at '{path}'. Restore it: git checkout -- model/data/{DATA.name}") from None
    except ValueError as error:
        raise unreadable(f"The data at '{path}'", error, "Restore it from the repository.") from None
    if rows.shape[1] != FEATURES + 1:
        raise UserError(f"'{path}' has {rows.shape[1]} columns, not {FEATURES} features and the price.")
    return rows


def write_instances(path: Path, features: Iterable[Sequence[float] | Array], keys: Iterable[Key]) -> int:
    """Write `{"features": [...], "key": n}` lines, features in the shortest form that reads back the same.

    Returns the number of lines. Raises ValueError where rows and keys are not equally many.
    """
    rows = ({"features": [float(value) for value in row], "key": key} for row, key in zip(features, keys, strict=True))
    return _write_lines(path, rows)


def write_targets(path: Path, prices: Iterable[float], keys: Iterable[Key]) -> int:
    """Write `{"key": n, "price": x}` lines: the truth that results are measured against."""
    return _write_lines(path, ({"key": key, "price": float(p)} for p, key in zip(prices, keys, strict=True)))


def _write_lines(path: Path, rows: Iterable[Mapping[str, Any]]) -> int:
    """Write one JSON object per line, atomically."""
    count = 0
    with replacing(path) as temporary, temporary.open("wb") as file:
        for row in rows:
            file.write(orjson.dumps(row) + b"\n")
            count += 1
    return count


def write_test_rows(path: Path, count: int, key_type: KeyType = "int64", targets: Path | None = None) -> int:
    """Write the first `count` test rows as instances, and their true prices where `targets` says so."""
    data = load()
    keys = make_keys(min(count, len(data.test_prices)), key_type)
    if targets:
        write_targets(targets, islice(data.test_prices, len(keys)), keys)
    return write_instances(path, islice(data.test_features, len(keys)), keys)


def write_sample(name: str, saved_model: Path, folder: Path) -> tuple[Path, Path]:
    """Write the `seed` or `test` rows, keyed as a SavedModel takes them; return their file and that of true prices."""
    file = folder / f"{saved_model.name}-{name}.jsonl"
    targets = file.with_suffix(".prices.jsonl")
    write_test_rows(file, SEED_ROWS if name == "seed" else sys.maxsize, key_type_of(saved_model), targets)
    return file, targets


def key_type_of(saved_model: Path) -> KeyType:
    """Return the type of the keys that a SavedModel takes; int64 where none lies there."""
    try:
        inputs = read_signature(saved_model).inputs
    except UnusableModelError:
        return "int64"
    return "string" if any(tensor.alias == "key" and tensor.dtype == "string" for tensor in inputs) else "int64"


def _program(options: argparse.Namespace) -> Outcome:
    count = SEED_ROWS if options.rows == "seed" else sys.maxsize
    written = write_test_rows(options.output, count, options.key_type, options.targets)
    data = {"instances": written, "output": str(options.output), "key_type": options.key_type}
    return Outcome(f"{written} instances at '{options.output}'", data)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line."""
    made = parser("model.dataset", "Boston housing test rows -> instances with keys, as JSON Lines")
    made.add_argument("--rows", choices=["seed", "test"], default="test", help="the tutorial's ten, or all 102")
    made.add_argument("--key-type", choices=KEY_TYPES, default="int64", help="type of the keys")
    made.add_argument("--output", type=Path, required=True, metavar="FILE", help="where the instances go")
    made.add_argument("--targets", type=Path, metavar="FILE", help="where the true prices go, by key")
    return run(_program, made.parse_args(arguments))


if __name__ == "__main__":
    raise SystemExit(main())
