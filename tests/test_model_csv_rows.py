"""CSV rows: cells as Python's csv module reads them, columns as the model's inputs, or Vertex AI's arrays."""

import csv
import io
import json
import math
from contextlib import suppress
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model.batch_predict.csv_columns import Columns, HeaderError, columns_of, folded, read_header
from model.batch_predict.csv_keys import readable_key
from model.batch_predict.csv_rows import RowError, RowReader, cells_of, json_number
from model.rejections import as_key
from model.signature import Signature, TensorSpec


def signature(*specs: tuple[str, str, tuple[int | None, ...]]) -> Signature:
    """Make a signature of inputs: name, dtype, shape of a row."""
    inputs = tuple(TensorSpec(name, f"{name}:0", dtype, (None, *shape)) for name, dtype, shape in specs)
    return Signature("serving_default", inputs, ())


KEYED = signature(("features", "float32", (3,)), ("key", "int64", ()))
TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\r\n\0"), max_size=12)


@settings(deadline=None)
@given(st.lists(TEXTS, min_size=1, max_size=6), st.sampled_from([csv.QUOTE_ALL, csv.QUOTE_MINIMAL]))
def test_cells_are_those_of_the_csv_module(cells: list[str], quoting: Any) -> None:
    """Whatever the csv module writes is read back, quoted or not."""
    written = io.StringIO()
    csv.writer(written, quoting=quoting, lineterminator="").writerow(cells)
    assert [text for text, _ in cells_of(written.getvalue())] == cells


@settings(deadline=None)
@given(st.text(st.sampled_from('ab,"1 '), max_size=12))
def test_what_is_read_is_what_the_csv_module_reads(row: str) -> None:
    """Rows that the strict csv module takes give its cells; a stray quote, which it lets pass, is refused."""
    try:
        cells = [text for text, _ in cells_of(row)]
    except RowError:
        return
    assert cells == (next(csv.reader([row], strict=True)) if row else [""])


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ('1,"2', "cell 2 has no closing quote on its line"),
        ('1,a"b', "cell 2 has a quote inside"),
        ('"a"b,1', "cell 1 goes on behind its closing quote"),
    ],
)
def test_broken_quotes_are_named(row: str, reason: str) -> None:
    """Cell and fault are named."""
    with pytest.raises(RowError, match=reason):
        list(cells_of(row))


@pytest.mark.parametrize(
    ("header", "row", "key"),
    [
        ("key,a,b", b'7,1,"2', 7),
        ("key,a,b", b"7,1", 7),
        ("key,a,b", b'"a""b",x"y,1', 'a"b'),
        ("key,a,b", b"\xff,1,2", None),
        ("a,b,key", b'1,"2,7\r', 7),
        ("a,b,key", b"1,\xff,k7", "k7"),
        ("a,b,key", b"1,7", None),
        ("a,b,key", b"1,2,3,7", None),
        ("a,b,key", b'"1,"2,7,8', None),
        ("a,b,key", b'1,2,"7', None),
        ("a,b", b'1,"2', None),
    ],
)
def test_the_key_of_a_refused_row(header: str, row: bytes, key: int | str | None) -> None:
    """It is read where there is no doubt which cell holds it: a wrong key would be worse than none."""
    assert readable_key(folded(header.split(",")), row) == key


@settings(deadline=None)
@given(st.binary(max_size=30).map(lambda row: row.replace(b"\n", b"")), st.sampled_from(["key,a", "a,key"]))
def test_no_bytes_hide_the_key_of_a_good_row(row: bytes, header: str) -> None:
    """Whatever a row is, looking for its key fails on nothing, and finds what a good row has."""
    columns = folded(header.split(","))
    found = readable_key(columns, row)
    with suppress(RowError, msgspec.DecodeError):
        assert found == as_key(msgspec.json.decode(RowReader(columns).careful(row))["key"])


@settings(deadline=None)
@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=3, max_size=3), st.integers())
def test_quick_and_careful_rows_agree(features: list[float], key: int) -> None:
    """Numbers reach the instance digit by digit, however the row is read and whatever the columns' order."""
    reader = RowReader(columns_of(["key", "features_2", "features_0", "features[1]"], KEYED))
    row = ",".join(map(str, [key, features[2], features[0], features[1]])).encode()
    [quick] = reader.quick([row])
    assert quick == reader.careful(row) == reader.careful(row + b"\r")
    assert json.loads(quick) == {"features": features, "key": key}


@settings(deadline=None)
@given(st.lists(TEXTS, min_size=2, max_size=2))
def test_text_columns_stay_text(cells: list[str]) -> None:
    """A text input takes any cell, one that looks like a number too."""
    reader = RowReader(columns_of(["s_0", "s_1"], signature(("s", "string", (2,)))))
    written = io.StringIO()
    csv.writer(written, lineterminator="").writerow(cells)
    row = written.getvalue().encode()
    [quick] = reader.quick([row])
    assert json.loads(reader.careful(row)) == {"s": cells}
    assert quick is None or json.loads(quick) == {"s": cells}


@pytest.mark.parametrize(
    ("text", "number"),
    [
        *((text, None) for text in ("007", "1_0", "", ".", ".e1", "٣", "0x1", "1e")),
        *((text, text) for text in ("0", "-0", "1E5", "-1.50")),
        *((".5", "0.5"), ("-.5", "-0.5"), ("5.", "5"), ("+5", "5"), (".5e-3", "0.5e-3")),
        *(("nan", "NaN"), ("-inf", "-Infinity"), ("INFINITY", "Infinity")),
    ],
)
def test_numbers_are_written_as_json_has_them(text: str, number: str | None) -> None:
    """A point in front or at the end and a plus are taken; zeros in front and underscores are no number."""
    assert json_number(text) == number


@settings(deadline=None)
@given(st.text(st.sampled_from("0123456789+-.eE"), max_size=8))
def test_a_number_keeps_its_value(text: str) -> None:
    """What is taken as a number is JSON of the value that Python reads."""
    number = json_number(text)
    if number is not None:
        assert json.loads(number) == float(text) or math.isinf(float(text))


def test_rows_become_what_vertex_ai_sends() -> None:
    """Quoted is text, anything else is a float; text without quotes is refused."""
    reader = RowReader(Columns(("input1", "input2", "input3")))
    assert reader.careful(b'0.1,12,"cat1"') == b'[0.1, 12.0, "cat1"]'
    assert reader.quick([b"4,5.0,6e1", b"1,2,cat", b"1,2", b"1,,2"]) == [b"[4.0, 5.0, 60.0]", None, None, None]
    with pytest.raises(RowError, match="column 'input3' is \"cat1\": a number, or text in double quotes"):
        reader.careful(b"0.1,1.2,cat1")
    with pytest.raises(RowError, match="the row has 2 cells: the header names 3"):
        reader.careful(b"1,2")


def test_a_header_that_names_no_input_of_a_single_input_model_is_for_arrays() -> None:
    """Any names do where the row is the instance; a wish decides before the header does."""
    single = signature(("x", "float32", (2,)))
    assert columns_of(["a", "b"], single).fields == ()
    assert columns_of(["x_0", "x_1"], single).fields[0].columns == (0, 1)
    assert columns_of(["x_0", "x_1"], single, "array").fields == ()


@pytest.mark.parametrize(
    ("header", "reason"),
    [
        (b"features_0,features_1,key", "there is no column 'features_2'"),
        (b"features_0,features_1,features_2", "there is no column 'key' for input key: int64"),
        (b"features_0,features_1,features_2,key,zip", "column 'zip' is no input of the model"),
        (b"features_0,features_1,features_2,features_3,key", "column 'features_3' is one too many"),
        (b"key,key", "column 'key' is there twice"),
        (b"\xef\xbb\xbfkey", "byte order mark"),
        (b"\xff", "the header is no CSV"),
        (b"", "its first line is empty"),
    ],
)
def test_wrong_headers_are_refused(header: bytes, reason: str) -> None:
    """What is missing, unknown, one too many or there twice is named."""
    with pytest.raises(HeaderError, match=reason):
        columns_of(read_header(header), KEYED)


def test_matrices_have_no_columns() -> None:
    """An input of rank 3 is for JSON Lines."""
    with pytest.raises(HeaderError, match="send it as JSON Lines"):
        columns_of(["image"], signature(("image", "uint8", (2, 2))))


def test_a_header_alone_tells_vectors() -> None:
    """Numbered columns from 0 on are one field, others stand alone."""
    fields = {field.name: field.columns for field in folded(["key", "x_1", "x_0", "y_1"]).fields}
    assert fields == {"x": (2, 1), "key": (0,), "y_1": (3,)}
