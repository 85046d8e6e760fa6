"""A serialized tf.Example -> its features as JSON values: a record's key, and its fields in joined results."""

import struct
from collections.abc import Iterator
from typing import Any

from model.wire import fields, varint

KEY = "key"
BYTES_LIST, FLOAT_LIST, INT64_LIST = 1, 2, 3  # tensorflow/core/example/feature.proto


def read_example(record: bytes) -> dict[str, list[Any]]:
    """Return an example's features by name: lists of bytes, floats or integers.

    Raises:
        ValueError: the record is no serialized tf.Example.
    """
    features: dict[str, list[Any]] = {}
    for _, entries in _numbered(record, 1):
        for _, entry in _numbered(entries, 1):
            parts = dict(fields(entry))
            features[parts.get(1, b"").decode()] = _values(parts.get(2, b""))
    return features


def key_of(record: bytes) -> int | str | None:
    """Return the one value of the feature `key`, where a record has such a thing."""
    try:
        [value] = read_example(record).get(KEY, [None])
        return value.decode() if isinstance(value, bytes) else value if isinstance(value, int) else None
    except ValueError:  # also what is no UTF-8, and two values
        return None


def _numbered(body: bytes, wanted: int) -> Iterator[tuple[int, bytes]]:
    return ((number, value) for number, value in fields(body) if number == wanted)


def _values(feature: bytes) -> list[Any]:
    values: list[Any] = []
    for kind, body in fields(feature):
        for number, value in fields(body):
            if number == 1:
                values += _unpacked(kind, value)
    return values


def _unpacked(kind: int, value: bytes) -> list[Any]:
    """Return the values of a list's element, which holds one of them or, packed, many."""
    if kind == BYTES_LIST:
        return [value]
    if kind == FLOAT_LIST:
        return [number for (number,) in struct.iter_unpack("<f", value)]
    if kind == INT64_LIST:
        return _integers(value)
    return []


def _integers(value: bytes) -> list[int]:
    numbers, position = [], 0
    while position < len(value):
        number, position = varint(value, position)
        numbers.append(number - (1 << 64) if number >> 63 else number)
    return numbers
