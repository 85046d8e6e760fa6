"""Output arrays -> JSON, one object per row, numbers as the services print them (float32 as its float64)."""

from base64 import b64encode
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import orjson

from model.lines import Lines
from model.runner import Outputs
from model.signature import Signature

Encoder = Callable[[Outputs], tuple[Lines, dict[int, tuple[str, str]]]]


class Column(NamedTuple):
    """An output's values as JSON, row by row, without what stands before and behind each of them."""

    opening: bytes
    rows: list[bytes]
    closing: bytes


def prediction_encoder(signature: Signature) -> Encoder:
    """Make the encoder of a signature's outputs: arrays in, each row's JSON and the rows that JSON cannot carry out."""
    aliases = [spec.alias for spec in signature.outputs]
    names = [orjson.dumps(alias) + b": " for alias in aliases]

    def encode(outputs: Outputs) -> tuple[Lines, dict[int, tuple[str, str]]]:
        faults: dict[int, tuple[str, str]] = {}
        columns = [_column(alias, outputs[alias], faults) for alias in aliases]
        return _objects(names, columns), faults

    return encode


def _objects(names: Sequence[bytes], columns: Sequence[Column]) -> Lines:
    """Return each row as an object; all are written as one text, which is faster than one text each."""
    count, step, before = len(columns[0].rows), 2 * len(columns) + 1, b"{"
    parts = [b"}\n"] * (count * step)
    for place, (name, column) in enumerate(zip(names, columns, strict=True)):
        parts[2 * place :: step] = [before + name + column.opening] * count
        parts[2 * place + 1 :: step] = column.rows
        before = column.closing + b", "
    parts[step - 1 :: step] = [columns[-1].closing + b"}\n"] * count
    return Lines(b"".join(parts))


def _column(alias: str, array: np.ndarray, faults: dict[int, tuple[str, str]]) -> Column:
    if array.dtype == object:
        return Column(b"", _texts(alias, array, faults), b"")
    if array.dtype.kind not in "biu":  # bfloat16 has a kind of its own
        array = array.astype(np.float64)
        _note_non_finite(alias, array, faults)
    return _split(array)


def _note_non_finite(alias: str, array: np.ndarray, faults: dict[int, tuple[str, str]]) -> None:
    finite = np.isfinite(array)
    if finite.all():
        return
    for row in np.flatnonzero(~finite.reshape(len(array), -1).all(axis=1)):
        value = array[row][~finite[row]].flat[0] if array.ndim > 1 else array[row]
        faults[int(row)] = ("NOT_FINITE_PREDICTION", f"output {alias!r} is {value}: JSON has only finite numbers")


def _split(array: np.ndarray) -> Column:
    """Return each row's JSON: the whole column is written at once and cut where one row ends."""
    if not array.size:
        return Column(b"", [orjson.dumps(row) for row in array.tolist()], b"")
    brackets = array.ndim - 1
    text = orjson.dumps(np.ascontiguousarray(array), option=orjson.OPT_SERIALIZE_NUMPY)[1 + brackets : -1 - brackets]
    rows = text.split(b"]" * brackets + b"," + b"[" * brackets)
    if array.size > len(array):
        rows = [row.replace(b",", b", ") for row in rows]
    return Column(b"[" * brackets, rows, b"]" * brackets)


def _texts(alias: str, array: np.ndarray, faults: dict[int, tuple[str, str]]) -> list[bytes]:
    as_base64 = alias.endswith("_bytes")
    rows = []
    for position, row in enumerate(array):
        try:
            rows.append(_spaced(_json_texts(row.tolist() if isinstance(row, np.ndarray) else row, as_base64)))
        except UnicodeDecodeError:
            faults[position] = (
                "NOT_TEXT_PREDICTION",
                f"output {alias!r} is not UTF-8: name it {alias}_bytes for base64",
            )
            rows.append(b"null")
    return rows


Texts = dict[str, str] | str | list["Texts"]


def _json_texts(value: bytes | Sequence[bytes], as_base64: bool) -> Texts:
    if isinstance(value, bytes):
        return {"b64": b64encode(value).decode()} if as_base64 else value.decode()
    return [_json_texts(item, as_base64) for item in value]


def _spaced(value: Texts) -> bytes:
    if isinstance(value, list):
        return b"[" + b", ".join(_spaced(item) for item in value) + b"]"
    if isinstance(value, dict):
        return b'{"b64": ' + orjson.dumps(value["b64"]) + b"}"
    return orjson.dumps(value)
