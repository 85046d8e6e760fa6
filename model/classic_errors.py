"""A refused request -> what AI Platform said of it, word for word: the checks of its own library, in their order.

The texts are those of tf_prediction_lib, which served TensorFlow models there.
"""

import base64
import binascii
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from model.columns import numpy_dtype
from model.signature import Signature, TensorSpec

INVALID_INPUTS, FAILED_TO_RUN, INVALID_OUTPUTS = 1, 2, 3
LABELS = {
    INVALID_INPUTS: "Invalid inputs",
    FAILED_TO_RUN: "Failed to run the provided model",
    INVALID_OUTPUTS: "There was a problem processing the outputs",
}
Error = tuple[int, str]  # the service's code, and the detail
RUNNING = "Exception during running the graph: "
# Sic: "effect"
SIZES = (
    "Bad output from running tensorflow session: outputs had differing sizes in the batch (outer) dimension. See the "
    "outputs and their size: {}. Check your model for bugs that effect the size of the outputs."
)
MISSING = "You must feed a value for placeholder tensor '{}' with dtype {} and shape {}"
SHAPE = "Cannot feed value of shape {} for Tensor '{}', which has shape '{}'"


def text_of(error: Error) -> str:
    """Return the text of the answer's `error`."""
    code, detail = error
    return f"Prediction failed: {LABELS[code]}: {detail} (Error code: {code})"


def input_error(instances: Sequence[Any], signature: Signature) -> Error | None:
    """Return what the service's checks of the instances say, or None where they find nothing."""
    rows = [_decoded(instance) for instance in instances]
    if len(signature.inputs) == 1:
        name = signature.inputs[0].alias
        wrong = next((row for row in rows if isinstance(row, dict) and list(row) != [name]), None)
        if wrong is not None:
            return INVALID_INPUTS, f"Expected tensor name: {name}, got tensor name: {list(wrong)}."
        rows = [row if isinstance(row, dict) else {name: row} for row in rows]
    if not all(isinstance(row, dict) for row in rows):
        return None
    return _column_error(rows, {spec.alias: spec for spec in signature.inputs})


def size_error(outputs: Mapping[str, np.ndarray]) -> Error | None:
    """Return what the service says of outputs of different numbers of rows."""
    sizes = {alias: array.shape[0] if array.ndim else 1 for alias, array in outputs.items()}
    return (INVALID_OUTPUTS, SIZES.format(sizes)) if len(set(sizes.values())) > 1 else None


def signature_error(name: str) -> Error:
    """Return what the service says of a signature that the model has not."""
    return INVALID_INPUTS, f"No signature found for signature key {name}."


def _column_error(rows: Sequence[dict[str, Any]], specs: Mapping[str, TensorSpec]) -> Error | None:
    columns: dict[str, list[Any]] = {}
    for row in rows:
        for name, value in row.items():
            columns.setdefault(name, []).append(value)
    for name, values in columns.items():
        if name not in specs:
            return INVALID_INPUTS, f"Unexpected tensor name: {name}"
        if len(values) != len(rows):
            return INVALID_INPUTS, f"Input {name} was missing in at least one input instance."
    for name, values in columns.items():
        if found := _feed_error(values, specs[name]):
            return FAILED_TO_RUN, RUNNING + found
    missing = next((spec for name, spec in specs.items() if name not in columns), None)
    if missing is None:
        return None
    tensor, shape = missing.tensor.removesuffix(":0"), _shape(missing, "[", "]", "")
    return FAILED_TO_RUN, RUNNING + MISSING.format(tensor, _dtype(missing), shape)


def _feed_error(values: list[Any], spec: TensorSpec) -> str | None:
    """Return what feeding a column to the graph says: of its values first, then of its shape."""
    try:
        array = np.asarray(values, dtype=numpy_dtype(spec.dtype)) if spec.dtype != "string" else _texts(values)
    except (ValueError, TypeError, OverflowError) as error:
        return str(error).partition(" The requested array")[0]
    wanted = spec.shape or (None,)
    fits = array.ndim == len(wanted) and all(
        size in (None, have) for size, have in zip(wanted, array.shape, strict=True)
    )
    return None if fits else SHAPE.format(array.shape, spec.tensor, _shape(spec, "(", ")", " "))


def _texts(values: list[Any]) -> np.ndarray:
    """Return nested lists of texts as an array of their shape."""
    return np.asarray(values, dtype=object)


def _shape(spec: TensorSpec, begin: str, end: str, space: str) -> str:
    dims = ["?" if size is None else str(size) for size in spec.shape or (None,)]
    inner = f",{space}".join(dims)
    return f"{begin}{inner}{',' if len(dims) == 1 and begin == '(' else ''}{end}"


def _dtype(spec: TensorSpec) -> str:
    """Return a dtype as TensorFlow's kernels name it."""
    return {"float32": "float", "float64": "double"}.get(spec.dtype, spec.dtype)


def _decoded(value: Any) -> Any:
    """Decode `{"b64": …}` at any depth, as the service does first."""
    if isinstance(value, list):
        return [_decoded(item) for item in value]
    if isinstance(value, dict) and list(value) == ["b64"]:
        try:
            return base64.b64decode(value["b64"])
        except (binascii.Error, TypeError, ValueError):
            return value
    return {name: _decoded(item) for name, item in value.items()} if isinstance(value, dict) else value
