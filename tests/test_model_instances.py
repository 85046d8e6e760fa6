"""Lines become exactly the arrays they say, or a rejection that names field and value."""

import gc
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.instances import Decoded, InstanceDecoder, instance_decoder
from model.signature import read_signature

NUMBERS = "[1,2,3,4,5,6,7,8,9,10,11,12,13]"


@pytest.fixture(scope="module")
def keyed(saved_models: Path) -> InstanceDecoder:
    """The decoder of 13 features and an int64 key."""
    return instance_decoder(read_signature(saved_models / "keyed"))


def decoder(saved_models: Path, name: str) -> InstanceDecoder:
    """Return a model's decoder."""
    return instance_decoder(read_signature(saved_models / name))


def decode_one(decode: InstanceDecoder, value: Any) -> dict[str, Any]:
    """Return one good instance's columns as lists."""
    decoded = decode([json.dumps(value).encode()])
    assert not decoded.rejections
    return {
        alias: array[0].tolist() if array.ndim > 1 else array[0] for alias, array in decoded.groups[0].inputs.items()
    }


def refused(decode: InstanceDecoder, line: str | bytes) -> tuple[Any, str, str]:
    """Return key, code and message of a line that is refused, between two good ones that are not."""
    good = b'{"features": %b, "key": 1}' % NUMBERS.encode()
    decoded = decode([good, line.encode() if isinstance(line, str) else line, good])
    assert decoded.groups[0].index.tolist() == [0, 2]
    (rejection,) = decoded.rejections
    assert rejection.at == 1
    return rejection.key, rejection.code, rejection.message


@pytest.mark.parametrize(
    ("line", "key", "code", "message"),
    [
        ('{"features": @}', None, "MISSING_FIELD", "field 'key' is missing: the model takes features, key"),
        ('{"key": 5}', 5, "MISSING_FIELD", "field 'features' is missing: the model takes"),
        ('{"features": @, "kye": 5}', None, "UNKNOWN_FIELD", "field 'kye' is no input of the model: it takes"),
        ('{"features": @, "key": 5, "x": 1}', 5, "UNKNOWN_FIELD", "field 'x' is no input of the model: it takes"),
        ('{"features": [1, 2], "key": 5}', 5, "WRONG_LENGTH", "field 'features' has 2 values: expected 13"),
        ('{"features": @, "key": 1.0}', 1.0, "WRONG_TYPE", "field 'key' is 1.0: expected an integer"),
        ('{"features": @, "key": "a"}', "a", "WRONG_TYPE", "field 'key' is \"a\": expected an integer"),
        ('{"features": @, "key": true}', None, "WRONG_TYPE", "field 'key' is true: expected an integer"),
        ('{"features": @, "key": null}', None, "WRONG_TYPE", "field 'key' is null: expected an integer"),
        ('{"features": null, "key": 5}', 5, "WRONG_TYPE", "field 'features' is null: expected a list"),
        ('{"features": #"x"], "key": 5}', 5, "WRONG_TYPE", "field 'features[12]' is \"x\": expected a number"),
        ('{"features": #null], "key": 5}', 5, "WRONG_TYPE", "field 'features[12]' is null: expected a number"),
        ('{"features": #NaN], "key": 5}', 5, "NOT_FINITE", "field 'features[12]' is NaN: JSON has"),
        ('{"features": #-Infinity], "key": 5}', 5, "NOT_FINITE", "field 'features[12]' is -Infinity: JSON has"),
        ('{"features": #1e39], "key": 5}', 5, "OUT_OF_RANGE", "field 'features[12]' is 1e+39: it is beyond float32"),
        ('{"features": @, "key": 9223372036854775808}', 2**63, "OUT_OF_RANGE", "field 'key' is 9223372036854775808: e"),
        ('{"features": #1e999], "key": 5}', 5, "OUT_OF_RANGE", "field 'features[12]' is Infinity: beyond a 64-bit"),
        ('{"features": @, "key": 1000000000000000000000000000000}', 10**30, "OUT_OF_RANGE", "field 'key' is 1000000"),
        ('{"features": @, "key": 5, "key": 6}', None, "DUPLICATE_FIELD", "field 'key' is there twice"),
        ('{"features": @, "features": @, "key": 5}', 5, "DUPLICATE_FIELD", "field 'features' is there twice"),
        ('{"features": @, "key": 5, "\\u006bey": 6}', None, "DUPLICATE_FIELD", "field 'key' is there twice"),
        ('\ufeff{"features": @, "key": 5}', 5, "BYTE_ORDER_MARK", "the file starts with a UTF-8 byte order mark"),
        ('{"features": [1, 2', None, "INVALID_JSON", 'the line ends inside a JSON value: …"{\\"features\\": [1, 2"'),
        ('{"key": 5, "features": @} {}', 5, "INVALID_JSON", "not JSON at byte"),
        ("[]", None, "WRONG_TYPE", "the line is []: expected an object"),
        ("5", None, "WRONG_TYPE", "the line is 5: expected an object"),
        (b'{"features": "\xff", "key": 5}', 5, "INVALID_UTF8", "byte 15 of the line (0xff) is not UTF-8"),
        ("[" * 100_000, None, "WRONG_TYPE", "the line is null: expected an object"),
    ],
)  # fmt: skip
def test_bad_line_is_refused_with_its_reason(
    keyed: InstanceDecoder, line: str | bytes, key: Any, code: str, message: str
) -> None:
    """Nothing is coerced: the refusal has the key where one can be read, and names field and value.

    In the cases @ stands for 13 numbers, # for the first twelve of them.
    """
    if isinstance(line, str):
        line = line.replace("#", NUMBERS[:-3]).replace("@", NUMBERS)
    found_key, found_code, found_message = refused(keyed, line)
    assert (found_key, found_code) == (key, code)
    assert found_message.startswith(message)


@pytest.mark.parametrize("line", [b"", b"  ", b"\r", b"\t \r"])
def test_blank_line_is_no_instance(keyed: InstanceDecoder, line: bytes) -> None:
    """Empty lines are counted and passed over."""
    assert keyed([line]) == Decoded([], [], 1)


def test_carriage_return_is_white_space(keyed: InstanceDecoder) -> None:
    """A file with CRLF line ends is read as one with LF."""
    line = b'{"features": %b, "key": 9}\r' % NUMBERS.encode()
    assert keyed([line]).groups[0].inputs["key"].tolist() == [9]


def test_integers_are_exact_and_floats_nearest(keyed: InstanceDecoder) -> None:
    """Keys keep all 64 bits; features are the float32 nearest to the text."""
    features = [0.1] * 12 + [16777217]
    columns = decode_one(keyed, {"features": features, "key": 2**63 - 1})
    assert columns["key"] == 2**63 - 1
    assert columns["features"] == np.array(features, dtype=np.float32).tolist()


@pytest.mark.parametrize("value", [[1, 2, 3], {"x": [1, 2, 3]}])
def test_single_input_has_a_short_form(saved_models: Path, value: Any) -> None:
    """A model with one input also takes the bare value."""
    assert decode_one(decoder(saved_models, "single"), value) == {"x": [1.0, 2.0, 3.0]}


@pytest.mark.parametrize(
    "value", ["é", {"text": "é"}, {"b64": "w6k="}, {"text": {"b64": "w6k="}}], ids=["bare", "named", "b64", "named b64"]
)
def test_text_comes_in_four_forms(saved_models: Path, value: Any) -> None:
    """A string input takes text or base64, bare or by name."""
    assert decode_one(decoder(saved_models, "text"), value) == {"text": "é".encode()}


@pytest.mark.parametrize(
    "line", [b'{"text": "a", "b64": "AA=="}', b"{}", b'{"text": "a", "text": "b"}', b'{"b64": "A"}']
)
def test_text_must_be_said_once(saved_models: Path, line: bytes) -> None:
    """Two forms at once, none, a name twice, or broken base64 are refused."""
    decoded = decoder(saved_models, "text")([line])
    assert len(decoded.rejections) == 1
    assert not decoded.groups


def test_lines_of_unlike_shape_are_grouped(saved_models: Path) -> None:
    """Rows of a variable-length input are batched with their likes, and none is padded."""
    lines = [
        b'{"tokens": [1], "key": "a"}',
        b'{"tokens": [1, 2], "key": "b"}',
        b'{"tokens": [3], "key": "c"}',
        b'{"tokens": [], "key": "d"}',
    ]
    groups = decoder(saved_models, "variable")(lines).groups
    assert [(group.index.tolist(), group.inputs["tokens"].tolist()) for group in groups] == [
        ([0, 2], [[1], [3]]),
        ([1], [[1, 2]]),
        ([3], [[]]),
    ]


def test_every_dtype_and_rank_is_read(saved_models: Path) -> None:
    """Scalars, vectors, matrices, truth values and lists of texts arrive as the signature has them."""
    value = {"a": 1.5, "b-b": [1, -2], "c": True, "d": [[1, 2], [3, 4.5]], "e": ["x", {"b64": "AA=="}]}
    columns = decode_one(decoder(saved_models, "multi"), value)
    assert columns == {"a": 1.5, "b-b": [1, -2], "c": True, "d": [[1.0, 2.0], [3.0, 4.5]], "e": [b"x", b"\x00"]}


@pytest.mark.parametrize(
    ("image", "code"),
    [
        ([[[1], [2], [3]]], "WRONG_LENGTH"),
        ([[[1], [2], [3]], [[1], [2]]], "WRONG_LENGTH"),
        ([[[1], [2], [256]], [[1], [2], [3]]], "OUT_OF_RANGE"),
        ([[[1], [2], [-1]], [[1], [2], [3]]], "OUT_OF_RANGE"),
        ([[[1], [2], [0.5]], [[1], [2], [3]]], "WRONG_TYPE"),
    ],
)
def test_image_of_wrong_form_is_refused(saved_models: Path, image: Any, code: str) -> None:
    """Every dimension and every pixel is checked."""
    (rejection,) = decoder(saved_models, "image")([json.dumps({"image": image, "key": "k"}).encode()]).rejections
    assert (rejection.key, rejection.code) == ("k", code)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=True) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(["features", "key", "b64", "x"]), inner),
    max_leaves=20,
)
good_values = st.builds(
    lambda features, key: {"features": features, "key": key},
    st.lists(st.floats(-1e6, 1e6), min_size=13, max_size=13),
    st.integers(-(2**63), 2**63 - 1),
)
lines_of_bytes = st.one_of(
    st.binary().map(lambda line: line.replace(b"\n", b"")),
    json_values.map(lambda value: json.dumps(value).encode()),
    good_values.map(lambda value: json.dumps(value).encode()),
)


@given(st.lists(lines_of_bytes, max_size=12))
def test_every_line_is_accounted_for_once(keyed: InstanceDecoder, lines: list[bytes]) -> None:
    """Any bytes: each line is a row, a rejection or blank, and a row is what Python's own parser reads."""
    decoded = keyed(lines)
    index = [at for group in decoded.groups for at in group.index.tolist()]
    rejected = [rejection.at for rejection in decoded.rejections]
    assert sorted(index + rejected) == sorted(set(index + rejected))
    assert len(index) + len(rejected) + decoded.blank == len(lines)
    for group in decoded.groups:
        for at, features, key in zip(group.index, group.inputs["features"], group.inputs["key"], strict=True):
            value = json.loads(lines[at])
            assert value["key"] == key
            assert all(
                math.isclose(a, b, rel_tol=1e-6, abs_tol=1e-30)
                for a, b in zip(value["features"], features, strict=True)
            )


@given(good_values)
def test_every_good_line_is_taken(keyed: InstanceDecoder, value: dict[str, Any]) -> None:
    """Nothing that fits the signature is refused."""
    assert not keyed([json.dumps(value).encode()]).rejections


def test_refused_lines_leave_nothing_for_the_garbage_collector(keyed: InstanceDecoder) -> None:
    """It is off in the processes that decode: an error that is kept with its frames would keep every line."""
    good, bad = f'{{"features": {NUMBERS}, "key": 1}}', ['{"features": [1], "key": 1}', '{"key": 2, "featu', "\x00"]
    lines = [line.encode() for line in [good, *bad] * 100]
    gc.collect()
    gc.disable()
    try:
        assert len(keyed(lines).rejections) == 300
        assert gc.collect() == 0
    finally:
        gc.enable()
