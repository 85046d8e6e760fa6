"""SavedModel folders: written to the same bytes every time, named by their content, shown as saved_model_cli does."""

import hashlib
import importlib
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from typing import Any

from model.errors import UserError, unreadable

GRAPH = "saved_model.pb"
FINGERPRINT = "fingerprint.pb"


def digest(folder: Path) -> str:
    """Return the SHA-256 of a folder's files, their names and their bytes; equal for the same exported model."""
    if not (folder / GRAPH).is_file():
        raise UserError(f"No SavedModel at '{folder}'. Run: invoke export")
    content = hashlib.sha256()
    for file in sorted(path for path in folder.rglob("*") if path.is_file()):
        name = file.relative_to(folder).as_posix().encode()
        content.update(b"%d %s %d\n" % (len(name), name, file.stat().st_size))
        content.update(file.read_bytes())
    return content.hexdigest()


def make_reproducible(folder: Path) -> None:
    """Rewrite the graph so that the same model gives the same bytes.

    TensorFlow numbers functions and captured tensors by a counter of the process, lists functions in the order of a
    hash table, serialises maps in any order, and puts a random identifier in `fingerprint.pb`, which no loader needs.
    """
    saved = read_proto(folder)
    for graph in saved.meta_graphs:
        functions = graph.graph_def.library.function
        _rename(graph, _names(function.signature.name for function in functions))
        functions.sort(key=lambda function: function.signature.name)
        for function in functions:
            _number_captures(function)
    (folder / GRAPH).write_bytes(saved.SerializeToString(deterministic=True))
    (folder / FINGERPRINT).unlink(missing_ok=True)


def read_proto(folder: Path) -> Any:
    """Parse `saved_model.pb`."""
    protobuf = importlib.import_module("tensorflow.core.protobuf.saved_model_pb2")
    decode_error = importlib.import_module("google.protobuf.message").DecodeError
    try:
        return protobuf.SavedModel.FromString((folder / GRAPH).read_bytes())
    except FileNotFoundError:
        raise UserError(f"No SavedModel at '{folder}'. Run: invoke export") from None
    except decode_error as error:
        raise unreadable(f"The SavedModel at '{folder}'", error, "Run: invoke export") from None


def signature_text(folder: Path, signature: str) -> str:
    """Describe a signature's inputs and outputs: name, dtype, shape, as `saved_model_cli show` prints them."""
    found = read_proto(folder).meta_graphs[0].signature_def
    if signature not in found:
        raise UserError(
            f"SavedModel '{folder}' has no signature {signature!r}, only {sorted(found)}. Run: invoke export"
        )
    definition = found[signature]
    lines = ["The given SavedModel SignatureDef contains the following input(s):"]
    lines += _tensors("inputs", definition.inputs)
    lines += ["The given SavedModel SignatureDef contains the following output(s):"]
    lines += _tensors("outputs", definition.outputs)
    return "\n".join([*lines, f"Method name is: {definition.method_name}"])


def _tensors(side: str, tensors: Any) -> Iterator[str]:
    types = importlib.import_module("tensorflow.core.framework.types_pb2").DataType
    for alias in sorted(tensors):
        info = tensors[alias]
        shape = ", ".join(str(dimension.size) for dimension in info.tensor_shape.dim)
        yield f"  {side}['{alias}'] tensor_info:"
        yield f"      dtype: {types.Name(info.dtype)}"
        yield f"      shape: ({shape})"
        yield f"      name: {info.name}"


def _names(functions: Iterator[str]) -> dict[str, str]:
    """Map `__inference_serve_316` to `__inference_serve_0`: numbered per stem, in the order they were traced."""
    traced = sorted(name.rpartition("_") for name in functions if name.rpartition("_")[2].isdecimal())
    names = {}
    for stem, group in groupby(traced, key=lambda parts: parts[0]):
        for place, parts in enumerate(sorted(group, key=lambda parts: int(parts[2]))):
            names["".join(parts)] = f"{stem}_{place}"
    return names


def _number_captures(function: Any) -> None:
    """Name captured tensors, which have no name but a number of the process, by their place."""
    for place, argument in function.arg_attr.items():
        name = argument.attr.get("_user_specified_name")
        if name is not None and name.s.isdigit():
            name.s = str(place).encode()


def _rename(message: Any, names: dict[str, str]) -> None:
    """Replace names wherever they stand in a protobuf message: fields, lists, and keys and values of maps."""
    for field, value in message.ListFields():
        if field.message_type and field.message_type.GetOptions().map_entry:
            _rename_map(field, value, names)
        elif field.message_type:
            for part in value if field.is_repeated else (value,):
                _rename(part, names)
        elif field.type == field.TYPE_STRING and field.is_repeated:
            value[:] = [names.get(text, text) for text in value]
        elif field.type == field.TYPE_STRING and value in names:
            setattr(message, field.name, names[value])


def _rename_map(field: Any, entries: Any, names: dict[str, str]) -> None:
    holds_messages = field.message_type.fields_by_name["value"].message_type is not None
    moved = {key: entries[key] for key in entries}
    for key, value in moved.items():
        if holds_messages:
            _rename(value, names)
        elif value in names:
            entries[key] = names[value]
    for key in [key for key in moved if key in names]:
        renamed = entries.pop(key)
        if holds_messages:
            entries[names[key]].CopyFrom(renamed)
        else:
            entries[names[key]] = renamed
