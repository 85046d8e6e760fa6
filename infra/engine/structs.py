"""Protobuf structs to JSON values and back: numbers are doubles on the wire, integral ones are ints here."""

from collections.abc import Mapping
from operator import itemgetter
from typing import Any

from google.protobuf.struct_pb2 import ListValue, NullValue, Struct, Value

EXACT = 2**53  # beyond it a double is no longer one integer


def from_struct(struct: Struct) -> dict[str, Any]:
    """Read a struct, its keys in order: protobuf keeps none, and a state should read the same each time."""
    return {key: from_value(value) for key, value in sorted(struct.fields.items(), key=itemgetter(0))}


def from_value(value: Value) -> Any:
    """Read one value of a struct."""
    kind = value.WhichOneof("kind")
    if kind == "struct_value":
        return from_struct(value.struct_value)
    if kind == "list_value":
        return [from_value(item) for item in value.list_value.values]
    if kind == "number_value":
        number = value.number_value
        return int(number) if number.is_integer() and abs(number) <= EXACT else number
    return None if kind in (None, "null_value") else getattr(value, kind)


def to_struct(properties: Mapping[str, Any]) -> Struct:
    """Write a struct."""
    return Struct(fields={key: to_value(value) for key, value in properties.items()})


def to_value(value: Any) -> Value:
    """Write one value of a struct."""
    if value is None:
        return Value(null_value=NullValue.NULL_VALUE)
    if isinstance(value, bool):
        return Value(bool_value=value)
    if isinstance(value, int | float):
        return Value(number_value=value)
    if isinstance(value, str):
        return Value(string_value=value)
    if isinstance(value, Mapping):
        return Value(struct_value=to_struct(value))
    return Value(list_value=ListValue(values=[to_value(item) for item in value]))
