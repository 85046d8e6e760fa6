"""A CSV file's header -> which columns fill which input of the model, or Vertex AI's rows as arrays."""

import csv
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from model.rejections import KEY
from model.signature import Signature, TensorSpec

ELEMENT = re.compile(r"(.+?)(?:_(\d+)|\[(\d+)\])")  # features_3, features[3]


@dataclass(frozen=True)
class Field:
    """A field of the instances that rows become: its columns' places, and the dtype their text is read as.

    Without a dtype a number is one, and any other text a text.
    """

    name: str
    dtype: str
    columns: tuple[int, ...]
    vector: bool


@dataclass(frozen=True)
class Columns:
    """A header. `fields` is empty where a row is sent as an array of all its cells, in their order; `key` names one."""

    header: tuple[str, ...]
    fields: tuple[Field, ...] = ()
    key: str = ""


class HeaderError(ValueError):
    """A header that no instances can be made with, in one line."""


def read_header(line: bytes) -> tuple[str, ...]:
    """Return a header's column names.

    Raises:
        HeaderError: there is none, or it names a column twice.
    """
    try:
        text = line.decode().rstrip("\r\n")
        if text.startswith("\ufeff"):
            raise HeaderError("it starts with a UTF-8 byte order mark: save it without one")
        names = next(csv.reader([text], strict=True), [])
    except (UnicodeDecodeError, csv.Error) as error:
        raise HeaderError(f"the header is no CSV: {error}") from None
    if not names:
        raise HeaderError("its first line is empty: it has to name the columns")
    twice = next((name for name, count in Counter(names).items() if count > 1), None)
    if twice is not None:
        raise HeaderError(f"column {twice!r} is there twice")
    return tuple(names)


def columns_of(header: Sequence[str], signature: Signature, rows: str = "", key: str = "") -> Columns:
    """Return what a header's columns fill; `rows` is "object", "array", or "" for what the header fits.

    Raises:
        HeaderError: it names not exactly the model's inputs.
    """
    if rows == "array" or (not rows and len(signature.inputs) == 1 and not _names_input(header, signature)):
        return Columns(tuple(header), key=key)
    places = {name: place for place, name in enumerate(header)}
    fields = [_field(spec, places) for spec in signature.inputs]
    if key in places and key not in {field.name for field in fields}:  # a field of the instance that is not sent
        fields.append(Field(key, "", (places[key],), vector=False))
    used = {place for field in fields for place in field.columns}
    unknown = [name for name, place in places.items() if place not in used]
    if unknown:
        takes = ", ".join(map(str, signature.inputs))
        raise HeaderError(f"column {unknown[0]!r} is no input of the model: it takes {takes}")
    return Columns(tuple(header), tuple(fields), key or KEY)


def _names_input(header: Sequence[str], signature: Signature) -> bool:
    """Whether any column is named after a model's only input."""
    alias = signature.inputs[0].alias
    matches = (ELEMENT.fullmatch(name) for name in header)
    return alias in header or any(match and match[1] == alias for match in matches)


def _field(spec: TensorSpec, places: dict[str, int]) -> Field:
    dims = (spec.shape or (None,))[1:]
    if len(dims) > 1:
        raise HeaderError(f"input {spec} is no scalar and no vector: send it as JSON Lines")
    if spec.alias in places and dims in {(), (1,)}:
        return Field(spec.alias, spec.dtype, (places[spec.alias],), bool(dims))
    if not dims:
        raise HeaderError(f"there is no column {spec.alias!r} for input {spec}")
    return Field(spec.alias, spec.dtype, _elements(spec, dims[0], places), vector=True)


def _elements(spec: TensorSpec, size: int | None, places: dict[str, int]) -> tuple[int, ...]:
    found: dict[int, int] = {}
    for name, place in places.items():
        match = ELEMENT.fullmatch(name)
        if match and match[1] == spec.alias:
            found[int(match[2] or match[3] or 0)] = place
    count = size if size is not None else max(len(found), 1)
    missing = next((number for number in range(count) if number not in found), None)
    if missing is not None:
        raise HeaderError(
            f"there is no column '{spec.alias}_{missing}' (or '{spec.alias}[{missing}]') for input {spec}"
        )
    if len(found) > count:
        raise HeaderError(f"column '{spec.alias}_{max(found)}' is one too many: input {spec} has {count} values")
    return tuple(found[number] for number in range(count))


def folded(header: Sequence[str], key: str = KEY, *, text_keys: bool = False) -> Columns:
    """Return the fields that a header itself tells: `features_0`, `features_1`, … from 0 on are one vector.

    For reading rows where no model is at hand: cells are read as numbers where they are ones, but keys that are texts.
    """
    vectors: dict[str, dict[int, int]] = {}
    for place, name in enumerate(header):
        if match := ELEMENT.fullmatch(name):
            vectors.setdefault(match[1], {})[int(match[2] or match[3] or 0)] = place
    whole = {name: found for name, found in vectors.items() if set(found) == set(range(len(found)))}
    inside = {place for found in whole.values() for place in found.values()}
    fields = [
        Field(name, "", tuple(found[number] for number in range(len(found))), vector=True)
        for name, found in whole.items()
    ]
    fields += [
        Field(name, "string" if text_keys and name == key else "", (place,), vector=False)
        for place, name in enumerate(header)
        if place not in inside
    ]
    return Columns(tuple(header), tuple(fields), key)
