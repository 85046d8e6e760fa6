"""Checked JSON values -> arrays as the model takes them."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from math import prod
from typing import Any

import msgspec
import numpy as np

from model.rejections import shown
from model.signature import TensorSpec

WIDENED = {"float16", "bfloat16"}  # NumPy reads Python numbers into these by way of float64


class Base64(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    """Bytes on the wire: `{"b64": "…"}`."""

    b64: bytes


class ValueFaultError(Exception):
    """A value that no decoder refuses and no tensor holds: its code and what is wrong with it."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


def shape_of(value: Any, dims: Sequence[int | None]) -> tuple[int, ...]:
    """Return the shape of one row's nested lists.

    Raises:
        ValueFaultError: the lists are ragged.
    """
    if not dims:
        return ()
    shapes = {shape_of(item, dims[1:]) for item in value} if len(dims) > 1 else set()
    if len(shapes) > 1:
        msg = f"is ragged: it holds lists of shapes {', '.join(map(str, sorted(shapes)))}"
        raise ValueFaultError("WRONG_SHAPE", msg)
    inner = shapes.pop() if shapes else tuple(size or 0 for size in dims[1:])
    return (len(value), *inner)


def to_array(values: Sequence[Any], spec: TensorSpec, row_shape: tuple[int, ...]) -> np.ndarray:
    """Return rows of equal shape as one array, batch dimension first.

    Raises:
        ValueFaultError: a number is beyond the dtype, or a text is no text.
    """
    flat: Iterable[Any] = values
    for _ in row_shape:
        flat = chain.from_iterable(flat)
    count = len(values) * prod(row_shape)
    try:
        array = _strings(flat, count) if spec.dtype == "string" else _numbers(flat, count, spec.dtype)
    except OverflowError:
        msg = f"is beyond {spec.dtype}"
        raise ValueFaultError("OUT_OF_RANGE", msg) from None
    except UnicodeEncodeError:
        msg = "holds half of a surrogate pair, which is no text"
        raise ValueFaultError("INVALID_UTF8", msg) from None
    return array.reshape(len(values), *row_shape)


def _strings(flat: Iterable[Any], count: int) -> np.ndarray:
    array = np.empty(count, dtype=object)
    array[:] = [value.encode() if type(value) is str else value.b64 for value in flat]
    return array


def _numbers(flat: Iterable[Any], count: int, dtype: str) -> np.ndarray:
    with np.errstate(over="ignore"):  # beyond the dtype becomes infinite, which JSON cannot have said
        array = np.fromiter(flat, "float64" if dtype in WIDENED else dtype, count)
        if dtype in WIDENED:
            array = array.astype(numpy_dtype(dtype))
    if dtype.endswith(("float16", "float32", "float64")) and np.isinf(array).any():
        raise OverflowError
    return array


def suspects(values: Sequence[Any], spec: TensorSpec) -> Iterable[int]:
    """Return the rows that `fault_of` has to look at: all, unless NumPy can tell at once."""
    dims = (spec.shape or (None,))[1:]
    if not spec.dtype.startswith("float") or None in dims:
        return range(len(values))
    flat: Iterable[Any] = values
    for _ in dims:
        flat = chain.from_iterable(flat)
    with np.errstate(over="ignore"):
        finite = np.isfinite(np.fromiter(flat, "float64").astype(spec.dtype))
    return [int(row) for row in np.flatnonzero(~finite.reshape(len(values), -1).all(axis=1))]


def fault_of(value: Any, spec: TensorSpec) -> tuple[str, str] | None:
    """Return code and message of what a tensor cannot hold in one row's value."""
    dims = (spec.shape or (None,))[1:]
    try:
        to_array([value], spec, shape_of(value, dims))
    except ValueFaultError as fault:
        path, leaf = next(_leaf_faults(value, spec, spec.alias, len(dims)), (spec.alias, value))
        shown_value = "base64" if isinstance(leaf, Base64) else shown(leaf)
        return fault.code, f"field {path!r} is {shown_value}: it {fault}"
    return None


def _leaf_faults(value: Any, spec: TensorSpec, path: str, depth: int) -> Iterator[tuple[str, Any]]:
    if depth:
        for position, item in enumerate(value):
            yield from _leaf_faults(item, spec, f"{path}[{position}]", depth - 1)
        return
    try:
        to_array([value], spec, ())
    except ValueFaultError:
        yield path, value


def numpy_dtype(dtype: str) -> np.dtype[Any]:
    """Return the NumPy dtype of a TensorFlow dtype; NumPy itself has no bfloat16."""
    if dtype == "bfloat16":
        from ml_dtypes import bfloat16  # noqa: PLC0415 - one model in a thousand needs it

        dtype = bfloat16
    return np.dtype(object if dtype == "string" else dtype)
