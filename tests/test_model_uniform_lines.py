"""Blocks of like lines are read at once, and exactly as their lines are read one by one."""

import json
from operator import attrgetter
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model.instances import Decoded, InstanceDecoder, instance_decoder
from model.lines import Lines
from model.signature import Signature, TensorSpec
from model.template import fits, template_of
from model.uniform_lines import read_uniform


def spec(alias: str, dtype: str, *row: int | None) -> TensorSpec:
    """Return an input's description."""
    return TensorSpec(alias, f"serving_default_{alias}:0", dtype, (None, *row))


KEYED = (spec("features", "float32", 13), spec("key", "int64"))
SIGNATURES = {
    "keyed": KEYED,
    "text key": (spec("key", "string"), spec("x1", "float64", 3)),
    "matrix": (spec("m", "float32", 2, 3), spec("n", "uint8", 2), spec("d", "float16")),
    "single vector": (spec("x", "float32", 3),),
    "single number": (spec("x", "int8"),),
    "single text": (spec("text", "string"),),
    "unsigned": (spec("id", "uint64"), spec("b", "bfloat16", 2)),
}
ODD_VALUES = ["1e39", "-0", "007", "1.", ".5", "+1", "1e999", "NaN", "null", "true", '"x"', "[1]", "1 2", "", "1.0",
              "9223372036854775808", "-9223372036854775808", "18446744073709551615", "99999999999999999999999", "-",
              "1e5", "1E+2", "255", "256", " 1", "0x10", '"a\\u0041"', '"\x01"', '"é"', '{"b64": "QQ=="}',
              "1e-400"]  # fmt: skip


def decoder(name: str) -> InstanceDecoder:
    """Return the decoder of one of the signatures."""
    return instance_decoder(Signature("serving_default", SIGNATURES[name], (spec("y", "float32"),)))


def value(random: np.random.Generator, part: TensorSpec) -> Any:
    """Return a value that an input takes."""
    row = tuple(size or 0 for size in (part.shape or ())[1:])
    if part.dtype == "string":
        return random.choice(["", "a", "row-17", "x" * 300, "é"])
    numbers = random.normal(size=row).round(5) if "float" in part.dtype else random.integers(0, 100, size=row)
    return numbers.tolist()


def good_lines(parts: tuple[TensorSpec, ...], count: int, *, seed: int = 0, bare: bool = False) -> list[bytes]:
    """Return lines that a model of these inputs takes."""
    random = np.random.default_rng(seed)
    rows = ({part.alias: value(random, part) for part in parts} for _ in range(count))
    return [json.dumps(row[parts[0].alias] if bare else row, ensure_ascii=False).encode() for row in rows]


def assert_same(found: Decoded, expected: Decoded) -> None:
    """Hold two decodings against each other: rejections, blanks, and every line's values."""
    assert sorted(found.rejections, key=attrgetter("at")) == sorted(expected.rejections, key=attrgetter("at"))
    assert found.blank == expected.blank
    assert [group.index.tolist() for group in found.groups] == [group.index.tolist() for group in expected.groups]
    for ours, theirs in zip(found.groups, expected.groups, strict=True):
        for alias, array in theirs.inputs.items():
            assert ours.inputs[alias].dtype == array.dtype
            np.testing.assert_array_equal(ours.inputs[alias], array)


def mutated(line: bytes, kind: int, at: int, odd: str) -> bytes:
    """Return a line with a byte more, a byte less, another byte, or another value."""
    if not line:
        return odd.encode()
    at %= len(line)
    if kind == 0:
        return line[:at] + odd.encode()[:1] + line[at:]
    if kind == 1:
        return line[:at] + line[at + 1 :]
    if kind == 2:
        return line[:at] + bytes([(line[at] + 1) % 256 if line[at] != 9 else 12]) + line[at + 1 :]
    segments = line.split(b",")
    segment = segments[at % len(segments)]
    cut = max(segment.rfind(b" "), segment.rfind(b"[")) + 1
    closing = segment[len(segment.rstrip(b"]}")) :]
    segments[at % len(segments)] = segment[:cut] + odd.encode() + closing
    return b",".join(segments)


@pytest.mark.parametrize("name", SIGNATURES)
@settings(deadline=None, max_examples=30)
@given(data=st.data())
def test_read_at_once_is_read_one_by_one(name: str, data: st.DataObject) -> None:
    """Whatever is wrong with some lines of a block: same arrays, same rejections, same blanks."""
    assert_read_alike(name, data)


@pytest.mark.long
@pytest.mark.parametrize("name", SIGNATURES)
@settings(deadline=None, max_examples=500)
@given(data=st.data())
def test_read_at_once_is_read_one_by_one_at_length(name: str, data: st.DataObject) -> None:
    """The same, with more cases."""
    assert_read_alike(name, data)


def assert_read_alike(name: str, data: st.DataObject) -> None:
    """Draw a block with a few odd lines, and read it both ways."""
    decode = decoder(name)
    bare = len(SIGNATURES[name]) == 1 and data.draw(st.booleans())
    lines = good_lines(SIGNATURES[name], 70, seed=data.draw(st.integers(0, 3)), bare=bare)
    changes = st.tuples(st.integers(0, 69), st.integers(0, 4), st.integers(0, 400), st.sampled_from(ODD_VALUES))
    for at, kind, place, odd in data.draw(st.lists(changes, max_size=8)):
        lines[at] = mutated(lines[at], kind, place, odd) if kind < 4 else odd.encode()
    assert_same(decode(lines), decode.decode_each(lines))


@pytest.mark.parametrize("name", SIGNATURES)
def test_like_lines_are_all_read_at_once(name: str) -> None:
    """Nothing of a file that a program wrote is left to the slow way."""
    parts = SIGNATURES[name]
    lines = good_lines(parts, 100)
    template = template_of(lines[0], parts)
    assert template is not None
    assert read_uniform(Lines(b"\n".join(lines)), template, parts).index.tolist() == list(range(100))


@pytest.mark.parametrize(
    "line",
    [
        b'{"features": [1,2,3,4,5,6,7,8,9,10,11,12,13], "key": 4}\r',
        b'{"key":-4,"features":[1,2,3,4,5,6,7,8,9,10,11,12,1e3]}',
        b' { "key" : 9223372036854775807, "features" :[ 1,2, 3,4,5,6,7,8,9,10,11,12,13 ] } ',
    ],
)
def test_white_space_and_order_may_be_any(line: bytes) -> None:
    """CRLF, compact and spaced files, keys first or last, have a template like any other."""
    template = template_of(line, KEYED)
    assert template is not None
    uniform = read_uniform(Lines(b"\n".join([line] * 3)), template, KEYED)
    assert uniform.index.tolist() == [0, 1, 2]
    assert uniform.inputs["key"].tolist() == [json.loads(line)["key"]] * 3


@pytest.mark.parametrize("text", [b'"a{b"', b'"{"', b'"{}{"', b'{"text": "a{b"}', b'"b64"'])
def test_braces_in_a_text_are_text(text: bytes) -> None:
    """A text may look like the start of an object; it is read all the same."""
    decode = decoder("single text")
    lines = [text] + [b'"abc"'] * 70
    assert_same(decode(lines), decode.decode_each(lines))
    assert decode(lines).groups[0].index.tolist() == list(range(71))


@pytest.mark.parametrize("part", [spec("x", "bool"), spec("x", "float32", None), spec("x", "string", 2)])
def test_what_has_no_fixed_form_is_read_one_by_one(part: TensorSpec) -> None:
    """Truth values, open dimensions and lists of texts are left to the decoder of single lines."""
    assert not fits([part])


def test_text_with_a_comma_or_escape_is_read_one_by_one() -> None:
    """A text that only a parser can read makes its own line slow, and no other."""
    decode = decoder("text key")
    lines = good_lines(SIGNATURES["text key"], 70)
    lines[3] = b'{"key": "a,b", "x1": [1, 2, 3]}'
    lines[5] = b'{"key": "a\\u0062", "x1": [1, 2, 3]}'
    keys = decode(lines).groups[0].inputs["key"]
    assert (len(keys), keys[3], keys[5]) == (70, b"a,b", b"ab")


def test_lines_are_cut_where_they_end() -> None:
    """A text is its lines, whether or not the last one is ended, singly or in a piece."""
    for text in (b"a\n\nbc", b"a\n\nbc\n"):
        lines = Lines(text)
        assert (len(lines), list(lines), lines[2], lines[-1]) == (3, [b"a", b"", b"bc"], b"bc", b"bc")
        assert (list(lines[:-1]), list(lines[1:1]), lines.at(np.array([2, 0]))) == ([b"a", b""], [], [b"bc", b"a"])
    assert (len(Lines(b"")), list(Lines(b""))) == (0, [])
