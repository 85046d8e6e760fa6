"""Verification: how far ways of predicting are apart, told by pair and key."""

import math
from pathlib import Path

import pytest

from infra.online_predictions import ROWS, requests_of
from model.errors import UserError
from model.verification import bare_values, batch_values, compare, describe, online_values
from tests.joins import instance, write
from tests.models import bare_predictions, exported_models


def test_the_largest_difference_is_told_with_its_key() -> None:
    """Every two ways are compared; beyond the tolerance a line says so."""
    ways = {"bare": {"1": [1.0], '"a"': [2.0, 3.0]}, "batch": {"1": [1.0], '"a"': [2.0, 3.5]}, "online": {"1": [1.25]}}
    pairs = {pair.ways: pair for pair in compare(ways, 0.5)}
    apart = pairs["bare", "batch"]
    assert (apart.compared, apart.largest, apart.key, apart.within) == (2, 0.5, "a", True)
    assert describe(apart, 0.5) == 'bare and batch: 2 keys, largest difference 0.5 at key "a" (2, 3 and 2, 3.5)'
    lacking = pairs["batch", "online"]
    assert (lacking.largest, lacking.lacking, lacking.first_lacking, lacking.within) == (0.25, 1, ("a",), False)
    assert describe(lacking, 0.5).endswith("1 keys are in one of them only ('a'): NOT within 0.5")


def test_what_cannot_be_compared_is_not_within() -> None:
    """Vectors of other lengths, values that are no numbers, and no shared key at all."""
    [lengths] = compare({"a": {"1": [1.0]}, "b": {"1": [1.0, 1.0]}}, 9)
    [finite] = compare({"a": {"1": [math.nan]}, "b": {"1": [math.nan]}}, 9)
    [nothing] = compare({"a": {}, "b": {}}, 9)
    assert (lengths.largest, finite.largest) == (math.inf, math.inf)
    assert not any(pair.within for pair in (lengths, finite, nothing))


def test_both_wrappers_predictions_are_read(tmp_path: Path) -> None:
    """Batch lines and online answers, the functional form's vector and a bare one too, give values by key."""
    lines = [{"prediction": [8.5], "key": 0}, {"prediction_with_key": [9.5, 1.0]}]
    assert batch_values([write(tmp_path / "shard", lines)]) == {"0": [8.5], "1": [9.5]}
    asked = [{"key": key} for key in range(3)]
    assert online_values(asked, [*lines, [7.5, 2.0]]) == {"0": [8.5], "1": [9.5], "2": [7.5]}
    with pytest.raises(UserError, match="belongs to instance 1, but its prediction has key 0"):
        online_values(asked[1:2], lines[:1])


def test_the_bare_model_predicts_by_key(tmp_path: Path) -> None:
    """Rows of the instances file, under their keys; what is not for the model is refused in a line."""
    from model.dataset import write_test_rows

    file = tmp_path / "in.jsonl"
    write_test_rows(file, 20, "int64", tmp_path / "targets.jsonl")
    values = bare_values(exported_models().model, file)
    assert [values[str(key)][0] for key in range(20)] == pytest.approx(list(bare_predictions()[:20]), abs=1e-4)
    with pytest.raises(UserError, match="is not for the model"):
        bare_values(exported_models().model, write(tmp_path / "other", [instance(1)]))
    with pytest.raises(UserError, match="without 'key'"):
        bare_values(exported_models().model, write(tmp_path / "none", [{"features": [1]}]))


def test_requests_are_within_the_services_limits() -> None:
    """At most a hundred rows and a megabyte a request, nothing lost, nothing turned around."""
    small, large = [{"key": n} for n in range(250)], [{"text": "x" * 600_000}] * 3
    assert [len(request) for request in requests_of(small)] == [ROWS, ROWS, 50]
    assert [len(request) for request in requests_of(large)] == [1, 1, 1]
    assert [row for request in requests_of(small) for row in request] == small
