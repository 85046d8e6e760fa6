"""The same instances predicted in several ways -> how far the ways differ, value by value, matched by key."""

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import orjson

from model.errors import UserError
from model.instance_files import numbered_lines
from model.instance_lines import read_instance
from model.keys import Key
from model.line_keys import key_text, key_value
from model.reading import LISTED
from model.result_lines import Prediction, read_prediction
from model.runtime import keras

TOLERANCE = 1e-4  # dollars in thousands: a hundred times what float32 rounding does to these prices
BATCH = 8192

Values = Mapping[str, list[float]]  # by the key's JSON text


@dataclass(frozen=True)
class Pair:
    """Two ways: over how many keys they were compared, where they differ most, and keys that one of them lacks."""

    ways: tuple[str, str]
    compared: int
    largest: float
    key: Key | None
    values: tuple[list[float], list[float]] | None
    lacking: int
    first_lacking: tuple[Key, ...]
    within: bool


def bare_values(model: Path, instances: Path) -> Values:
    """Predict the features of keyed instances by the bare Keras model."""
    if not model.is_file():
        raise UserError(f"No model at '{model}'. Run: invoke train")
    keys, features = [], []
    for _, line in numbered_lines(instances):
        key, _ = _readable(instances, line)
        keys.append(key)
        features.append(orjson.loads(line).get("features"))
    try:
        rows = np.asarray(features, dtype=np.float32)
        predicted = keras().models.load_model(model).predict(rows, batch_size=BATCH, verbose=0)
    except (ValueError, TypeError) as error:
        reason = str(error).strip().splitlines()[0]
        raise UserError(f"'{instances}' is not for the model at '{model}': {reason}. Run: invoke validate") from None
    return dict(zip(keys, map(_numbers, predicted.tolist()), strict=True))


def _readable(instances: Path, line: bytes) -> tuple[str, tuple[str, ...]]:
    try:
        key, fields = read_instance(line)
    except ValueError as error:
        raise UserError(f"'{instances}' has a line that {error}. Run: invoke validate") from None
    if key is None:
        raise UserError(f"'{instances}' has an instance without 'key'. Run: invoke validate")
    return key, fields


def batch_values(shards: Iterable[Path]) -> Values:
    """Read what a batch job returned."""
    return _values(line for file in shards for _, line in numbered_lines(file))


def online_values(instances: Iterable[Any], predictions: Iterable[Any]) -> Values:
    """Read what an endpoint returned for instances: in their order, and each prediction with its instance's key."""
    pairs = zip(instances, predictions, strict=True)
    return _values(orjson.dumps({"instance": instance, "prediction": prediction}) for instance, prediction in pairs)


def _values(lines: Iterable[bytes]) -> Values:
    values = {}
    for line in lines:
        try:
            found = read_prediction(line)
        except ValueError as error:
            raise UserError(f"A prediction {error}. Run: invoke results") from None
        if isinstance(found, Prediction):
            values[found.key] = _numbers(orjson.loads("{" + found.outputs + "}").get("prediction"))
    return values


def _numbers(value: Any) -> list[float]:
    return list(_flat(value))


def _flat(value: Any) -> Iterator[float]:
    if isinstance(value, list):
        for item in value:
            yield from _flat(item)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield float(value)


def compare(ways: Mapping[str, Values], tolerance: float = TOLERANCE) -> list[Pair]:
    """Compare every two ways; a key that one of them lacks is not within any tolerance."""
    return [_pair((one, other), ways[one], ways[other], tolerance) for one, other in combinations(ways, 2)]


def _pair(names: tuple[str, str], one: Values, other: Values, tolerance: float) -> Pair:
    shared = [key for key in one if key in other]
    lacking = [key for key in (*one, *other) if key not in one or key not in other]
    differences = {key: _difference(one[key], other[key]) for key in shared}
    worst = max(shared, key=lambda key: differences[key], default=None)
    largest = differences[worst] if worst is not None else 0.0
    return Pair(
        ways=names,
        compared=len(shared),
        largest=largest,
        key=None if worst is None else key_value(worst),
        values=None if worst is None else (one[worst], other[worst]),
        lacking=len(lacking),
        first_lacking=tuple(map(key_value, lacking[:LISTED])),
        within=bool(shared) and not lacking and largest <= tolerance,
    )


def _difference(one: list[float], other: list[float]) -> float:
    """Return the largest difference of two predictions' values; infinite where they are not even as many."""
    if len(one) != len(other) or not all(map(math.isfinite, (*one, *other))):
        return math.inf
    return max((abs(a - b) for a, b in zip(one, other, strict=True)), default=0.0)


def describe(pair: Pair, tolerance: float) -> str:
    """Say in a line how far two ways are apart."""
    line = f"{pair.ways[0]} and {pair.ways[1]}: {pair.compared:,} keys, largest difference {pair.largest:.3g}"
    if pair.values is not None:
        one, other = (", ".join(f"{value:.9g}" for value in values) for values in pair.values)
        line += f" at key {key_text(pair.key) if pair.key is not None else None} ({one} and {other})"
    if pair.lacking:
        keys = ", ".join([*map(repr, pair.first_lacking), *["…"] * (pair.lacking > len(pair.first_lacking))])
        line += f"; {pair.lacking:,} keys are in one of them only ({keys})"
    return line if pair.within else f"{line}: NOT within {tolerance:g}"
