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
    flat = _leaves(values, len(row_shape))
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


def faults_of(values: Sequence[Any], spec: TensorSpec) -> Iterator[tuple[int, tuple[str, str]]]:
    """Yield the rows whose values a tensor cannot hold, each with code and message."""
    dims = (spec.shape or (None,))[1:]
    if not spec.dtype.startswith("float") or None in dims:
        found = ((row, fault_of(value, spec)) for row, value in enumerate(values))
        yield from ((row, fault) for row, fault in found if fault)
        return
    leaves = _leaves(values, len(dims))
    with np.errstate(over="ignore"):
        finite = np.isfinite(np.fromiter(leaves, "float64").astype(spec.dtype)).reshape(len(values), -1)
    for row in np.flatnonzero(~finite.all(axis=1)).tolist():
        place = int(np.argmin(finite[row]))
        leaf = list(_leaves([values[row]], len(dims)))[place]
        message = (
            f"field {_path(spec, place, shape_of(values[row], dims))!r} is {shown(leaf)}: it is beyond {spec.dtype}"
        )
        yield row, ("OUT_OF_RANGE", message)


def _leaves(values: Iterable[Any], depth: int) -> Iterable[Any]:
    for _ in range(depth):
        values = chain.from_iterable(values)
    return values


def _path(spec: TensorSpec, place: int, shape: tuple[int, ...]) -> str:
    """Return the path to a row's leaf, counted through all dimensions."""
    steps = []
    for size in reversed(shape):
        place, step = divmod(place, size)
        steps.append(f"[{step}]")
    return spec.alias + "".join(reversed(steps))


def fault_of(value: Any, spec: TensorSpec) -> tuple[str, str] | None:
    """Return code and message of what a tensor cannot hold in one row's value."""
    shape: tuple[int, ...] | None = None
    try:
        shape = shape_of(value, (spec.shape or (None,))[1:])
        to_array([value], spec, shape)
    except ValueFaultError as fault:
        path, leaf = _first_fault(value, spec, shape) if shape is not None else (spec.alias, value)
        shown_value = "base64" if isinstance(leaf, Base64) else shown(leaf)
        return fault.code, f"field {path!r} is {shown_value}: it {fault}"
    return None


def _first_fault(value: Any, spec: TensorSpec, shape: tuple[int, ...]) -> tuple[str, Any]:
    """Return path and value of the first leaf that the tensor cannot hold."""
    for place, leaf in enumerate(_leaves([value], len(shape))):
        try:
            to_array([leaf], spec, ())
        except ValueFaultError:
            return _path(spec, place, shape), leaf
    return spec.alias, value


def numpy_dtype(dtype: str) -> np.dtype[Any]:
    """Return the NumPy dtype of a TensorFlow dtype; NumPy itself has no bfloat16."""
    if dtype == "bfloat16":
        from ml_dtypes import bfloat16  # noqa: PLC0415 - one model in a thousand needs it

        dtype = bfloat16
    return np.dtype(object if dtype == "string" else dtype)
