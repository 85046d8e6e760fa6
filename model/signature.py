"""SavedModel -> its signatures, read from `saved_model.pb`: nothing needs TensorFlow to know what a model takes."""

from dataclasses import dataclass
from pathlib import Path

from model.errors import UserError
from model.wire import fields, varint

DTYPES = {  # tensorflow/core/framework/types.proto
    1: "float32",
    2: "float64",
    3: "int32",
    4: "uint8",
    5: "int16",
    6: "int8",
    7: "string",
    9: "int64",
    10: "bool",
    14: "bfloat16",
    17: "uint16",
    19: "float16",
    22: "uint32",
    23: "uint64",
}
SERVE_TAG = b"serve"


class UnusableModelError(UserError):
    """A model that cannot be served, as one line for its user."""


@dataclass(frozen=True)
class TensorSpec:
    """One input or output: its name in JSON, its tensor in the graph, dtype and shape (None: any size, or any rank)."""

    alias: str
    tensor: str
    dtype: str
    shape: tuple[int | None, ...] | None

    def __str__(self) -> str:
        dims = "unknown rank" if self.shape is None else ", ".join("any" if d is None else str(d) for d in self.shape)
        return f"{self.alias}: {self.dtype}[{dims}]"


@dataclass(frozen=True)
class Signature:
    """A named function of a SavedModel: inputs and outputs in the order in which they are fed and written."""

    name: str
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]

    def __str__(self) -> str:
        takes, gives = (", ".join(map(str, specs)) for specs in (self.inputs, self.outputs))
        return f"{self.name}({takes}) -> ({gives})"


def read_signature(saved_model: Path, name: str = "serving_default") -> Signature:
    """Return one signature that rows can be batched for.

    Raises:
        UnusableModelError: no SavedModel there, a broken one, no such signature, or one without a free batch dimension.
    """
    signatures = read_signatures(saved_model)
    if name not in signatures:
        choices = ", ".join(sorted(signatures)) or "none"
        msg = f"No signature {name!r} in {str(saved_model)!r}. It has: {choices}. Choose one with --signature"
        raise UnusableModelError(msg)
    _check_batchable(signatures[name])
    return signatures[name]


def read_signatures(saved_model: Path) -> dict[str, Signature]:
    """Return every signature of the graph tagged `serve`, by name."""
    file = saved_model / "saved_model.pb"
    if not file.is_file():
        msg = f"No SavedModel at {str(saved_model)!r}. Run: invoke export"
        raise UnusableModelError(msg)
    try:
        content = file.read_bytes()
        graphs = [value for number, value in fields(content) if number == 2]
        served = [graph for graph in graphs if SERVE_TAG in _tags(graph)]
        entries = [_entry(value) for number, value in fields(served[0]) if number == 5] if served else []
        signatures = {name.decode(): _signature(name.decode(), body) for name, body in entries}
    except (OSError, ValueError) as error:
        msg = f"The SavedModel at {str(saved_model)!r} cannot be read: saved_model.pb {error}. Run: invoke export"
        raise UnusableModelError(msg) from None
    if b"VarHandleOp" in content and not (saved_model / "variables" / "variables.index").is_file():
        # TensorFlow loads it without a word, and then fails on every row.
        msg = f"The SavedModel at {str(saved_model)!r} lacks its variables. Run: invoke export"
        raise UnusableModelError(msg)
    if not signatures:
        msg = f"The SavedModel at {str(saved_model)!r} has no signature tagged 'serve'. Run: invoke export"
        raise UnusableModelError(msg)
    return {name: s for name, s in signatures.items() if not name.startswith("__saved_model")}


def _check_batchable(signature: Signature) -> None:
    if not signature.inputs or not signature.outputs:
        msg = f"Signature {signature.name!r} has no inputs or no outputs: there is nothing to predict"
        raise UnusableModelError(msg)
    for spec in signature.inputs:
        if spec.dtype not in DTYPES.values():
            msg = f"Input {spec.alias!r} has dtype {spec.dtype}, which JSON Lines cannot carry"
            raise UnusableModelError(msg)
        if spec.shape is None:
            msg = (
                f"Input {spec.alias!r} has no known rank. Export the model with an input_signature that names its shape"
            )
            raise UnusableModelError(msg)
        if spec.shape[:1] != (None,):
            size = f"its first dimension is fixed to {spec.shape[0]}" if spec.shape else "it is a scalar"
            msg = f"Input {spec.alias!r} has no free batch dimension: {size}. Export the model with None there"
            raise UnusableModelError(msg)
    for spec in signature.outputs:
        if spec.shape is not None and spec.shape[:1] and spec.shape[0] is not None:
            msg = f"Output {spec.alias!r} always has {spec.shape[0]} rows. Export the model with one row per instance"
            raise UnusableModelError(msg)


def _tags(graph: bytes) -> list[bytes]:
    info = b"".join(value for number, value in fields(graph) if number == 1)
    return [value for number, value in fields(info) if number == 4]


def _signature(name: str, body: bytes) -> Signature:
    found = list(fields(body))
    inputs = sorted((_spec(value) for number, value in found if number == 1), key=lambda spec: spec.alias)
    taken = {spec.alias for spec in inputs}
    outputs = (_spec(value) for number, value in found if number == 2)
    # What the model echoes (its key) stands last: {"prediction": …, "key": …}
    return Signature(name, tuple(inputs), tuple(sorted(outputs, key=lambda spec: (spec.alias in taken, spec.alias))))


def _spec(entry: bytes) -> TensorSpec:
    alias, info = _entry(entry)
    tensor, dtype, shape = b"", 0, b""
    for number, value in fields(info):
        if number == 1:
            tensor = value
        elif number == 2:
            dtype = _number(value)
        elif number == 3:
            shape = value
    name = DTYPES.get(dtype, f"number {dtype}") if tensor else "composite"
    return TensorSpec(alias.decode(), tensor.decode(), name, _shape(shape))


def _shape(body: bytes) -> tuple[int | None, ...] | None:
    dims: list[int | None] = []
    for number, value in fields(body):
        if number == 3 and _number(value):
            return None
        if number == 2:
            sizes = [_number(size) for field, size in fields(value) if field == 1]
            dims.append(sizes[0] if sizes and sizes[0] < 1 << 63 else None if sizes else 0)
    return tuple(dims)


def _entry(body: bytes) -> tuple[bytes, bytes]:
    """Return key and value of a protobuf map's entry."""
    found = dict(fields(body))
    return found.get(1, b""), found.get(2, b"")


def _number(value: bytes) -> int:
    return varint(value, 0)[0]
