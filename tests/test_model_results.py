"""Results: every instance joined, failed or found missing, whatever came back in whatever order."""

import random
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model.dataset import load, write_test_rows
from model.errors import UserError
from model.instance_keys import look_over
from model.keys import Key
from model.results import find_shards, join, main, read_targets
from model.runtime import tensorflow
from model.summary import Summary, describe
from tests.joins import instance, joined, rows_of, write
from tests.models import bare_predictions, exported_models, run_program

KEYS = st.integers(-(2**63), 2**63 - 1) | st.text(max_size=5)


def predictions_of(folder: Path, count: int) -> list[dict[str, Any]]:
    """Predict the first test rows with a SavedModel, one result line each, shuffled as a service would."""
    tf = tensorflow()
    signature = tf.saved_model.load(str(folder)).signatures["serving_default"]
    keys = tf.constant([f"row-{n}" for n in range(count)] if "string" in str(folder) else range(count))
    answer = signature(
        features=tf.constant(load().test_features[:count], tf.float32),
        key=keys if keys.dtype == tf.string else tf.cast(keys, tf.int64),
    )
    columns = {alias: tensor.numpy().tolist() for alias, tensor in answer.items()}
    lines = [{alias: column[row] for alias, column in columns.items()} for row in range(count)]
    random.Random(7).shuffle(lines)
    return [{k: v.decode() if isinstance(v, bytes) else v for k, v in line.items()} for line in lines]


@pytest.mark.parametrize("name", ["functional", "decorator", "decorator_string"])
@pytest.mark.parametrize("count", [10, 102])
def test_joined_predictions_are_the_bare_models(tmp_path: Path, name: str, count: int) -> None:
    """The tutorial's ten instances, and all test rows, get the bare model's predictions within 1e-4, in order."""
    instances, targets = tmp_path / "instances.jsonl", tmp_path / "prices.jsonl"
    write_test_rows(instances, count, "string" if "string" in name else "int64", targets)
    lines = predictions_of(getattr(exported_models(), name), count)
    shards = [write(tmp_path / f"prediction.results-{n}", lines[n::3]) for n in range(3)]
    summary = join(instances, shards, [], tmp_path / "out", targets=read_targets(targets))
    assert (summary.complete, summary.joined, summary.failed) == (True, count, 0)
    rows = rows_of(tmp_path)
    assert [list(row) for row in rows] == [["features", "key", "prediction"]] * count
    assert [{"features": row["features"], "key": row["key"]} for row in rows] == [
        orjson.loads(line) for line in instances.read_bytes().splitlines()
    ]
    expected = np.array(bare_predictions()[:count])
    np.testing.assert_allclose([row["prediction"] for row in rows], expected[:, None], rtol=0, atol=1e-4)
    assert summary.rmse == pytest.approx(np.sqrt(np.mean((expected - load().test_prices[:count]) ** 2)), rel=1e-5)


@pytest.mark.parametrize("name", ["functional", "decorator", "decorator_string"])
def test_tutorials_rows_go_through_the_batch_engine(tmp_path: Path, name: str) -> None:
    """The ten instances, predicted by the real engine over shuffled shards, join to the bare model's predictions."""
    instances = tmp_path / "instances.jsonl"
    write_test_rows(instances, 10, "string" if "string" in name else "int64")
    places = ("--input", instances, "--output", tmp_path / "job", "--shards", "3", "--seed", "5")
    run_program("model.batch_predict", "--saved-model", getattr(exported_models(), name), *places)
    summary = join(instances, *find_shards(tmp_path / "job"), tmp_path / "out")
    assert (summary.complete, summary.joined) == (True, 10)
    predictions = [row["prediction"][0] for row in rows_of(tmp_path)]
    np.testing.assert_allclose(predictions, bare_predictions()[:10], rtol=0, atol=1e-4)


def test_key_that_float32_would_change_fails_alone(tmp_path: Path) -> None:
    """In a batch of good rows only the row with the key beyond 2**24 fails, and its record says why."""
    rows = [{"features": [1.0] * 13, "key": key} for key in (1, 16_777_217, 2)]
    places = ("--input", write(tmp_path / "instances.jsonl", rows), "--output", tmp_path / "job")
    run_program("model.batch_predict", "--saved-model", exported_models().functional, *places)
    summary = join(tmp_path / "instances.jsonl", *find_shards(tmp_path / "job"), tmp_path / "out")
    assert (summary.complete, summary.joined, summary.failed) == (True, 2, 1)
    [error] = summary.first_errors
    assert error["key"] == "16777217"
    assert "Key 16777217 does not fit the functional wrapper" in error["message"]
    assert "Use the decorator wrapper" in error["message"]


def test_failed_rows_are_accounted_for_by_their_errors(tmp_path: Path) -> None:
    """A row with an error record failed, with its code; the whole is complete, for every row has its answer."""
    errors = [
        {"key": 2, "file": "in", "line": 2, "code": "WRONG_TYPE", "message": "features[0] is 'a'"},
        {"key": None, "file": "in", "line": 3, "code": "INVALID_JSON", "message": "unexpected end"},
        {"key": True, "file": "in", "line": 4, "code": "WRONG_TYPE", "message": "key is true"},
    ]
    asked = [instance(1), instance(2), b'{"features": [1', instance(True)]
    summary = joined(tmp_path, asked, [{"prediction": [1.0], "key": 1}], errors)
    assert (summary.complete, summary.joined, summary.failed, summary.missing.count) == (True, 1, 3, 0)
    assert summary.errors == {"INVALID_JSON": 1, "WRONG_TYPE": 2}
    assert summary.unreadable.first == (3, 4)  # true is no key
    assert (tmp_path / "out" / "unjoined.jsonl").read_bytes().splitlines()[1] == b'{"features": [1'


def test_services_own_errors_are_read(tmp_path: Path) -> None:
    """A tuple counts batches and names no row, so these are missing; an error beside an instance names its row."""
    errors = [b"('Post request fails. Cannot get predictions. Error: 504', 2)"]
    results = [{"instance": instance(1), "error": {"status": "NOT_FOUND", "message": "gone"}}]
    summary = joined(tmp_path, [instance(1), instance(2), instance(3)], results, errors)
    assert (summary.complete, summary.failed, summary.missing.first) == (False, 1, (2, 3))
    assert summary.errors == {"BATCH_FAILED": 2, "NOT_FOUND": 1}
    assert "BATCH_FAILED: 2 (whole batches, whose rows the service does not name), such as: Post" in describe(summary)


def test_rows_nobody_answered_for_are_missing(tmp_path: Path) -> None:
    """Neither prediction nor error: the row is listed by key, a line without a key by its number."""
    summary = joined(tmp_path, [instance(1), b"not json", instance("a")], [])
    assert (summary.complete, summary.missing.count, summary.unreadable.first) == (False, 3, (2,))
    assert summary.missing.first == (1, None, "a")


def test_the_same_answer_twice_is_joined_once_and_reported(tmp_path: Path) -> None:
    """A repeated line changes no prediction, but the result is not complete until someone looked."""
    line = {"prediction": [1.0], "key": 1}
    summary = joined(tmp_path, [instance(1)], [line, line])
    assert (summary.complete, summary.joined, summary.duplicate_predictions.first) == (False, 1, (1,))


def test_two_answers_for_one_row_are_no_answer(tmp_path: Path) -> None:
    """Where predictions differ, none is chosen."""
    summary = joined(tmp_path, [instance(1)], [{"prediction": [1.0], "key": 1}, {"prediction": [2.0], "key": 1}])
    assert (summary.complete, summary.joined, summary.ambiguous.first) == (False, 0, (1,))
    assert rows_of(tmp_path) == []


def test_two_rows_with_one_key_get_no_answer(tmp_path: Path) -> None:
    """Which of them an answer belongs to cannot be known, so neither is joined."""
    results = [{"prediction": [1.0], "key": 1}, {"prediction": [1.0], "key": 1}]
    summary = joined(tmp_path, [instance(1), instance(1)], results)
    assert (summary.complete, summary.joined, summary.ambiguous.count) == (False, 0, 2)
    assert (summary.duplicate_instances.first, summary.duplicate_predictions.count) == ((1,), 0)


def test_answer_and_error_for_one_row_is_not_complete(tmp_path: Path) -> None:
    """A row that succeeded and failed keeps its prediction; the contradiction is not passed over."""
    error = {"key": 1, "code": "MODEL_FAILED", "message": "once"}
    summary = joined(tmp_path, [instance(1)], [{"prediction": [1.0], "key": 1}], [error])
    assert (summary.complete, summary.joined, summary.failed) == (False, 1, 0)


def test_errors_for_unknown_rows_are_reported(tmp_path: Path) -> None:
    """An error record whose key nobody sent belongs to another job."""
    summary = joined(tmp_path, [], [], [{"key": 9, "code": "WRONG_TYPE", "message": ""}])
    assert (summary.complete, summary.unknown_errors.first) == (False, (9,))


@st.composite
def jobs(draw: st.DrawFn) -> tuple[list[Key], list[tuple[Key, int]], list[Key]]:
    """Draw instances (some repeated), answers (dropped, repeated, changed, foreign) and errors."""
    pool = draw(st.lists(KEYS, min_size=1, max_size=12, unique_by=lambda key: (type(key), key)))
    repeated = draw(st.lists(st.sampled_from(pool), max_size=3))
    asked = draw(st.permutations([*pool[: draw(st.integers(0, len(pool)))], *repeated]))
    answers = draw(st.lists(st.tuples(st.sampled_from(pool), st.integers(0, 1)), max_size=20))
    return list(asked), answers, draw(st.lists(st.sampled_from(pool), max_size=6))


@settings(max_examples=80, deadline=None)
@given(jobs(), st.integers(1, 4), st.randoms(use_true_random=False))
def test_every_row_is_accounted_for(
    job: tuple[list[Key], list[tuple[Key, int]], list[Key]], shards: int, order: random.Random
) -> None:
    """Against a plain reckoning: statuses add up, and nothing is joined that is not one to one."""
    asked, answers, refused = job
    order.shuffle(answers)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        lines = [{"prediction": [value], "key": key} for key, value in answers]
        files = [write(folder / f"prediction.results-{n}", lines[n::shards]) for n in range(shards)]
        errors = write(folder / "prediction.errors-0", [{"key": k, "code": "X", "message": ""} for k in refused])
        instances = write(folder / "instances.jsonl", [instance(key) for key in asked])
        summary = join(instances, files, [errors], folder / "out", ("jsonl",))
        rows, rest = rows_of(folder), rows_of(folder, "unjoined.jsonl")
    counts = (summary.joined, summary.failed, summary.missing.count, summary.ambiguous.count)
    assert sum(counts) == summary.instances == len(asked) == len(rows) + len(rest)
    assert summary.predicted == len(answers)
    _check_against_plain_reckoning(summary, rows, job)


def _check_against_plain_reckoning(
    summary: Summary, rows: list[Any], job: tuple[list[Key], list[tuple[Key, int]], list[Key]]
) -> None:
    asked, answers, refused = job
    values = {key: {value for other, value in answers if same(key, other)} for key in asked}
    times = Counter(map(typed, asked))
    one_to_one = [key for key in asked if times[typed(key)] == 1 and len(values[key]) == 1]
    assert [(row["key"], row["prediction"]) for row in rows] == [(key, [*values[key]]) for key in one_to_one]
    unanswered = [key for key in asked if not values[key] and not any(same(key, other) for other in refused)]
    assert summary.missing.count == len(unanswered)
    foreign = {typed(key) for key, _ in answers} - set(times)
    assert summary.unknown.count == len(foreign)
    clean = len({typed(key) for key, _ in answers}) == len(answers) and max(times.values(), default=1) == 1
    contradicted = {typed(key) for key in refused} & {typed(key) for key, _ in answers}
    foreign_errors = {typed(key) for key in refused} - set(times)
    assert summary.complete == (clean and not (unanswered or foreign or contradicted or foreign_errors))


def typed(key: Key) -> tuple[str, Key]:
    """Return a key that equals another of its own type only."""
    return (type(key).__name__, key)


def same(one: Key, other: Key) -> bool:
    """Compare keys with their types."""
    return typed(one) == typed(other)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.binary(max_size=40) | st.text(max_size=20).map(str.encode), max_size=10))
def test_no_bytes_crash_the_join(noise: list[bytes]) -> None:
    """Whatever stands in instances, results and errors, there is a summary, and it adds up."""
    with tempfile.TemporaryDirectory() as name:
        summary = joined(Path(name), noise, noise, noise)
    counts = (summary.joined, summary.failed, summary.missing.count, summary.ambiguous.count)
    assert sum(counts) == summary.instances


def test_refusals_name_what_is_wrong(tmp_path: Path) -> None:
    """No instances, no shards, an unknown format, colliding names, mixed keys in a table: one line each."""
    with pytest.raises(UserError, match="No instances at"):
        join(tmp_path / "none.jsonl", [], [], tmp_path / "out")
    with pytest.raises(UserError, match="No result shards in"):
        find_shards(tmp_path)
    with pytest.raises(UserError, match="Cannot write results as 'xml'"):
        joined(tmp_path, [], [], formats=("xml",))
    with pytest.raises(UserError, match="already have a field 'prediction'"):
        joined(tmp_path, [{"key": 1, "prediction": 0}], [{"prediction": [1.0], "key": 1}])
    results = [{"prediction": [1.0], "key": key} for key in (1, "a")]
    with pytest.raises(UserError, match="--format jsonl"):
        joined(tmp_path, [instance(1), instance("a")], results, formats=("parquet",))
    with pytest.raises(UserError, match=r"True prices at .* cannot be read"):
        read_targets(write(tmp_path / "prices.jsonl", [b"{}"]))


def test_program_exits_1_where_a_row_is_missing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Incomplete results never look like success."""
    write(tmp_path / "asked.jsonl", [instance(1), instance(2)])
    shards = tmp_path / "job" / "deep"
    shards.mkdir(parents=True)
    write(shards / "prediction.results-00000-of-00001", [{"prediction": [1.0], "key": 1}])
    command = ["--instances", str(tmp_path / "asked.jsonl"), "--predictions", str(tmp_path / "job")]
    assert main([*command, "--output", str(tmp_path / "out"), "--json"]) == 1
    printed = capsys.readouterr()
    assert orjson.loads(printed.out)["missing"] == {"count": 1, "first": [2]}
    assert "missing: 1 key (2)" in printed.err
    assert printed.err.startswith("NOT COMPLETE: 1 of 2 instances joined")


def test_description_says_everything_that_is_wrong(tmp_path: Path) -> None:
    """Each oddity has a line with its count and its first keys."""
    results = [{"prediction": [1.0], "key": 7}, b"torn"]
    text = describe(joined(tmp_path, [instance(1), instance(1)], results, [{"key": 8, "code": "X", "message": "why"}]))
    for line in ("missing: 2 keys", "duplicate instances: 1 key (1)", "unknown: 1 key (7)"):
        assert line in text
    assert "unknown errors: 1 key (8)" in text
    assert "X: 1, such as key 8: why" in text
    assert "lines that cannot be read: 1" in text


def test_a_byte_order_mark_is_refused_before_a_job_and_accounted_for_after_one(tmp_path: Path) -> None:
    """It spoils the first line alone, whose error still finds its instance; before a job the line names the cure."""
    asked = write(tmp_path / "marked.jsonl", [b"\xef\xbb\xbf" + orjson.dumps(instance(1)), instance(2)])
    results = write(tmp_path / "results", [{"prediction": [1.0], "key": 2}])
    errors = write(tmp_path / "errors", [{"key": 1, "code": "BYTE_ORDER_MARK", "message": "why"}])
    summary = join(asked, [results], [errors], tmp_path / "out")
    assert (summary.complete, summary.joined, summary.failed) == (True, 1, 1)
    with pytest.raises(UserError, match=r"byte order mark.* Run: sed"):
        look_over(asked, "decorator")
