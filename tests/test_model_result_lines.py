"""Lines of result shards: every form joins, no bad one sinks its neighbours."""

from pathlib import Path
from typing import Any

import pytest

from tests.joins import instance, joined, rows_of

FORMS: dict[str, Any] = {
    "decorator": {"prediction": [8.5], "key": 3},
    "decorator, key as a double": {"prediction": [8.5], "key": 3.0},
    "functional": {"prediction_with_key": [8.5, 3.0]},
    "with instance, outputs by name": {"instance": instance(3), "prediction": {"prediction": [8.5], "key": 3}},
    "with instance, functional": {"instance": instance(3), "prediction": {"prediction_with_key": [8.5, 3.0]}},
    "with instance, key in it only": {"instance": instance(3), "prediction": {"prediction": [8.5]}},
    "with instance, bare vector": {"instance": instance(3), "prediction": [8.5, 3.0]},
    "with instance, bare value": {"instance": instance(3), "prediction": [8.5]},
    "with key, bare value": {"key": 3, "prediction": [8.5]},
    "with key, outputs by name": {"key": 3, "prediction": {"prediction": [8.5]}},
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_line_joins_to_the_same_row(tmp_path: Path, form: str) -> None:
    """Both wrappers, with and without the instance, named or bare: one prediction without its key."""
    summary = joined(tmp_path, [instance(3)], [FORMS[form]])
    assert summary.complete
    assert rows_of(tmp_path) == [{**instance(3), "prediction": [8.5]}]


def test_outputs_keep_their_digits_and_their_names(tmp_path: Path) -> None:
    """Whatever else the model returns is there too, digit for digit."""
    line = b'{"scores": [[1.0, 2.50], []], "key": 1, "label": "a\\u00e9", "prediction": 8.061697959899902}'
    joined(tmp_path, [b'{"key": 1, "note": 1.10}'], [line])
    text = (tmp_path / "out" / "joined.jsonl").read_text()
    assert text == (
        '{"key": 1, "note": 1.10,"scores":[[1.0, 2.50], []],"label":"a\\u00e9","prediction":8.061697959899902}\n'
    )


def test_integer_and_text_keys_never_match(tmp_path: Path) -> None:
    """1 and "1" are two rows; nothing turns one into the other."""
    results = [{"prediction": [1.0], "key": "1"}, {"prediction": [2.0], "key": 2}]
    summary = joined(tmp_path, [instance(1), instance("2")], results)
    assert (summary.complete, summary.joined, summary.missing.first, summary.unknown.first) == (
        False,
        0,
        (1, "2"),
        ("1", 2),
    )


BAD_LINES: dict[str, bytes] = {
    "torn": b'{"prediction": [8.5], "ke',
    "no object": b"[1, 2]",
    "not JSON's NaN": b'{"prediction": [NaN], "key": 1}',
    "no key": b'{"prediction": [8.5]}',
    "null key": b'{"prediction": [8.5], "key": null}',
    "true as key": b'{"prediction": [8.5], "key": true}',
    "half a key": b'{"prediction": [8.5], "key": 0.5}',
    "key that a double may have changed": b'{"prediction": [8.5], "key": 9007199254740994.0}',
    "key that float32 may have changed": b'{"prediction_with_key": [8.5, 16777218.0]}',
    "key beyond 64 bits": b'{"prediction": [8.5], "key": 9223372036854775808}',
    "text in the vector": b'{"prediction_with_key": [8.5, "1"]}',
    "vector without a key": b'{"prediction_with_key": [8.5]}',
    "two keys": b'{"instance": {"key": 1}, "prediction": {"prediction": [8.5], "key": 2}}',
    "instance without an answer": b'{"instance": {"key": 1}}',
    "instance without a key": b'{"instance": [1.0], "prediction": [8.5]}',
    "bytes that are no text": b'{"prediction": ["\xff"], "key": 1}',
    "a deep hole": b'{"prediction": ' + b"[" * 100_000 + b"]" * 100_000 + b', "key": 1}',
}


@pytest.mark.parametrize("kind", BAD_LINES)
def test_a_line_that_nothing_can_be_made_of_is_counted_and_sinks_nothing(tmp_path: Path, kind: str) -> None:
    """A bad line is listed with file, line and reason; its row is missing, its neighbours are joined."""
    good = [{"prediction": [1.0], "key": 5}, {"prediction": [2.0], "key": 6}]
    summary = joined(tmp_path, [instance(5), instance(1), instance(6)], [good[0], BAD_LINES[kind], good[1]])
    assert (summary.complete, summary.joined, summary.missing.first) == (False, 2, (1,))
    assert summary.malformed.count == 1
    assert summary.malformed.first[0].startswith("prediction.results-0:2 ")
    assert [row["key"] for row in rows_of(tmp_path)] == [5, 6]
    assert rows_of(tmp_path, "unjoined.jsonl") == [instance(1)]


def test_a_services_own_error_lines_are_failures(tmp_path: Path) -> None:
    """Beside the instance or its key; a code without a name gets the one that Google's RPC library has for it."""
    errors = [
        {"instance": instance(1), "error": {"code": 3, "message": "bad"}},
        {"key": 2, "error": {"code": 14, "message": "gone"}},
        {"instance": instance(3), "error": {"status": "NOT_FOUND", "message": "none"}},
    ]
    summary = joined(tmp_path, [instance(1), instance(2), instance(3)], [], errors)
    assert (summary.complete, summary.failed) == (True, 3)
    assert summary.errors == {"INVALID_ARGUMENT": 1, "NOT_FOUND": 1, "UNAVAILABLE": 1}
