"""Signature -> the types that its instances are decoded to: what msgspec is to take, and nothing else."""

from typing import Annotated, Any

import msgspec

from model.columns import Base64
from model.signature import Signature, TensorSpec

INTEGERS = {"int8": (8, True), "int16": (16, True), "int32": (32, True), "int64": (64, True)}
INTEGERS |= {"uint8": (8, False), "uint16": (16, False), "uint32": (32, False)}
LONGEST_TUPLE = 64  # a fixed tuple decodes faster than a list; longer rows are lists with a checked length


def row_type(signature: Signature) -> type:
    """Return the type of an instance that names its inputs: a struct of fields f0, f1, … in the signature's order."""
    fields: list[Any] = [(f"f{n}", _value_type(spec)) for n, spec in enumerate(signature.inputs)]
    rename = {f"f{n}": spec.alias for n, spec in enumerate(signature.inputs)}
    if len(fields) == 1 and signature.inputs[0].dtype == "string" and signature.inputs[0].shape == (None,):
        # {"b64": …} alone is the value itself; msgspec cannot tell two kinds of object apart, so it is a field here
        fields = [("f0", _value_type(signature.inputs[0]) | msgspec.UnsetType, msgspec.UNSET)]
        if signature.inputs[0].alias != "b64":
            fields.append(("b64", bytes | msgspec.UnsetType, msgspec.UNSET))
        return msgspec.defstruct(
            "Instance",
            fields,
            rename=rename,
            forbid_unknown_fields=True,
            gc=False,
            namespace={"__post_init__": _one_of},
        )
    return msgspec.defstruct("Instance", fields, rename=rename, forbid_unknown_fields=True, gc=False)


def _one_of(row: Any) -> None:
    given = [name for name in row.__struct_fields__ if getattr(row, name) is not msgspec.UNSET]
    if len(given) > 1:
        msg = "Object contains unknown field `b64`"
        raise ValueError(msg)
    if not given:
        msg = f"Object missing required field `{row.__struct_encode_fields__[0]}`"
        raise ValueError(msg)


def single_value(row: Any) -> Any:
    """Return the only input's value of an instance that names it, or is `{"b64": …}`."""
    value = row.f0
    return Base64(row.b64) if value is msgspec.UNSET else value


def bare_type(spec: TensorSpec) -> Any:
    """Return the type of an instance that is the only input's value, without its name."""
    return str if spec.dtype == "string" and spec.shape == (None,) else _value_type(spec)


def _value_type(spec: TensorSpec) -> Any:
    value = _leaf_type(spec.dtype)
    dims = (spec.shape or (None,))[1:]
    for size in reversed(dims):
        if size is None:
            value = list[value]  # type: ignore[valid-type]
        elif 0 < size <= LONGEST_TUPLE and value == _leaf_type(spec.dtype):
            value = tuple[(value,) * size]  # type: ignore[misc]
        else:
            value = Annotated[list[value], msgspec.Meta(min_length=size, max_length=size)]  # type: ignore[valid-type]
    return value


def _leaf_type(dtype: str) -> Any:
    if dtype == "string":
        return str | Base64
    if dtype == "bool":
        return bool
    if dtype == "uint64":
        return Annotated[int, msgspec.Meta(ge=0)]
    if dtype not in INTEGERS:
        return float
    bits, signed = INTEGERS[dtype]
    low, high = (-(1 << bits - 1), (1 << bits - 1) - 1) if signed else (0, (1 << bits) - 1)
    return Annotated[int, msgspec.Meta(ge=low, le=high)]
