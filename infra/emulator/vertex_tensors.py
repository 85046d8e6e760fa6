"""Vertex AI's Tensor messages <-> the JSON values that model servers take and give.

A tensor is one instance, or one prediction: a `structVal` an object, a `listVal` an array, all else a number, a text or
an array of the tensor's shape.
"""

import base64
import binascii
import math
import struct
from collections.abc import Callable, Mapping
from typing import Any

from infra.emulator.errors import invalid
from infra.emulator.resources import Json

MOST_DIMENSIONS, DEEPEST = 16, 100
# DataType's names by their numbers, which SDKs send; what `tensorVal` holds of each, little-endian.
FORMATS = {
    **{"BOOL": "?", "STRING": "", "FLOAT": "f", "DOUBLE": "d", "INT8": "b", "INT16": "h", "INT32": "i", "INT64": "q"},
    **{"UINT8": "B", "UINT16": "H", "UINT32": "I", "UINT64": "Q"},
}
NAMES = ("", *FORMATS)
READ: Mapping[str, Callable[[Any], Any]] = {
    **dict.fromkeys(("boolVal", "stringVal", "floatVal", "doubleVal", "intVal", "uintVal"), lambda value: value),
    **dict.fromkeys(("int64Val", "uint64Val"), int),
    "bytesVal": lambda value: {"b64": value},
}


def value_of(tensor: Json, depth: int = 0) -> Any:
    """Return what a tensor says, as JSON. Raises ApiError 400 where its parts contradict each other."""
    if depth > DEEPEST:
        raise invalid(f"The tensors are nested more than {DEEPEST} deep.", field_path="inputs")
    if "structVal" in tensor:
        return {name: value_of(part, depth + 1) for name, part in tensor["structVal"].items()}
    if "listVal" in tensor:
        return [value_of(part, depth + 1) for part in tensor["listVal"]]
    shape = [int(size) for size in tensor.get("shape") or []]
    values = _unpacked(tensor) if tensor.get("tensorVal") else _listed(tensor)
    if "shape" not in tensor and len(values) != 1:
        shape = [len(values)]
    if len(shape) > MOST_DIMENSIONS or any(size < 0 for size in shape) or math.prod(shape) != len(values):
        raise invalid(f"A tensor of shape {shape} has {len(values)} values.", field_path="inputs.shape")
    return _shaped(values, shape)


def tensor_of(value: Any) -> Json:
    """Return a JSON value as a tensor: whole numbers as INT64, others as DOUBLE."""
    if isinstance(value, dict) and list(value) != ["b64"]:
        return {"structVal": {str(name): tensor_of(part) for name, part in value.items()}}
    shape, values = _flat(value)
    kinds = {_kind(one) for one in values}
    if len(kinds) > 1 and kinds <= {("INT64", "int64Val"), ("DOUBLE", "doubleVal")}:
        kinds = {("DOUBLE", "doubleVal")}
    if shape is None or len(kinds) > 1 or (kinds == {("", "")} and isinstance(value, list)):
        return {"listVal": [tensor_of(part) for part in value]}
    dtype, field = next(iter(kinds), ("DOUBLE", "doubleVal"))
    if not dtype:
        return {}
    return {"dtype": dtype, "shape": [str(size) for size in shape], field: [_written(one, field) for one in values]}


def _listed(tensor: Json) -> list[Any]:
    found = [field for field in READ if tensor.get(field)]
    if len(found) > 1:
        raise invalid(f"A tensor has values in both {found[0]} and {found[1]}.", field_path="inputs")
    return [READ[found[0]](value) for value in tensor[found[0]]] if found else []


def _unpacked(tensor: Json) -> list[Any]:
    dtype = tensor.get("dtype", "")
    dtype = NAMES[dtype] if isinstance(dtype, int) and 0 <= dtype < len(NAMES) else dtype
    try:
        content = base64.b64decode(tensor["tensorVal"], validate=True)
        return [one for (one,) in struct.iter_unpack(f"<{FORMATS[dtype]}", content)]
    except (binascii.Error, struct.error, KeyError, ValueError) as error:
        raise invalid(
            f"tensor_val is no content of dtype {dtype!r}: {error}.", field_path="inputs.tensor_val"
        ) from None


def _shaped(values: list[Any], shape: list[int]) -> Any:
    if not shape:
        return values[0]
    step = math.prod(shape[1:])
    return [_shaped(values[start * step : (start + 1) * step], shape[1:]) for start in range(shape[0])]


def _flat(value: Any) -> tuple[list[int] | None, list[Any]]:
    """Return a value's shape and its scalars in a row; no shape where it is not rectangular, or holds objects."""
    if not isinstance(value, list):
        return ([], [value]) if not isinstance(value, dict) or list(value) == ["b64"] else (None, [])
    parts = [_flat(part) for part in value]
    shapes = {tuple(shape) if shape is not None else None for shape, _ in parts}
    if len(shapes) > 1 or None in shapes:
        return None, []
    return [len(value), *next(iter(shapes), ())], [one for _, part in parts for one in part]  # type: ignore[misc]


def _kind(value: Any) -> tuple[str, str]:
    if isinstance(value, bool):
        return "BOOL", "boolVal"
    if isinstance(value, dict):
        return "STRING", "bytesVal"
    kinds = {int: ("INT64", "int64Val"), float: ("DOUBLE", "doubleVal"), str: ("STRING", "stringVal")}
    return kinds.get(type(value), ("", ""))


def _written(value: Any, field: str) -> Any:
    if field == "bytesVal":
        return value["b64"]
    return str(value) if field == "int64Val" else value
